package bootargs

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// PlanEdit plans an edit of the kernel arguments in every place where this host
// keeps them, in the order in which they must be written: what entries are
// generated from, the entries, and last /etc/kernel/cmdline, which
// kernel-install ignores while it is older than /etc/default/grub.
//
// Every place must be editable, able to carry the arguments, and have room for
// them. An error comes with an empty plan. Entries that do not boot Linux with
// a command line of their own are left alone and named in warnings. A plan for
// one kernel warns that future kernels are not covered.
//
// A plan without changes and actions means that every place is as wanted. The
// error matches [ErrNoPlace] if no place was found, [ErrOwned] if the arguments
// belong to another program, [ErrAmbiguous] with equal evidence for two loaders,
// and [ErrNoLoader] without any boot loader.
func PlanEdit(ctx context.Context, h usernskit.Host, e Edit) (usernskit.Plan, error) {
	if _, err := e.ops(nil); err != nil {
		return usernskit.Plan{}, err
	}
	s, err := load(ctx, h, e.Store)
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
	if s.Err != nil { // a file that was needed could not be read
		return usernskit.Plan{}, s.Err
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
	case p.edit.ViaGrubby:
		return p.viaGrubby(ctx)
	case p.refuse != nil:
		return p.refuse
	case p.Kind == KindUnknown:
		return fmt.Errorf("%w: %s", ErrNoLoader, p.Why)
	case p.Kind == KindGRUB:
		return p.onGRUB()
	case p.Kind == KindGRUBBLS:
		return p.onEntries(true)
	case p.Kind == KindSDBoot:
		return p.onEntries(false)
	case p.hasLineStore():
		return p.onLine()
	case p.Kind == KindUKI && p.edit.Kernel != "" && p.edit.Kernel != All && p.edit.Kernel != Default:
		return p.onEntries(false) // one entry beside the image
	}
	return p.owned()
}

// owned returns the error for a host that is not edited, with the owner's
// command for the edit if there is one.
func (p *planner) owned() error {
	command := slices.Clone(p.Command)
	if p.Kind == KindRPMOSTree {
		give, take := "--append-if-missing=", "--delete-if-present="
		if command[0] == "ostree" {
			take = "--delete="
		}
		for _, a := range p.edit.given() {
			command = append(command, give+a)
		}
		for _, a := range p.edit.taken() {
			command = append(command, take+a)
		}
	}
	run := ""
	if len(command) > 0 {
		run = "; run: " + strings.Join(command, " ")
	}
	return fmt.Errorf("%v: %w: %s%s", p.Kind, ErrOwned, p.Why, run)
}

// change plans a file's new bytes; nil removes the file.
func (p *planner) change(name string, after []byte) {
	before := p.Read(name)
	if (before == nil) == (after == nil) && bytes.Equal(before, after) {
		return
	}
	p.plan.Changes = append(p.plan.Changes, usernskit.Change{Path: name, Before: before, After: after, Mode: 0o644})
}

func (p *planner) changes(path string) bool {
	return slices.ContainsFunc(p.plan.Changes, func(c usernskit.Change) bool { return c.Path == path })
}

func (p *planner) warn(id string, pos usernskit.Pos, format string, args ...any) {
	p.plan.Warnings = append(p.plan.Warnings, usernskit.Warning{ID: id, Pos: pos, Text: fmt.Sprintf(format, args...)})
}

// act plans to run a program that makes other files; in a tree by chroot(8).
func (p *planner) act(why string, argv ...string) {
	a := usernskit.Action{Why: why, Argv: argv}
	if !p.h.Live() {
		a.Where = usernskit.WhereTree
	}
	p.plan.Actions = append(p.plan.Actions, a)
}

// reboot plans the reboot that every change needs.
func (p *planner) reboot() {
	a := usernskit.Action{
		Why: "the kernel reads its arguments when it starts", Argv: []string{"reboot"},
		When: usernskit.WhenLater, Kind: usernskit.ActionReboot,
	}
	if !p.h.Live() {
		a.Where = usernskit.WhereBoot
	}
	p.plan.Actions = append(p.plan.Actions, a)
}

// fits checks a whole command line against the length limit.
func (p *planner) fits(where, line string) error {
	arch := p.arch(p.edit.Arch)
	limit := lineLimit(arch)
	if p.Kind == KindRaspberry {
		limit = min(limit, 1023) // the firmware's own buffer
	}
	if len(line) > limit {
		return &usernskit.FileError{File: where, Err: fmt.Errorf("%w: %d bytes, the kernel keeps %d on %s", ErrTooLong, len(line), limit, arch)}
	}
	if len(line)*5 > limit*4 { // BOOT_IMAGE=, initrd= and what is built into the kernel come on top
		p.warn(WarnLongLine, usernskit.Pos{File: where}, "the command line has %d of the %d bytes that the kernel of %s keeps; what boot loader and kernel add comes on top", len(line), limit, arch)
	}
	return nil
}

// lineLimit returns how many bytes of a command line the kernel of an
// architecture keeps: COMMAND_LINE_SIZE of its headers, less the final NUL. The
// kernel cuts the rest off silently. arch is spelled as GOARCH; if unknown, the
// limit is the 511 of asm-generic/setup.h.
func lineLimit(arch string) int {
	switch arch {
	case "amd64", "386", "arm64", "ppc64", "ppc64le":
		return 2047
	case "arm", "riscv64":
		return 1023
	case "s390x":
		return 895 // before Linux 5.16, and in zipl; later kernels take 4095
	case "mips", "mipsle", "mips64", "mips64le", "loong64":
		return 4095
	}
	return 511
}

// arch returns asked, or the architecture of one of the host's programs: a tree
// may be for another machine.
func (s *site) arch(asked string) string {
	if asked != "" {
		return asked
	}
	for _, name := range []string{"/bin/sh", "/usr/bin/env", "/sbin/init"} {
		if arch := elfArch(s.Read(name)); arch != "" {
			return arch
		}
	}
	return runtime.GOARCH
}

// elfArch reads the architecture of an ELF file; "" for any other.
func elfArch(data []byte) string {
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return ""
	}
	if f.Machine == elf.EM_PPC64 && f.ByteOrder == binary.LittleEndian {
		return "ppc64le"
	}
	return map[elf.Machine]string{elf.EM_386: "386", elf.EM_MIPS: "mips", elf.EM_PPC64: "ppc64", elf.EM_S390: "s390x", elf.EM_ARM: "arm",
		elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_RISCV: "riscv64", elf.EM_LOONGARCH: "loong64"}[f.Machine]
}

// oneLine allows an edit of the default kernel where all kernels share a line,
// with a warning, and refuses an edit of any other kernel.
func (p *planner) oneLine() error {
	switch {
	case p.edit.all():
		return nil
	case p.edit.Kernel == Default:
		p.warn(WarnOneLine, usernskit.Pos{}, "%v keeps one line for all kernels: all of them get this, not the default one alone", p.Kind)
		return nil
	}
	hint := ""
	if p.Grubby != "" {
		hint = "; grubby can, by editing the generated grub.cfg"
	}
	return fmt.Errorf("kernel %s: %w: %v keeps one line for all kernels: ask for %s%s", p.edit.Kernel, ErrUnsupported, p.Kind, All, hint)
}

// onLine plans for boot loaders with one line for all kernels.
func (p *planner) onLine() error {
	store := p.lineStore()
	ops, err := p.edit.ops(store.spell)
	switch {
	case err != nil:
		return &usernskit.FileError{File: store.Path, Err: err}
	case store.err != nil:
		return store.err
	case store.What == "append":
		return p.onLabels(ops)
	}
	if err := p.oneLine(); err != nil {
		return err
	}
	var after []byte
	switch {
	case p.Kind == KindLimine:
		after, err = p.limine(ops)
	case store.What != "":
		after, err = p.variable(store, ops)
	default:
		after, err = p.line(store.Path, ops, false)
	}
	if err != nil {
		return err
	}
	p.change(store.Path, after)
	stale := store.tool != "" && p.staleLabels(ops)
	if p.plan.Empty() && !stale {
		return nil
	}
	if dir := path.Dir(store.Path); p.Kind == KindRaspberry && dir != "/boot" && dir != "/boot/firmware" {
		p.warn(WarnFutureKernels, usernskit.Pos{File: store.Path}, "a new kernel comes with a directory and a command line of its own, which may not have this")
	}
	if store.tool != "" {
		p.act("the boot loader's configuration is made from "+store.Path, store.tool)
	}
	p.reboot()
	return nil
}

// line edits a file that holds only arguments.
func (p *planner) line(name string, ops []op, grub bool) ([]byte, error) {
	text := p.Read(name)
	if p.hasLineStore() && bytes.Contains(bytes.TrimRight(text, "\r\n"), []byte("\n")) {
		return nil, &usernskit.FileError{File: name, Line: 2, Err: fmt.Errorf("%w: the boot loader takes one line only", ErrUnsupportedSyntax)}
	}
	after, err := apply(string(text), ops)
	if err != nil {
		return nil, &usernskit.FileError{File: name, Err: err}
	}
	if after == string(text) {
		return text, nil
	}
	if grub {
		// kernel-install joins the lines with single blanks.
		if col, err := checkGRUB(strings.NewReplacer("\n", " ", "\r", " ").Replace(string(text))); err != nil {
			return nil, &usernskit.FileError{File: name, Err: fmt.Errorf("byte %d: %w", col, err)}
		}
	}
	return []byte(after), p.fits(name, strings.TrimSpace(after))
}

// staleLabels reports whether extlinux.conf does not have the edit: the file
// from which it is made is newer.
func (p *planner) staleLabels(ops []op) bool {
	return p.extlinux != "" && slices.ContainsFunc(parseExtlinux(p.extlinux, p.Read).labels, func(s *stanza) bool {
		return s.foreign() == "" && s.append != nil && lacks(s.append.text, ops)
	})
}

// onLabels edits the append lines of extlinux.conf and of the files that it
// includes.
func (p *planner) onLabels(ops []op) error {
	if p.extlinux == "" {
		return fmt.Errorf("%s: %w: there is no extlinux.conf yet", p.Why, ErrNoPlace)
	}
	conf := p.labels(p.edit.Arch)
	for _, m := range conf.missing {
		return &usernskit.FileError{File: m.file, Line: m.line, Err: fmt.Errorf("%w: it includes %s, which does not exist", ErrNoPlace, m.text)}
	}
	chosen, err := choose(p, p.extlinux, "label", conf.labels, conf.named)
	if err != nil {
		return err
	}
	adds := slices.ContainsFunc(ops, func(o op) bool { return !o.removes() })
	for _, s := range chosen {
		if adds && s.append == nil && conf.byUBoot {
			name, pos := s.where()
			return &usernskit.FileError{File: pos.File, Line: pos.Line,
				Err: fmt.Errorf("%s%w: without an append line U-Boot takes the bootargs of its environment, and with one nothing else: write one that has the whole command line", name, ErrUnsupported)}
		}
	}
	after, err := conf.edit(p.Read, ops, chosen, p.fits)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		p.change(name, after[name])
	}
	if !p.plan.Empty() {
		p.reboot()
	}
	return nil
}

// A choice is a boot entry or a label.
type choice interface {
	foreign() string // why it must not be edited; "" where it boots Linux
	rescue() bool
	where() (name string, pos usernskit.Pos)
}

// choose returns the entries to edit. Those that do not boot Linux with their
// own line are left alone with a warning. They are an error if they were asked
// for by name or if there are no others: that must not look like "done".
func choose[T choice](p *planner, store, noun string, all []T, named func(kernel string) ([]T, error)) (chosen []T, err error) {
	if !p.edit.all() {
		if chosen, err = named(p.edit.Kernel); err != nil {
			return nil, err
		}
		for _, c := range chosen {
			if why := c.foreign(); why != "" {
				name, pos := c.where()
				return nil, &usernskit.FileError{File: pos.File, Line: pos.Line, Err: fmt.Errorf("%s%w: %s", name, ErrNoPlace, why)}
			}
		}
		p.warn(WarnFutureKernels, usernskit.Pos{}, "only the %s asked for is edited: the next kernel that is installed does not have this", noun)
		return chosen, nil
	}
	var skipped []string
	for _, c := range all {
		name, pos := c.where()
		switch why := c.foreign(); {
		case why != "":
			p.warn(WarnSkipped, pos, "%sleft alone: %s", name, why)
			skipped = append(skipped, pos.File+": "+name+why)
		case p.edit.Rescue || !c.rescue():
			chosen = append(chosen, c)
		}
	}
	text := "it has no boot " + noun
	switch {
	case len(chosen) > 0:
		return chosen, nil
	case skipped != nil:
		text = "no boot " + noun + " that may be edited: " + strings.Join(skipped, "; ")
	case len(all) > 0:
		text = "every boot " + noun + " is for rescue"
	}
	return nil, fmt.Errorf("%s: %w: %s", store, ErrNoPlace, text)
}

// variable edits a variable of a file that is sourced as /etc/default/grub is,
// for a loader without GRUB's quoting. If the variable is not set, the standard
// value of the program that reads the file counts.
func (p *planner) variable(store lineStore, ops []op) ([]byte, error) {
	src := p.Read(store.Path)
	f, err := parseShell(store.Path, src)
	if err != nil {
		return nil, err
	}
	if err := p.stopsAt(f); err != nil {
		return nil, err
	}
	after := src
	switch steps, unread := f.live(store.What); {
	case unread != nil || len(steps) > 0 || store.standard == "" && len(store.before) > 0:
		after, err = f.edit(store.What, ops, store.before...)
	case store.standard == "":
		err = &usernskit.FileError{File: store.Path, Err: fmt.Errorf("%w: %s is not set, and its standard value is not known", ErrUnsupported, store.What)}
	default:
		var text string
		text, err = apply(store.standard, ops)
		if err == nil && text != store.standard {
			after, err = f.block(store.What, encodeShell(text, inDouble))
		}
	}
	if err != nil {
		return nil, err
	}
	if store.What == ubootVariable {
		after = dropBlock(after, store.What, ubootStandard)
	}
	g, err := f.edited(after)
	if err != nil {
		return nil, err
	}
	value := g.value(store.What, store.before)
	if steps, _ := g.live(store.What); store.What == ubootVariable && len(steps) > 0 && !value.unknown && isBlank(value.text) {
		return nil, g.errorAt(steps[0], fmt.Errorf("%w: nothing would be left in %s, and %s would take its standard value", ErrUnsupported, store.What, store.tool))
	}
	if len(after) == 0 && bytes.HasPrefix(src, []byte(blockBegin)) {
		return nil, nil // a file that we made
	}
	return after, p.fits(store.Path, value.text)
}

// limine edits the file from which limine-entry-tool makes limine.conf.
func (p *planner) limine(ops []op) ([]byte, error) {
	src := p.Read(limineDefaults)
	plain := map[int]bool{}
	for _, m := range limineAssign.FindAllIndex(src, -1) {
		plain[m[0]] = true
	}
	for _, m := range limineOthers.FindAllIndex(src, -1) {
		if !plain[m[0]] {
			p.warn(WarnSkipped, usernskit.Pos{File: limineDefaults, Line: 1 + bytes.Count(src[:m[0]], []byte("\n"))}, "left alone: the kernels that this line is for have a command line of their own, or it is written in another way")
		}
	}
	after, err := editLimine(src, ops)
	if _, line := limineLines(after); err == nil && !bytes.Equal(after, src) {
		err = p.fits(limineDefaults, line)
	}
	return after, err
}
