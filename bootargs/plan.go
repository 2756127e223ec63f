package bootargs

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strings"

	"github.com/usernskit/usernskit"
)

// PlanEdit plans an edit of the kernel arguments in every place where this
// host keeps them, in the order in which they must be written: what entries
// are generated from, the entries, and last /etc/kernel/cmdline, which
// kernel-install believes only while it is not older than /etc/default/grub.
//
// All places are looked at before the first Change is planned: whether they
// can be edited, can carry the arguments to the kernel, and have the room. An
// error comes with an empty plan. A plan that names one kernel says in its
// warnings that those to come are not covered.
//
// On a host whose arguments belong to another program the error is an
// [*OwnedError]; without any boot loader it is [ErrNoLoader].
func PlanEdit(ctx context.Context, h usernskit.Host, e Edit) (usernskit.Plan, error) {
	if err := e.Check(); err != nil {
		return usernskit.Plan{}, err
	}
	s, err := load(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	if e.empty() {
		return usernskit.Plan{}, nil
	}
	p := &planner{site: s, edit: e}
	p.plan.Title = "kernel arguments " + strings.Join(e.names(), " ")
	if err := p.run(ctx); err != nil {
		return usernskit.Plan{}, err
	}
	if s.err != nil { // a file was asked for on the way, and could not be read
		return usernskit.Plan{}, s.err
	}
	return p.plan, nil
}

// A planner collects the plan of one edit.
type planner struct {
	*site
	edit Edit
	plan usernskit.Plan
}

func (p *planner) run(ctx context.Context) error {
	switch {
	case p.edit.Via == Grubby:
		return p.viaGrubby(ctx)
	case p.Kind == KindUnknown:
		return fmt.Errorf("%w: %s", ErrNoLoader, p.Why)
	case p.Kind == KindGRUB:
		return p.onGRUB()
	case p.Kind == KindGRUBBLS:
		return p.onEntries(true)
	case p.Kind == KindSDBoot:
		return p.onEntries(false)
	case p.Kind == KindRaspberry:
		return p.onRaspberry()
	case p.Kind == KindExtlinux:
		return p.onExtlinux()
	}
	return p.owned()
}

// owned explains a host that is not edited, with the edit in the words of the
// program that owns the arguments where it has such words.
func (p *planner) owned() error {
	command := p.Command
	if p.Kind == KindRPMOSTree {
		give, take := "--append-if-missing=", "--delete-if-present="
		if command[0] == "ostree" {
			give, take = "--append-if-missing=", "--delete="
		}
		for _, args := range [][]string{p.edit.Set, p.edit.Replace, p.edit.Append, p.edit.AddIfMissing} {
			for _, a := range args {
				command = append(command[:len(command):len(command)], give+a)
			}
		}
		for _, args := range [][]string{p.edit.Remove, p.edit.RemoveExact} {
			for _, a := range args {
				command = append(command[:len(command):len(command)], take+a)
			}
		}
	}
	return &OwnedError{Kind: p.Kind, Why: p.Why, Command: command}
}

// change plans a file's new bytes; nil removes it.
func (p *planner) change(path string, after []byte) {
	before := p.files[path]
	if (before == nil) == (after == nil) && bytes.Equal(before, after) {
		return
	}
	p.plan.Changes = append(p.plan.Changes, usernskit.Change{Path: path, Before: before, After: after, Mode: fs.FileMode(0o644)})
}

func (p *planner) changes(path string) bool {
	for _, c := range p.plan.Changes {
		if c.Path == path {
			return true
		}
	}
	return false
}

func (p *planner) warn(id, format string, args ...any) {
	p.plan.Warnings = append(p.plan.Warnings, usernskit.Warning{ID: id, Text: fmt.Sprintf(format, args...)})
}

func (p *planner) act(when usernskit.When, why string, argv ...string) {
	p.plan.Actions = append(p.plan.Actions, usernskit.Action{Why: why, Argv: argv, When: when})
}

// reboot is needed by everything that is written here.
func (p *planner) reboot() {
	p.plan.Actions = append(p.plan.Actions, usernskit.Action{
		Why: "the kernel reads its arguments when it starts", Argv: []string{"reboot"},
		When: usernskit.WhenLater, Kind: usernskit.ActionReboot,
	})
}

// fits holds a whole command line against the length limit.
func (p *planner) fits(where, line string) error {
	arch := p.arch(p.edit.Arch)
	limit := Limit(arch)
	if p.Kind == KindRaspberry {
		limit = min(limit, 1023) // the firmware's own buffer
	}
	warn, err := measure(line, limit)
	if err != nil {
		return &usernskit.FileError{File: where, Err: fmt.Errorf("%w on %s", err, arch)}
	}
	if warn {
		p.warn("long-line", "%s: the command line has %d of the %d bytes that the kernel of %s keeps; what boot loader and kernel add comes on top", where, len(line), limit, arch)
	}
	return nil
}

// everyKernel refuses an edit of one kernel where all of them share a line.
func (p *planner) everyKernel() error {
	if p.edit.Kernel == "" || p.edit.Kernel == All {
		return nil
	}
	hint := ""
	if p.Grubby != "" {
		hint = "; grubby can, by editing the generated grub.cfg"
	}
	return fmt.Errorf("kernel %s: %w: %v keeps one line for all kernels%s", p.edit.Kernel, ErrUnsupported, p.Kind, hint)
}

// line edits a file that is nothing but arguments.
func (p *planner) line(path string, text []byte, spell speller, grub bool) ([]byte, error) {
	ops, err := p.edit.ops(spell)
	if err != nil {
		return nil, &usernskit.FileError{File: path, Err: err}
	}
	after, err := apply(string(text), ops)
	if err != nil {
		return nil, &usernskit.FileError{File: path, Err: err}
	}
	if after == string(text) {
		return text, nil
	}
	if grub {
		// kernel-install makes one line of it with a single blank each.
		if col, err := checkGRUB(strings.NewReplacer("\n", " ", "\r", " ").Replace(string(text))); err != nil {
			return nil, &usernskit.FileError{File: path, Err: fmt.Errorf("byte %d: %w", col, err)}
		}
	}
	return []byte(after), p.fits(path, strings.TrimSpace(after))
}

func (p *planner) onRaspberry() error {
	if err := p.everyKernel(); err != nil {
		return err
	}
	text := p.read(p.linePath)
	if bytes.Contains(bytes.TrimRight(text, "\r\n"), []byte("\n")) {
		return &usernskit.FileError{File: p.linePath, Line: 2, Err: fmt.Errorf("%w: the firmware takes one line only", ErrUnsupportedSyntax)}
	}
	after, err := p.line(p.linePath, text, spellLiteral, false)
	if err != nil {
		return err
	}
	p.change(p.linePath, after)
	if !p.plan.Empty() {
		p.reboot()
	}
	return nil
}

func (p *planner) onExtlinux() error {
	if err := p.everyKernel(); err != nil {
		return err
	}
	ops, err := p.edit.ops(spellUBoot)
	if err != nil {
		return err
	}
	store := p.extlinuxStore()
	var after []byte
	switch store.What {
	case "append":
		after, err = editExtlinux(store.Path, p.read(store.Path), ops, func(s stanza) bool {
			return p.edit.Rescue || !strings.Contains(strings.ToLower(s.label), "rescue")
		})
	case "":
		after, err = p.line(store.Path, p.read(store.Path), spellUBoot, false)
	default:
		after, err = p.variable(store, ops)
	}
	if err != nil {
		return err
	}
	p.change(store.Path, after)
	if p.plan.Empty() {
		return nil
	}
	switch {
	case store.Path == "/etc/update-extlinux.conf":
		p.act(usernskit.WhenNow, "extlinux.conf is made from "+store.Path, "update-extlinux")
	case p.files["/etc/default/u-boot"] != nil:
		p.act(usernskit.WhenNow, "extlinux.conf is made from "+store.Path, "u-boot-update")
	}
	p.reboot()
	return nil
}

// variable edits a variable of a file that is sourced as /etc/default/grub is,
// for a loader without GRUB's quoting.
func (p *planner) variable(store Store, ops []op) ([]byte, error) {
	f, err := parseShell(store.Path, p.read(store.Path))
	if err != nil {
		return nil, err
	}
	if steps, whole := f.live(store.What); whole && len(steps) == 0 {
		return nil, &usernskit.FileError{File: store.Path, Err: fmt.Errorf("%w: %s is not set, and setting it would drop the built-in default", ErrUnsupported, store.What)}
	}
	return f.edit(store.What, ops)
}
