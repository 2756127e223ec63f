package bootargs

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"regexp"
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
	vars    map[string]string // GRUB's; nil where systemd-boot reads the entry
	image   string            // as written, relative to the boot partition
	key     string            // of the image: "linux", "efi", "uki"
	title   string
	version string
	sortKey string
	machine string
	options []span // the value of each "options" line
	clips   string // why GRUB does not read the options
}

// A span is a piece of a file and its line.
type span struct{ from, to, line int }

// parseEntry never fails: every reader skips what it does not know.
func parseEntry(path string, src []byte, vars map[string]string) *entry {
	e := &entry{path: path, src: src, vars: vars}
	at, number := 0, 0
	for raw := range bytes.Lines(src) {
		number++
		text := strings.TrimRight(string(raw), "\r\n")
		key, value := cutBlank(text)
		e.line(key, value, span{at + len(text) - len(value), at + len(text), number})
		at += len(raw)
	}
	return e
}

func (e *entry) line(key, value string, at span) {
	if strings.HasPrefix(key, "#") {
		return
	}
	if value == "" {
		if len(e.options) == 0 {
			e.clips = "GRUB stops reading it at a blank line or a key without a value, before the options"
		}
		return
	}
	switch key {
	case "options":
		if before := e.src[:at.from]; len(e.options) == 0 && before[bytes.LastIndex(before, []byte(key))+len(key)] == '\t' {
			e.clips = "the GRUB of EL 8 and 9 takes a tab behind \"options\" for a part of that word: write a blank there"
		}
		// systemd-boot takes off quotes around a whole line. What is added goes inside.
		if inside := strings.TrimRight(value, " \t"); e.vars == nil && len(inside) > 1 && inside[0] == '"' && inside[len(inside)-1] == '"' {
			at.from, at.to = at.from+1, at.from+len(inside)-1
		}
		e.options = append(e.options, at)
	case "linux", "efi", "uki", "uki-url":
		if e.key != "linux" {
			e.key, e.image = key, strings.TrimRight(value, " \t")
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

// The boot counter in an entry's file name: "+LEFT-DONE". Each boot changes it.
var bootCount = regexp.MustCompile(`^(.+)\+([0-9]+)(-[0-9]+)?$`)

// id returns the entry's name in boot loaders and grubenv: the file name
// without ".conf" and the boot counter.
func (e *entry) id() string {
	return bootCount.ReplaceAllString(strings.TrimSuffix(path.Base(e.path), ".conf"), "$1")
}

// failed reports whether a boot-counted entry has no tries left.
func (e *entry) failed() bool {
	m := bootCount.FindStringSubmatch(strings.TrimSuffix(path.Base(e.path), ".conf"))
	return m != nil && strings.Trim(m[2], "0") == ""
}

// rescue reports whether the entry is one that dracut keeps as a way back.
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

// otherProgram reports whether a file of this name is not Linux but a memory
// test, a shell or another loader.
func otherProgram(name string) bool {
	for _, known := range []string{"memtest", "mt86plus", "memdisk", "bootmgfw", "bootmgr", "ipxe", "netboot.xyz", "shell",
		"bootx64.", "bootia32.", "bootaa64.", "systemd-boot", "limine", "opencore",
		"grubx64", "grubaa64", "grub.efi", "shimx64", "shimaa64", "refind_", "fwupd", "hdt.", "xen.gz", "xen-", "mboot."} {
		if strings.HasPrefix(name, known) {
			return true
		}
	}
	return slices.Contains([]string{".c32", ".lkrn", ".bss", ".cbt", ".com", ".iso"}, path.Ext(name))
}

func (e *entry) text(s span) string { return string(e.src[s.from:s.to]) }

// texts returns the options lines that the entry's reader reads: GRUB takes the
// first only.
func (e *entry) texts() (list []string) {
	for _, s := range e.options {
		list = append(list, e.text(s))
	}
	if e.vars != nil {
		return list[:min(len(list), 1)]
	}
	return list
}

// cmdline returns the command line that the entry's reader makes of it.
func (e *entry) cmdline() string {
	text := strings.Join(e.texts(), " ")
	switch {
	case e.vars == nil:
		return text
	case len(e.options) == 0:
		return e.vars["default_kernelopts"]
	}
	return expandGRUB(text, e.vars)
}

// errorAt returns err with its place. col is the byte in s, from 1; 0 means the
// whole line.
func (e *entry) errorAt(s span, col int, err error) error {
	if col > 0 {
		col += s.from - bytes.LastIndexByte(e.src[:s.from], '\n') - 1
	}
	return &usernskit.FileError{File: e.path, Line: s.line, Col: col, Err: err}
}

// edit does ops to the options. The values of GRUB's variables count as part of
// the line but are not written.
func (e *entry) edit(ops []op) ([]byte, error) {
	for _, o := range ops {
		src, err := e.editOne(o)
		if err != nil {
			return nil, err
		}
		e = parseEntry(e.path, src, e.vars)
	}
	return e.src, nil
}

func (e *entry) editOne(o op) ([]byte, error) {
	whole := e.cmdline()
	grub := e.vars != nil
	switch {
	case o.done(whole):
		return e.src, nil
	case grub && e.clips != "":
		return nil, e.errorAt(span{}, 0, fmt.Errorf("%w: %s", ErrUnsupportedSyntax, e.clips))
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
	texts, line, err := editJoined(e.texts(), o)
	if err == nil && grub {
		texts[0], err = e.behindVariables(texts[0], o)
	}
	if err != nil {
		return nil, e.errorAt(e.options[line], 0, err)
	}
	src := e.src
	for i, text := range slices.Backward(texts) {
		s := e.options[i]
		if text == e.text(s) {
			continue
		}
		if col, bad := checkGRUB(e.text(s)); bad != nil && grub {
			return nil, e.errorAt(s, col, bad)
		}
		if quotes := quotesAround(text) + quotesAround(e.text(s)); quotes != "" && !grub && e.src[s.from-1] != '"' {
			return nil, e.errorAt(s, 1, fmt.Errorf("%w: systemd-boot takes off %s around a whole line", ErrEncoding, quotes))
		}
		from, to := s.from, s.to
		if isBlank(text) { // GRUB would stop reading at such a line
			if grub {
				return nil, e.errorAt(s, 0, fmt.Errorf("%w: nothing would be left, and GRUB would take $default_kernelopts", ErrUnsupported))
			}
			from, to = wholeLine(e.src, s)
			text = ""
		}
		src = replace(src, from, to-from, text)
	}
	left := parseEntry(e.path, src, e.vars).cmdline()
	w, lost := asked.lost(left)
	switch {
	case lost:
		err = fmt.Errorf("%w: %s would be behind a \"--\" or an open quote that a GRUB variable holds", ErrUnsupportedSyntax, w.text)
	case grub && !sameInit(Cmdline(left), Cmdline(whole)):
		err = fmt.Errorf("%w: it would also change what init gets after the \"--\" of a GRUB variable", ErrUnsupportedSyntax)
	case (o.removes() || o.verb == verbSet && o.replacesGroup()) && !o.done(left):
		err = fmt.Errorf("%w: the argument is in a GRUB variable that all entries share", ErrUnsupported)
	}
	if err != nil {
		return nil, e.errorAt(e.options[0], 0, err)
	}
	return src, nil
}

// quotesAround returns the quote that a text both begins and ends with, else "".
func quotesAround(text string) string {
	if n := len(text); n > 1 && text[0] == text[n-1] && (text[0] == '"' || text[0] == '\'') {
		return text[:1]
	}
	return ""
}

// wholeLine returns the offsets of the line of s, its newline included.
func wholeLine(src []byte, s span) (from, to int) {
	from, to = bytes.LastIndexByte(src[:s.from], '\n')+1, len(src)
	if i := bytes.IndexByte(src[s.to:], '\n'); i >= 0 {
		to = s.to + i + 1
	}
	return from, to
}

// behindVariables moves the arguments that o set to the end of text, where a
// variable in it sets their name to another value.
func (e *entry) behindVariables(text string, o op) (string, error) {
	if o.verb != verbSet || o.inForce(expandGRUB(text, e.vars)) {
		return text, nil
	}
	text = splices(text, remove(text, o.names))
	list, err := add(text, nil, o.words)
	return splices(text, list), err
}

// editJoined does o to several lines as if joined by a blank, so that groups
// and "--" are judged on the whole. line is the index of the line that err is
// about.
func editJoined(lines []string, o op) (texts []string, line int, err error) {
	whole := strings.Join(lines, " ")
	all, n := split(whole)
	list, err := o.on(whole)
	from := 0 // of the line in whole
	for i, text := range lines {
		to := from + len(text)
		if slices.ContainsFunc(all[:n], func(t token) bool { return t.from < to && t.to > to }) {
			return nil, i, fmt.Errorf("%w: a quote is closed in a later line only", ErrUnsupportedSyntax)
		}
		var own []splice
		for _, p := range list {
			at, end := max(p.at, from), min(p.at+p.del, to)
			// Where an argument is removed, the blanks of the next or previous line stay.
			across := p.at < from || p.at+p.del > to
			if at > end || across && isBlank(whole[at:end]) {
				continue
			}
			own = append(own, splice{at - from, end - at, p.text})
		}
		if own != nil {
			indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
			text = indent + strings.TrimLeft(splices(text, own), " \t")
		}
		texts = append(texts, text)
		from = to + 1
	}
	return texts, len(lines) - 1, err
}

func (e Edit) all() bool { return e.Kernel == "" || e.Kernel == All }

func (e *entry) where() (string, usernskit.Pos) { return "", usernskit.Pos{File: e.path} }

// named returns the entries that Edit.Kernel names.
func (s *site) named(kernel string) (list []*entry, err error) {
	if kernel == Default {
		e, err := s.defaultEntry()
		return []*entry{e}, err
	}
	if e := s.at(kernel); e != nil {
		return []*entry{e}, nil
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

// at returns the entry with an index in the menu, nil for anything else.
func (s *site) at(index string) *entry {
	if n, err := strconv.Atoi(index); err == nil && n >= 0 && n < len(s.entries) {
		return s.entries[n]
	}
	return nil
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

// boots reports whether the entry boots the kernel of this path on the running
// system. The entry's own path is relative to the boot partition or to the top
// of a btrfs volume.
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
	if e := s.at(name); e != nil {
		return e, nil
	}
	return nil, s.missingDefault(name)
}

func (s *site) missingDefault(name string) error {
	return fmt.Errorf("kernel %s: %w: the default is %q, which is not an entry; the entries are: %s", Default, ErrUnknownKernel, name, s.entryNames())
}

func (s *site) grubDefault() (string, error) {
	if s.Read(defaultGrub) != nil && !s.sdbootutil {
		v := s.shellVar(defaultGrub, "GRUB_DEFAULT")
		if v.unknown {
			return "", fmt.Errorf("kernel %s: %w: reading does not show GRUB_DEFAULT", Default, ErrUnknownKernel)
		}
		if v.text != "saved" {
			return v.text, nil
		}
	}
	if env, err := parseEnv(s.envPath, s.Read(s.envPath)); err == nil {
		name, _ := env.get("saved_entry")
		return name, nil
	}
	return "", nil
}

// bootPattern returns the pattern that selects systemd-boot's default entry:
// that of the EFI variable, else of loader.conf.
func (s *site) bootPattern() string {
	pattern := s.efiVariable("LoaderEntryDefault")
	if pattern != "" {
		return pattern
	}
	for line := range bytes.Lines(s.Read(s.loaderConf())) {
		switch key, value := cutBlank(strings.TrimSpace(string(line))); key {
		case "default":
			pattern = value
			if quote := quotesAround(value); quote != "" {
				pattern = strings.Trim(value, quote)
			}
		case "preferred": // systemd 260 and later take it before the default
			return "@" + key
		}
	}
	return pattern
}

// matches reports whether one of names matches systemd-boot's pattern.
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
		return nil, fmt.Errorf("kernel %s: %w: what %s is depends on the firmware or on systemd's version", Default, ErrUnknownKernel, pattern)
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
	rank := func(e *entry) (n int) {
		if e.failed() {
			n += 2
		}
		if e.sortKey == "" {
			n++
		}
		return n
	}
	slices.SortStableFunc(list, func(a, b *entry) int {
		c := 0
		if !grub {
			c = cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a.sortKey, b.sortKey))
		}
		if !grub && c == 0 && a.sortKey != "" {
			c = cmp.Or(strings.Compare(a.machine, b.machine), distro.CompareVersions(b.version, a.version))
		}
		return cmp.Or(c, distro.CompareVersions(b.id(), a.id()))
	})
}
