package bootargs

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/distro"
)

// An entry is a Boot Loader Specification file, type 1
// (https://uapi-group.org/specifications/specs/boot_loader_specification/).
type entry struct {
	path    string
	src     []byte
	image   string // as written, relative to the boot partition
	key     string // of the image: "linux", "efi", "uki"
	title   string
	version string
	sortKey string
	machine string
	options []span // the value of each "options" line
	clips   bool   // GRUB stops reading at a blank line or a key without a value
}

// A span is a piece of a file and its line.
type span struct{ from, to, line int }

// parseEntry never fails: every reader skips what it does not know.
func parseEntry(path string, src []byte) *entry {
	e := &entry{path: path, src: src}
	for at, line := 0, 1; at < len(src); line++ {
		end := at + bytes.IndexByte(src[at:], '\n')
		if end < at {
			end = len(src)
		}
		e.line(at, len(bytes.TrimRight(src[at:end], "\r"))+at, line)
		at = end + 1
	}
	return e
}

func (e *entry) line(from, to, line int) {
	text := string(e.src[from:to])
	rest := strings.TrimLeft(text, " \t")
	n := strings.IndexAny(rest, " \t")
	if strings.HasPrefix(rest, "#") {
		return
	}
	if n < 0 || strings.TrimLeft(rest[n:], " \t") == "" {
		e.clips = e.clips || len(e.options) == 0
		return
	}
	value := strings.TrimLeft(rest[n:], " \t")
	switch rest[:n] {
	case "options":
		e.options = append(e.options, span{from + len(text) - len(value), to, line})
	case "linux", "efi", "uki", "uki-url":
		if e.key != "linux" {
			e.key, e.image = rest[:n], strings.TrimRight(value, " \t")
		}
	case "title":
		e.title = value
	case "version":
		e.version = value
	case "sort-key":
		e.sortKey = value
	case "machine-id":
		e.machine = value
	}
}

// id is the entry's name in boot loaders and grubenv: the file's without
// ".conf" and without the counter "+3-1" that a boot changes.
func (e *entry) id() string {
	name := strings.TrimSuffix(path.Base(e.path), ".conf")
	i := strings.LastIndexByte(name, '+')
	if i > 0 && strings.Trim(name[i+1:], "0123456789-") == "" && strings.Trim(name[i+1:], "-") == name[i+1:] && name[i+1:] != "" {
		return name[:i]
	}
	return name
}

// failed reports a boot-counted entry that has no tries left.
func (e *entry) failed() bool {
	_, tries, ok := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(path.Base(e.path), ".conf"), e.id()), "+")
	return ok && (tries == "0" || strings.HasPrefix(tries, "0-"))
}

// rescue reports an entry that dracut keeps as a way back.
func (e *entry) rescue() bool {
	return strings.Contains(e.id(), "-0-rescue") || strings.HasPrefix(e.version, "0-rescue")
}

// foreign returns why an edit must leave the entry alone: it does not boot
// Linux, or boots an image whose own command line would be lost as soon as the
// entry had one. It is "" for all others.
func (e *entry) foreign() string {
	name := strings.ToLower(path.Base(strings.ReplaceAll(e.image, `\`, "/")))
	switch {
	case e.image == "":
		return "it does not name a kernel"
	case otherProgram(name) || strings.Contains(strings.ToLower(e.image), "/microsoft/"):
		return "it starts " + e.image + ", which is not Linux"
	case len(e.options) > 0 || e.key == "linux" && !strings.HasSuffix(name, ".efi"):
		return ""
	}
	return "it starts " + e.image + " with the command line that may be inside that image, and options here would replace it"
}

// otherProgram reports whether a name is that of a program other than Linux: a
// memory test, a shell, another loader.
func otherProgram(name string) bool {
	for _, known := range []string{"memtest", "mt86plus", "memdisk", "bootmgfw", "bootmgr", "ipxe", "netboot.xyz", "shellx64", "shellia32", "shellaa64",
		"grubx64", "grubaa64", "grub.efi", "shimx64", "shimaa64", "refind_", "fwupd", "hdt.", "xen.gz", "xen-", "mboot."} {
		if strings.HasPrefix(name, known) {
			return true
		}
	}
	suffix := path.Ext(name)
	return suffix == ".c32" || suffix == ".lkrn" || suffix == ".bss" || suffix == ".cbt" || suffix == ".com" || suffix == ".iso"
}

func (e *entry) text(s span) string { return string(e.src[s.from:s.to]) }

// cmdline returns the command line that the entry's reader makes of it.
func (e *entry) cmdline(grub bool, vars map[string]string) string {
	var lines []string
	for _, s := range e.options {
		lines = append(lines, e.text(s))
		if grub {
			return expandGRUB(lines[0], vars) // GRUB reads the first line only
		}
	}
	if grub {
		return vars["default_kernelopts"]
	}
	return strings.Join(lines, " ")
}

func (e *entry) errorAt(s span, col int, err error) error {
	return &usernskit.FileError{File: e.path, Line: s.line, Col: col, Err: err}
}

// edit does ops to the options. vars are GRUB's, nil for other readers; their
// values count as part of the line but are not written.
func (e *entry) edit(ops []op, grub bool, vars map[string]string) ([]byte, error) {
	for _, o := range ops {
		src, err := e.editOne(o, grub, vars)
		if err != nil {
			return nil, err
		}
		e = parseEntry(e.path, src)
	}
	return e.src, nil
}

func (e *entry) editOne(o op, grub bool, vars map[string]string) ([]byte, error) {
	whole := e.cmdline(grub, vars)
	if o.done(whole) {
		return e.src, nil
	}
	switch {
	case grub && e.clips:
		return nil, e.errorAt(span{}, 0, fmt.Errorf("%w: GRUB stops reading it at a blank line or a key without a value, before the options", ErrUnsupportedSyntax))
	case len(e.options) == 0 && grub:
		return nil, e.errorAt(span{}, 0, fmt.Errorf("%w: it has no options, and GRUB takes $default_kernelopts", ErrUnsupportedSyntax))
	case len(e.options) == 0:
		text, err := apply("", []op{o})
		if err != nil || text == "" {
			return e.src, err
		}
		src := bytes.Clone(e.src)
		if n := len(src); n > 0 && src[n-1] != '\n' {
			src = append(src, '\n')
		}
		return append(src, "options "+text+"\n"...), nil
	}
	asked := o
	o = o.missingFrom(whole)
	lines, edit := e.options, e.editJoined
	if grub {
		lines = lines[:1]
		edit = func(o op) ([]string, error) { return e.editFirst(o, vars) }
	}
	texts, err := edit(o)
	if err != nil {
		return nil, err
	}
	src := e.src
	for i, s := range slices.Backward(lines) {
		text := texts[i]
		if text == e.text(s) {
			continue
		}
		if n := len(text); n > 1 && text[0] == text[n-1] && (text[0] == '"' || text[0] == '\'') {
			return nil, e.errorAt(s, e.column(s), fmt.Errorf("%w: systemd-boot takes off quotes around a whole line", ErrEncoding))
		}
		src = replace(src, s.from, s.to-s.from, text)
		if !new(token).next(text, 0) { // blanks at most
			if src, err = e.dropLine(src, s, grub); err != nil {
				return nil, err
			}
		}
	}
	left := parseEntry(e.path, src).cmdline(grub, vars)
	w, lost := asked.lost(left)
	switch {
	case lost:
		return nil, e.errorAt(lines[0], 0, fmt.Errorf("%w: %s would be behind a \"--\" or an open quote that a GRUB variable holds", ErrUnsupportedSyntax, w.text))
	case grub && !sameInit(Cmdline(left), Cmdline(whole)):
		return nil, e.errorAt(lines[0], 0, fmt.Errorf("%w: it would also change what init gets after the \"--\" of a GRUB variable", ErrUnsupportedSyntax))
	case (o.removes() || o.verb == verbSet && o.replacesGroup()) && !o.done(left):
		return nil, e.errorAt(lines[0], 0, fmt.Errorf("%w: the argument is in a GRUB variable that all entries share", ErrUnsupported))
	}
	return src, nil
}

// editFirst edits the line that GRUB reads, and puts what was set after a
// variable with another value.
func (e *entry) editFirst(o op, vars map[string]string) ([]string, error) {
	s := e.options[0]
	text := e.text(s)
	list, err := o.on(text)
	if err != nil {
		return nil, e.errorAt(s, 0, err)
	}
	if len(list) > 0 {
		if col, bad := checkGRUB(text); bad != nil {
			return nil, e.errorAt(s, e.column(s)+col-1, bad)
		}
	}
	after := splices(text, list)
	if o.verb == verbSet && !o.inForce(expandGRUB(after, vars)) {
		gone, _ := op{verbRemove, o.words}.on(after)
		after = splices(after, gone)
		if list, err = add(after, nil, o.words); err != nil {
			return nil, e.errorAt(s, 0, err)
		}
		after = splices(after, list)
	}
	return []string{after}, nil
}

// editJoined edits what systemd-boot reads, the lines joined by a blank, and
// splits the result again. Groups and "--" are judged on the whole line.
func (e *entry) editJoined(o op) ([]string, error) {
	whole := e.cmdline(false, nil)
	if s, open := e.quoteAcross(whole); open {
		return nil, e.errorAt(s, 0, fmt.Errorf("%w: a quote is closed in a later line only", ErrUnsupportedSyntax))
	}
	list, err := o.on(whole)
	if err != nil {
		return nil, e.errorAt(e.options[len(e.options)-1], 0, err)
	}
	var texts []string
	from := 0 // of the line in whole
	for _, s := range e.options {
		text := e.text(s)
		to := from + len(text)
		for len(list) > 0 && list[0].at+list[0].del < from {
			list = list[1:]
		}
		var own []splice
		for _, p := range list {
			if p.at > to {
				break
			}
			at, end := max(p.at, from), min(p.at+p.del, to)
			across := p.at < from || p.at+p.del > to // an argument that goes, and blanks of the line before or after
			if across && !new(token).next(whole[at:end], 0) {
				continue
			}
			own = append(own, splice{at - from, end - at, p.text})
		}
		if own != nil {
			text = strings.TrimLeft(splices(text, own), " \t")
		}
		texts = append(texts, text)
		from = to + 1
	}
	return texts, nil
}

// quoteAcross finds an argument whose quote is not closed on the line where it
// begins.
func (e *entry) quoteAcross(whole string) (s span, open bool) {
	i, end := 0, 0 // the line, and where it ends in whole
	var t token
	for t.next(whole, t.to) && !t.ends(whole) {
		for ; end < t.to; i++ {
			if end > t.from {
				return e.options[i-1], true
			}
			end += e.options[i].to - e.options[i].from
			if i > 0 {
				end++
			}
		}
	}
	return span{}, false
}

func (e *entry) column(s span) int {
	return s.from - bytes.LastIndexByte(e.src[:s.from], '\n')
}

// dropLine removes an options line that has become empty: GRUB would stop
// reading there. Without any options line GRUB takes its own defaults.
func (e *entry) dropLine(src []byte, s span, grub bool) ([]byte, error) {
	if grub {
		return nil, e.errorAt(s, 0, fmt.Errorf("%w: nothing would be left, and GRUB would take $default_kernelopts", ErrUnsupported))
	}
	from := bytes.LastIndexByte(src[:s.from], '\n') + 1
	end := bytes.IndexByte(src[s.from:], '\n')
	if end < 0 {
		return src[:from:from], nil
	}
	return replace(src, from, s.from+end+1-from, ""), nil
}

func (e Edit) all() bool { return e.Kernel == "" || e.Kernel == All }

// A choice is a boot entry or a label.
type choice interface {
	foreign() string // why it must not be edited; "" where it boots Linux
	rescue() bool
	refused(why string) error
}

// choose returns the entries to edit, and those that it skips because they do
// not boot Linux with their own line. Skipping one that was asked for by name
// is an error.
func choose[T choice](e Edit, all []T, named func(kernel string) ([]T, error)) (chosen, skipped []T, err error) {
	if e.all() {
		for _, c := range all {
			switch {
			case c.foreign() != "":
				skipped = append(skipped, c)
			case e.Rescue || !c.rescue():
				chosen = append(chosen, c)
			}
		}
		return chosen, skipped, nil
	}
	if chosen, err = named(e.Kernel); err != nil {
		return nil, nil, err
	}
	for _, c := range chosen {
		if why := c.foreign(); why != "" {
			return nil, nil, c.refused(why)
		}
	}
	return chosen, nil, nil
}

func (e *entry) refused(why string) error {
	return e.errorAt(span{}, 0, fmt.Errorf("%w: %s", ErrNoPlace, why))
}

// named returns the entries that Edit.Kernel names.
func (s *site) named(kernel string) (list []*entry, err error) {
	if kernel == Default {
		e, err := s.defaultEntry()
		return []*entry{e}, err
	}
	if n, err := strconv.Atoi(kernel); err == nil && n >= 0 && n < len(s.entries) {
		return s.entries[n : n+1], nil
	}
	for _, e := range s.entries {
		if e.is(kernel) || e.boots(kernel) {
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("kernel %s: %w; the entries are: %s", kernel, ErrUnknownKernel, s.entryNames())
	}
	return list, nil
}

func (s *site) entryNames() string {
	var have []string
	for _, e := range s.entries {
		have = append(have, e.id())
	}
	return strings.Join(have, ", ")
}

func (e *entry) is(name string) bool {
	return e.id() == name || path.Base(e.path) == name || e.title != "" && e.title == name
}

// boots compares the entry's path, which is relative to the boot partition or
// to the top of a btrfs volume, with one of the running system.
func (e *entry) boots(kernel string) bool {
	if !strings.HasPrefix(kernel, "/") || e.image == "" {
		return false
	}
	for _, mount := range []string{"", "/boot", "/efi", "/boot/efi"} {
		if kernel == mount+e.image {
			return true
		}
	}
	return strings.HasSuffix(e.image, kernel)
}

// defaultEntry returns the entry that boots by default. A boot-once setting
// does not count.
func (s *site) defaultEntry() (*entry, error) {
	if len(s.entries) == 0 {
		return nil, fmt.Errorf("kernel %s: %w: there are no boot entries", Default, ErrUnknownKernel)
	}
	if s.Kind == KindSDBoot || s.Kind == KindUKI {
		return s.defaultBySystemdBoot()
	}
	name, err := s.grubDefault()
	if err != nil {
		return nil, err
	}
	name = name[strings.LastIndexByte(name, '>')+1:]
	if name == "" {
		return s.entries[0], nil
	}
	for _, e := range s.entries {
		if e.is(name) {
			return e, nil
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(s.entries) {
		return s.entries[n], nil
	}
	return nil, s.missingDefault(name)
}

func (s *site) missingDefault(name string) error {
	return fmt.Errorf("kernel %s: %w: the default is %q, which is not an entry; the entries are: %s", Default, ErrUnknownKernel, name, s.entryNames())
}

func (s *site) grubDefault() (string, error) {
	if src := s.read(defaultGrub); src != nil && !s.sdbootutil {
		f, err := parseShell(defaultGrub, src)
		if err != nil {
			return "", err
		}
		v := evaluate(f)["GRUB_DEFAULT"]
		if v.unknown {
			return "", fmt.Errorf("kernel %s: %w: reading does not show GRUB_DEFAULT", Default, ErrUnknownKernel)
		}
		if v.text != "saved" {
			return v.text, nil
		}
	}
	if env, err := parseEnv(s.envPath, s.read(s.envPath)); err == nil {
		name, _ := env.get("saved_entry")
		return name, nil
	}
	return "", nil
}

// bootPattern selects systemd-boot's default: the firmware's variable, else
// loader.conf.
func (s *site) bootPattern() string {
	pattern := s.efiVariable("LoaderEntryDefault")
	if pattern != "" || s.bootDir == "" && s.loaderConf() == "" {
		return pattern
	}
	for line := range bytes.Lines(s.read(s.loaderConf())) {
		if f := strings.Fields(string(line)); len(f) == 2 && f[0] == "default" {
			pattern = f[1]
		}
	}
	return pattern
}

// matches reports whether systemd-boot takes an entry as the default.
func matches(pattern string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(name))
		return err == nil && ok
	})
}

// entryLike returns the first entry that a pattern matches, nil where none does.
func (s *site) entryLike(pattern string) *entry {
	for _, e := range s.entries {
		if matches(pattern, e.id(), e.id()+".conf") {
			return e
		}
	}
	return nil
}

func (s *site) defaultBySystemdBoot() (*entry, error) {
	pattern := s.bootPattern()
	if strings.HasPrefix(pattern, "@") {
		return nil, fmt.Errorf("kernel %s: %w: %q is kept in the firmware", Default, ErrUnknownKernel, pattern)
	}
	if pattern == "" {
		if len(s.images) > 0 {
			return nil, fmt.Errorf("kernel %s: %w: no default is set, and reading does not show whether an entry or the unified kernel image %s comes first", Default, ErrUnknownKernel, s.images[0])
		}
		return s.entries[0], nil
	}
	if e := s.entryLike(pattern); e != nil {
		return e, nil
	}
	return nil, s.missingDefault(pattern)
}

// defaultImage returns the unified kernel image that boots by default.
func (s *site) defaultImage() (string, bool) {
	pattern := s.bootPattern()
	if pattern == "" || strings.HasPrefix(pattern, "@") || s.entryLike(pattern) != nil {
		return "", false
	}
	for _, image := range s.images {
		name := path.Base(image)
		if matches(pattern, name, strings.TrimSuffix(name, ".efi")) {
			return image, true
		}
	}
	return "", false
}

// sortEntries puts entries in the order of the menu. GRUB goes by file names;
// systemd-boot by the keys of the specification.
func sortEntries(list []*entry, grub bool) {
	slices.SortStableFunc(list, func(a, b *entry) int {
		if !grub {
			if c := cmp.Or(falseFirst(a.failed(), b.failed()), falseFirst(a.sortKey == "", b.sortKey == "")); c != 0 {
				return c
			}
			if a.sortKey != "" {
				if c := cmp.Or(strings.Compare(a.sortKey, b.sortKey), strings.Compare(a.machine, b.machine), distro.CompareVersions(b.version, a.version)); c != 0 {
					return c
				}
			}
		}
		return distro.CompareVersions(b.id(), a.id())
	})
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
