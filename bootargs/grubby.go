package bootargs

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// viaGrubby plans one call of grubby. It asks grubby for the current state, and
// refuses what this grubby is known to break.
func (p *planner) viaGrubby(ctx context.Context) error {
	ops, entries, err := p.askGrubby(ctx)
	if err != nil {
		return err
	}
	all := p.grubbyKernel() == All
	script := bytes.HasPrefix(p.Read(p.Grubby), []byte("#!"))
	if err := p.grubbyHazards(ops, entries, script && all); err != nil {
		return err
	}
	if unmet(ops, entries) == nil {
		return nil
	}
	argv := []string{p.Grubby, "--update-kernel=" + p.grubbyKernel()}
	if give := p.edit.given(); len(give) > 0 {
		argv = append(argv, "--args="+strings.Join(give, " "))
	}
	if take := p.edit.taken(); len(take) > 0 {
		argv = append(argv, "--remove-args="+strings.Join(take, " "))
	}
	p.act("grubby edits the boot entries; its files are its own, and undo does not bring them back", argv...)
	if p.Kind == KindZipl {
		p.act("zipl(8) copies the arguments to the boot record, which grubby does not", "zipl")
	}
	p.reboot()
	switch {
	case !all:
		p.warn(WarnFutureKernels, usernskit.Pos{}, "grubby edits this kernel's entry only: the next kernel that is installed may not have this")
	case !script:
		p.warn(WarnFutureKernels, usernskit.Pos{}, "this grubby does not edit %s: grub2-mkconfig undoes what it did", defaultGrub)
	case !p.Exists(kernelCmdline):
		p.warn(WarnFutureKernels, usernskit.Pos{}, "grubby makes /etc/kernel/cmdline from its last entry, often the rescue one: check root= there")
	}
	return nil
}

func (p *planner) grubbyKernel() string { return cmp.Or(p.edit.Kernel, All) }

// askGrubby returns the edit's ops, and the entries as grubby prints them.
func (p *planner) askGrubby(ctx context.Context) ([]op, []info, error) {
	if p.Grubby == "" {
		return nil, nil, fmt.Errorf("grubby: %w: this host does not have it", ErrUnsupported)
	}
	ops, err := p.edit.ops(spellGrubby)
	if err != nil {
		return nil, nil, err
	}
	out, exit, err := p.h.Ask(ctx, p.Grubby, "--info="+p.grubbyKernel())
	if err != nil {
		return nil, nil, err
	}
	if exit != 0 {
		return nil, nil, fmt.Errorf("%s --info=%s ended with exit code %d", p.Grubby, p.grubbyKernel(), exit)
	}
	list := parseInfo(string(out))
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("kernel %s: %w: grubby --info shows none", p.grubbyKernel(), ErrUnknownKernel)
	}
	return ops, list, nil
}

// spellGrubby accepts what both grubbys carry unharmed. The one in C drops
// quotes; the script puts arguments into sed and, unquoted, into its shell.
func spellGrubby(a Arg, text string) (string, error) {
	for i := range len(text) {
		if b := text[i]; !isLetter(b) && !isDigit(b) && strings.IndexByte("_-.,:/=@%+~^!", b) < 0 {
			return "", fmt.Errorf("%w: grubby breaks arguments with %q; edit the files instead", ErrEncoding, b)
		}
	}
	if sameName(a.Name, "root") {
		return "", fmt.Errorf("%w: grubby keeps root= apart; edit the files instead", ErrUnsupported)
	}
	return text, nil
}

// grubbyHazards refuses edits that grubby is known to damage or to do in part.
// writes means that grubby is the script and edits all kernels: then it also
// writes the files from which entries are made.
func (p *planner) grubbyHazards(ops []op, entries []info, writes bool) error {
	for _, o := range ops {
		if o.verb != verbAppend && o.verb != verbAdd {
			continue
		}
		for _, e := range entries {
			for _, w := range o.missingFrom(e.args).words {
				if hasName(e.args, w.Name) {
					return fmt.Errorf("%s: %w: grubby replaces the existing %s= instead of adding one", w.text, ErrUnsupported, w.Name)
				}
			}
		}
	}
	if !writes {
		return nil
	}
	seen := 0
	for line := range bytes.Lines(p.Read(defaultGrub)) {
		if bytes.HasPrefix(line, []byte(grubVariable)) {
			seen++
			if seen > 1 || !bytes.HasPrefix(line, []byte(grubVariable+"=")) || bytes.HasSuffix(bytes.TrimSpace(line), []byte(`\`)) {
				return &usernskit.FileError{File: defaultGrub, Err: fmt.Errorf("%w: grubby overwrites every line that begins with %s, and there are others", ErrUnsupported, grubVariable)}
			}
		}
	}
	if link, err := p.h.Lstat(defaultGrub); err == nil && !link.Mode().IsRegular() {
		return &usernskit.FileError{File: defaultGrub, Err: fmt.Errorf("%w: grubby would put a file in the place of this link", ErrUnsupported)}
	}
	if bytes.Contains(bytes.TrimSpace(p.Read(kernelCmdline)), []byte("\n")) {
		return &usernskit.FileError{File: kernelCmdline, Line: 2, Err: fmt.Errorf("%w: grubby keeps the first line only", ErrUnsupported)}
	}
	for _, e := range p.entries {
		if len(e.options) > 1 {
			return e.errorAt(e.options[1], 0, fmt.Errorf("%w: grubby writes the whole line into each of several options lines", ErrUnsupported))
		}
	}
	before := p.plan
	err := p.onKernelopts(ops) // fails if the environment block is full, where grubby would exit 0
	p.plan = before
	return err
}

// Confirm asks grubby for the entries. If some do not have the edit, the error
// matches [ErrNotApplied] and names them: grubby's exit code does not tell. Call
// Confirm after the action of a plan with [Edit].ViaGrubby.
func (e Edit) Confirm(ctx context.Context, h usernskit.Host) error {
	s, err := load(ctx, h, e.Store)
	if err != nil {
		return err
	}
	ops, entries, err := (&planner{site: s, edit: e}).askGrubby(ctx)
	if err != nil {
		return err
	}
	return unmet(ops, entries)
}

// unmet returns an error that names the entries without the edit, nil if there
// are none.
func unmet(ops []op, entries []info) error {
	var list []string
	for _, e := range entries {
		if slices.ContainsFunc(ops, func(o op) bool { return !o.finished(e.args) }) {
			list = append(list, fmt.Sprintf("entry %s (%s) has: %s", e.index, e.kernel, e.args))
		}
	}
	if list == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNotApplied, strings.Join(list, "; "))
}

// An info is what grubby --info prints about one entry.
type info struct{ index, kernel, args string }

// parseInfo reads key=value lines. Values are in quotes that do not escape
// quotes inside; entries that do not boot Linux have no kernel.
func parseInfo(out string) []info {
	var list []info
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		if key == "index" || list == nil {
			list = append(list, info{})
		}
		e := &list[len(list)-1]
		switch key {
		case "index":
			e.index = value
		case "kernel":
			e.kernel = value
		case "args":
			e.args = value
		}
	}
	return slices.DeleteFunc(list, func(e info) bool { return e.kernel == "" })
}
