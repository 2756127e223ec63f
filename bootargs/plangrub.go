package bootargs

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// What a new drop-in holds before anything is added.
const dropInStart = "# Made by usernskit. To take it back, delete this file and run update-grub.\n" +
	grubVariable + `="${` + grubVariable + "}\"\n"

// onGRUB plans for a GRUB whose menu is generated: one line for all kernels.
func (p *planner) onGRUB() error {
	if err := p.oneLine(); err != nil {
		return err
	}
	if len(p.shell) == 0 && p.dropIn == "" {
		return fmt.Errorf("%s: %w: there is no %s to make it from", p.grubCfgPath, ErrNoPlace, defaultGrub)
	}
	ops, err := p.onShell()
	if err != nil {
		return err
	}
	if p.plan.Empty() {
		for _, w := range p.plan.Warnings {
			if w.ID == WarnOverridden || w.ID == WarnStillSet {
				return &usernskit.FileError{File: w.Pos.File, Line: w.Pos.Line, Err: fmt.Errorf("%w: %s", ErrUnsupported, w.Text)}
			}
		}
	}
	stale := false // an entry is older than its sources
	for i, e := range p.cfg.entries {
		switch {
		case !lacks(e.line, ops):
		case e.custom():
			p.warn(WarnSkipped, usernskit.Pos{File: p.grubCfgPath, Line: e.number}, "entry %d is left alone: its command line is written in %s", i, e.script)
		default:
			stale = true
		}
	}
	if stale || !p.plan.Empty() {
		p.act("grub.cfg is generated from "+defaultGrub, p.mkconfig()...)
		p.reboot()
	}
	return nil
}

// What grub-mkconfig and GRUB put before the line: as short as it can be, with a
// root= of the usual kind.
const grubAdds = "BOOT_IMAGE=/vmlinuz-6.1.0-1-amd64 root=UUID=00000000-0000-0000-0000-000000000000 ro "

// lacks reports whether a line does not have all that is asked for.
func lacks(line string, ops []op) bool {
	return slices.ContainsFunc(ops, func(o op) bool { return !o.met(line) })
}

// mkconfig returns the command that makes grub.cfg on this distribution.
func (p *planner) mkconfig() []string {
	path := p.grubCfgPath
	two := p.release.Is("fedora", "rhel", "suse", "opensuse") || path == "" && p.Exists("/boot/grub2") || strings.Contains(path, "/grub2/")
	switch {
	case p.Exists("/usr/sbin/transactional-update"):
		return []string{"transactional-update", "grub.cfg"}
	case p.release.Is("debian", "ubuntu"):
		return []string{"update-grub"}
	case two:
		return []string{"grub2-mkconfig", "-o", cmp.Or(path, "/boot/grub2/grub.cfg")}
	}
	return []string{"grub-mkconfig", "-o", cmp.Or(path, "/boot/grub/grub.cfg")}
}

// onShell plans the edit of the files that grub-mkconfig sources.
func (p *planner) onShell() ([]op, error) {
	ops, err := p.edit.ops(spellGRUB)
	if err != nil {
		return nil, &usernskit.FileError{File: defaultGrub, Err: err}
	}
	files, err := p.sources(nil)
	if err != nil {
		return nil, err
	}
	if err := p.stopsAt(files...); err != nil {
		return nil, err
	}
	after := map[string][]byte{}
	old := "" // our drop-in under a name that does not sort last any more
	for _, name := range p.shell {
		if name != p.dropIn && ownDropIn(name) && old == "" {
			old = name
		}
	}
	if old != "" && p.Read(p.dropIn) == nil {
		after[p.dropIn], after[old] = p.Read(old), nil
	} else if p.dropIn != "" && p.Read(p.dropIn) == nil {
		after[p.dropIn] = []byte(dropInStart) // planned only if something is added
	}
	for _, o := range ops {
		if files, err = p.sources(after); err != nil {
			return nil, err
		}
		if p.dropIn == "" {
			after[defaultGrub], err = files[0].edit(grubVariable, []op{o})
		} else {
			err = p.editDropIn(o, files, after)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, name := range []string{defaultGrub, p.dropIn, old} {
		text, touched := after[name]
		if !touched {
			continue
		}
		if name == p.dropIn && string(text) == dropInStart {
			text, after[name] = nil, nil
		}
		p.change(name, text)
	}
	if files, err = p.sources(after); err != nil {
		return nil, err
	}
	if !p.plan.Empty() {
		for _, f := range files {
			p.plan.Warnings = append(p.plan.Warnings, p.problems(f)...)
		}
	}
	return ops, p.reviewShell(ops, files)
}

// sourceNames returns the files that grub-mkconfig sources, and our drop-in.
func (s *site) sourceNames() []string {
	names := slices.Clone(s.shell)
	if s.dropIn != "" && !slices.Contains(names, s.dropIn) {
		names = append(names, s.dropIn)
		slices.Sort(names) // as the glob does; the main file is first
	}
	return names
}

// sources parses the files that grub-mkconfig sources, in order. Those in after
// have their planned bytes.
func (s *site) sources(after map[string][]byte) (files []*shellFile, err error) {
	for _, name := range s.sourceNames() {
		src, planned := after[name]
		if !planned {
			src = s.Read(name)
		}
		if src == nil {
			continue
		}
		f, err := parseShell(name, src)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// editDropIn adds arguments to our drop-in, which is last and so decides. It
// removes them there and in the main file. Other files in grub.d are not edited.
func (p *planner) editDropIn(o op, files []*shellFile, after map[string][]byte) (err error) {
	value := evaluate(files...)[grubVariable]
	finished := func() bool { return !value.unknown && o.finished(value.text) }
	edit := func(f *shellFile, before ...*shellFile) (changed bool, err error) {
		src, err := f.edit(grubVariable, []op{o}, before...)
		if err != nil {
			return false, err
		}
		after[f.name] = src
		if files, err = p.sources(after); err == nil {
			value = evaluate(files...)[grubVariable]
		}
		return string(src) != string(f.src), err
	}
	ours := slices.IndexFunc(files, func(f *shellFile) bool { return f.name == p.dropIn })
	hasMain := p.Read(defaultGrub) != nil
	if o.removes() {
		taken := false
		if !finished() {
			if taken, err = edit(files[ours]); err != nil {
				return err
			}
		}
		if !hasMain || finished() {
			return nil
		}
		if _, err = edit(files[0]); taken && value.unknown {
			return nil // the main file cannot be edited, and a warning says so
		}
		return err
	}
	if hasMain && !finished() && o.verb == verbSet && o.replacesGroup() && anyArg(evaluate(files[0])[grubVariable].text, o.names) {
		if _, err = edit(files[0]); err != nil {
			return err
		}
	}
	if finished() {
		return nil
	}
	_, err = edit(files[ours], files[:ours]...)
	return err
}

// reviewShell checks the planned files together: whether the line is too long,
// and whether another file or variable decides.
func (p *planner) reviewShell(ops []op, files []*shellFile) error {
	env := evaluate(files...)
	ours, theirs := env[grubVariable], env[grubDefaultVariable]
	line := ours.text + " " + theirs.text
	if v, why := stopsLater(env); why != "" {
		return &usernskit.FileError{File: v.file, Line: v.line, Err: fmt.Errorf("%w: %s", ErrStops, why)}
	}
	if len(p.plan.Changes) > 0 && !ours.unknown {
		if err := p.fits(defaultGrub, grubAdds+line); err != nil {
			return err
		}
	}
	if ours.unknown || theirs.unknown {
		p.warn(WarnCannotTell, usernskit.Pos{File: defaultGrub}, "it runs commands or conditions, so what it gives to the kernel is not known by reading; look at grub.cfg afterwards")
		return nil
	}
	if xen := env["GRUB_CMDLINE_LINUX_XEN_REPLACE"]; xen.file != "" && !p.plan.Empty() {
		p.warn(WarnOverridden, usernskit.Pos{File: xen.file, Line: xen.line}, "under Xen this replaces %s", grubVariable)
	}
	init, _ := Cmdline(line).initArgs()
	for _, o := range ops {
		if w, lost := o.lost(line); lost && holds(init, w.Arg) && ours.stop.File != "" {
			return ours.behind(w) // behind the "--" of a file that comes after ours
		}
		for _, w := range o.words {
			have, ok := Cmdline(line).Effective(w.Name)
			switch takes := o.removes(); {
			case takes && o.verb == verbRemove && ok, takes && holds(line, w.Arg):
				where := ours
				if hasName(theirs.text, w.Name) {
					where = theirs
				}
				p.warn(WarnStillSet, usernskit.Pos{File: where.file, Line: where.line}, "it gives %s to the kernel too, and is not edited", w.Name)
			case o.verb == verbSet && !accumulates(w.Name) && (!ok || !o.inForce(line)):
				where, name := ours, grubVariable
				if ok && holds(theirs.text, have) {
					where, name = theirs, grubDefaultVariable
				}
				if where.file != "" {
					p.warn(WarnOverridden, usernskit.Pos{File: where.file, Line: where.line}, "%s comes later and decides %s", name, w.Name)
				}
			}
		}
	}
	return nil
}

// An envBlock is a GRUB environment block (grub-core/lib/envblk.c): a header,
// lines "name=value" with backslash and newline escaped, and "#" up to a size
// that never changes, since GRUB writes it in place by disk blocks.
type envBlock struct {
	name string
	src  []byte
	pad  int // where the padding begins
}

const envHeader = "# GRUB Environment Block\n"

func parseEnv(name string, src []byte) (*envBlock, error) {
	if !bytes.HasPrefix(src, []byte(envHeader)) {
		return nil, &usernskit.FileError{File: name, Line: 1, Err: fmt.Errorf("%w: no GRUB environment block header", ErrUnsupportedSyntax)}
	}
	pad := len(bytes.TrimRight(src, "#"))
	if src[pad-1] != '\n' {
		return nil, &usernskit.FileError{File: name, Line: 1 + bytes.Count(src[:pad], []byte("\n")),
			Err: fmt.Errorf("%w: the last variable does not end before the padding", ErrUnsupportedSyntax)}
	}
	return &envBlock{name: name, src: src, pad: pad}, nil
}

// The lines of a block: a name, and a value in which a backslash escapes a byte.
var (
	envLine    = regexp.MustCompile(`(?:([^=\\\n#][^=\\\n]*)=)?((?:[^\\\n]|\\[\s\S])*)\n`)
	envEscaped = regexp.MustCompile(`\\([\s\S])`)
)

// find returns the place of a variable's escaped value.
func (b *envBlock) find(name string) (from, to int, ok bool) {
	for _, m := range envLine.FindAllSubmatchIndex(b.src[:b.pad], -1) {
		if m[2] >= 0 && string(b.src[m[2]:m[3]]) == name {
			return m[4], m[5], true
		}
	}
	return 0, 0, false
}

// get returns the value of a variable.
func (b *envBlock) get(name string) (string, bool) {
	from, to, ok := b.find(name)
	return envEscaped.ReplaceAllString(string(b.src[from:to]), "$1"), ok
}

// set gives an existing variable another value. The block keeps its size, and
// everything else in it stays as it is.
func (b *envBlock) set(name, value string) ([]byte, error) {
	from, to, ok := b.find(name)
	if !ok {
		return nil, fmt.Errorf("BUG: %s: no variable %s", b.name, name)
	}
	if old, _ := b.get(name); old == value {
		return b.src, nil
	}
	value = strings.NewReplacer(`\`, `\\`, "\n", "\\\n").Replace(value)
	grow, room := len(value)-(to-from), len(b.src)-b.pad
	if grow > room {
		return nil, &usernskit.FileError{File: b.name, Err: fmt.Errorf("%w: %s needs %d more bytes in the GRUB environment block, %d are free", ErrTooLong, name, grow, room)}
	}
	return slices.Concat(b.src[:from], []byte(value), b.src[to:b.pad], bytes.Repeat([]byte("#"), room-grow)), nil
}

// A variable as GRUB and the shell write it. The first pattern takes an escaping
// backslash too, so that expandGRUB keeps \$name.
var (
	grubReference  = regexp.MustCompile(`\\?\$([A-Za-z_]\w*|\{[A-Za-z_]\w*\})`)
	shellReference = regexp.MustCompile(`^\$([A-Za-z_]\w*|\{[A-Za-z_]\w*\})`)
)

// expandGRUB expands the variables in a line as blscfg does. An unknown one
// stays as written.
func expandGRUB(text string, vars map[string]string) string {
	return grubReference.ReplaceAllStringFunc(text, func(reference string) string {
		value, known := vars[strings.Trim(reference, "${}")]
		if !known {
			return reference
		}
		return value + " " // GRUB separates text that touches a variable
	})
}

// grubCfg is what we read of a grub.cfg; nothing ever writes to one.
type grubCfg struct {
	bls     bool
	vars    map[string]string // from lines: set name="value"
	entries []menuEntry       // those that boot this system's kernels
	wrapper bool              // only loads another grub.cfg
}

// A menuEntry is a menu entry's command line.
type menuEntry struct {
	line   string
	number int    // of the line in grub.cfg
	script string // which made it: /etc/grub.d/10_linux
}

// custom reports whether the administrator wrote the entry.
func (e menuEntry) custom() bool { return strings.HasSuffix(e.script, "_custom") }

// parseGRUBCfg reads single lines, not the script.
func parseGRUBCfg(src []byte) grubCfg {
	cfg := grubCfg{vars: map[string]string{}}
	menu, script, number := false, "", 0
	for line := range bytes.Lines(src) {
		number++
		f := strings.Fields(string(line))
		if len(f) == 4 && f[0] == "###" && f[1] == "BEGIN" {
			script = f[2]
		}
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		switch f[0] {
		case "blscfg":
			cfg.bls = true
		case "insmod":
			cfg.bls = cfg.bls || len(f) > 1 && (f[1] == "blscfg" || f[1] == "blsuki")
		case "configfile":
			cfg.wrapper = true
		case "menuentry":
			menu = true
		case "set":
			name, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(string(line)), "set")), "=")
			if n := len(value); ok && n > 1 && value[0] == '"' && value[n-1] == '"' {
				cfg.vars[name] = value[1 : n-1]
			}
		case "linux", "linux16", "linuxefi":
			// os-prober's entries boot other systems.
			if menu && len(f) > 1 && !otherProgram(strings.ToLower(path.Base(f[1]))) && !strings.HasSuffix(script, "os-prober") {
				text := strings.TrimSpace(string(line))
				text = strings.TrimSpace(strings.TrimPrefix(text, f[0]))
				cfg.entries = append(cfg.entries, menuEntry{strings.TrimSpace(strings.TrimPrefix(text, f[1])), number, script})
			}
		}
	}
	cfg.wrapper = cfg.wrapper && !cfg.bls && len(cfg.entries) == 0
	return cfg
}
