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
)

// An extlinuxConf is extlinux.conf with the files that it includes
// (https://wiki.syslinux.org/wiki/index.php?title=Config; U-Boot's boot/pxe_utils.c).
type extlinuxConf struct {
	labels  []*stanza
	def     string          // the label that boots by default
	global  *fileSpan       // an append line before all labels, for those without one
	byUBoot bool            // not by extlinux
	missing []fileSpan      // include lines that name a missing file
	seen    map[string]bool // files that were read: each counts once
}

// A fileSpan is a piece of one of the files.
type fileSpan struct {
	file string
	span
	text       string
	head, tail string // to be written around a new text
}

// A stanza is a label and the place of its arguments.
type stanza struct {
	label, title string
	image, key   string    // the kernel and the word before it: "linux", "com32"
	imageLine    fileSpan  // the whole line with its end
	append       *fileSpan // nil where there is none
}

// foreign returns why a label must not be edited, "" where it boots Linux.
func (s *stanza) foreign() string {
	switch {
	case s.key == "" || s.image == "" && s.key != "localboot":
		return "it does not name a kernel"
	case s.key != "linux" && s.key != "kernel" && s.key != "fit" || otherProgram(strings.ToLower(path.Base(s.image))):
		return "it starts " + strings.TrimSpace(s.key+" "+s.image) + ", which is not Linux"
	}
	return ""
}

func (s *stanza) rescue() bool {
	return strings.Contains(strings.ToLower(s.label), "rescue") || strings.Contains(strings.ToLower(s.title), "(rescue target)")
}

// labels reads extlinux.conf. On other machines than PCs U-Boot reads it, and
// ignores an append line before all labels.
func (s *site) labels(asked string) *extlinuxConf {
	conf := parseExtlinux(s.extlinux, s.Read)
	if arch := s.arch(asked); arch != "amd64" && arch != "386" {
		conf.global, conf.byUBoot = nil, true
	}
	return conf
}

// parseExtlinux reads a file and what it includes. read returns nil for a file
// that does not exist.
func parseExtlinux(name string, read func(string) []byte) *extlinuxConf {
	c := &extlinuxConf{seen: map[string]bool{}}
	c.parse(name, read)
	isLabel := func(s *stanza) bool { return s.label == c.def }
	if c.def == "" || strings.HasSuffix(c.def, ".c32") && !slices.ContainsFunc(c.labels, isLabel) {
		c.def = "" // a menu program
		if len(c.labels) > 0 {
			c.def = c.labels[0].label
		}
	}
	return c
}

func (c *extlinuxConf) parse(name string, read func(string) []byte) {
	c.seen[name] = true
	at, number, help := 0, 0, false
	for raw := range bytes.Lines(read(name)) {
		number++
		line := strings.TrimRight(string(raw), "\r\n")
		key, value := cutBlank(line)
		key = strings.ToLower(key)
		from := at + len(line) - len(value)
		value = strings.TrimRight(value, " \t")
		here := fileSpan{file: name, span: span{from, at + len(line), number}, text: value}
		whole := fileSpan{file: name, span: span{at, at + len(raw), number}, text: string(raw)}
		at += len(raw)
		if help = help && key != "endtext" || key == "text" && strings.EqualFold(value, "help"); help {
			continue
		}
		if key == "menu" {
			sub, rest := cutBlank(value)
			sub = strings.ToLower(sub)
			switch {
			case sub == "include":
				key, value = sub, rest
			case sub == "default" && len(c.labels) > 0:
				c.def = c.labels[len(c.labels)-1].label
			case sub == "label" && len(c.labels) > 0:
				c.labels[len(c.labels)-1].title = rest
			}
		}
		switch key {
		case "include":
			value, _, _ = strings.Cut(value, " ")
			file := value
			if !path.IsAbs(file) {
				file = path.Join(path.Dir(name), file)
			}
			if read(file) == nil {
				c.missing = append(c.missing, fileSpan{file: name, span: span{line: number}, text: file})
			} else if !c.seen[file] {
				c.parse(file, read)
			}
		case "default":
			c.def = value
		case "label":
			c.labels = append(c.labels, &stanza{label: value})
		case "append":
			here.text = string(bytes.TrimRight(raw, "\r\n"))[here.from-whole.from:]
			if len(c.labels) == 0 {
				c.global = &here
			} else {
				c.labels[len(c.labels)-1].append = &here
			}
		case "linux", "kernel", "com32", "localboot", "boot", "bss", "pxe", "fdimage", "comboot", "config", "fit":
			if len(c.labels) > 0 {
				s := c.labels[len(c.labels)-1]
				s.key, s.image, s.imageLine = key, value, whole
			}
		}
	}
}

// cutBlank returns the first word of a line and the rest.
func cutBlank(line string) (key, value string) {
	rest := strings.TrimLeft(line, " \t")
	i := strings.IndexAny(rest, " \t")
	if i < 0 {
		return rest, ""
	}
	return rest[:i], strings.TrimLeft(rest[i:], " \t")
}

// edit does ops to the labels' append lines and returns the files' new bytes.
// For a label without an append line it edits the global line; if there is none,
// the label gets one. A line that becomes empty is removed, or becomes "-" if
// the global line would then apply.
func (c *extlinuxConf) edit(read func(string) []byte, ops []op, labels []*stanza, fits func(where, line string) error) (map[string][]byte, error) {
	var lines []*fileSpan
	for _, s := range labels {
		if at := cmp.Or(s.append, c.global, s.newAppend()); !slices.Contains(lines, at) {
			lines = append(lines, at)
		}
	}
	// The last of a file comes first, so the offsets of the others hold.
	slices.SortStableFunc(lines, func(a, b *fileSpan) int { return cmp.Compare(b.from, a.from) })
	after := map[string][]byte{}
	for _, at := range lines {
		before := at.text
		if strings.TrimSpace(before) == "-" {
			before = "" // syslinux: no arguments, not even the global ones
		}
		text, err := apply(before, ops)
		if err != nil {
			return nil, &usernskit.FileError{File: at.file, Line: at.line, Err: err}
		}
		if text == before {
			continue
		}
		if err := fits(at.file, text); err != nil {
			return nil, err
		}
		src, edited := after[at.file]
		if !edited {
			src = read(at.file)
		}
		from, to := at.from, at.to
		switch {
		case text != "":
			text = at.head + text + at.tail
			if at.head == "" && from == to {
				text = " " + text // the line is "append" alone
			}
		case c.global != nil && at != c.global:
			text = "-"
		default:
			if from, to = wholeLine(src, at.span); from > 0 && src[to-1] != '\n' {
				from--
			}
		}
		after[at.file] = replace(src, from, to-from, text)
	}
	return after, nil
}

// newAppend returns the place for a new append line: after the kernel's line,
// and in its style.
func (s *stanza) newAppend() *fileSpan {
	line := s.imageLine.text
	head := line[:len(line)-len(strings.TrimLeft(line, " \t"))] + "append "
	if key, _ := cutBlank(line); key == strings.ToUpper(key) {
		head = strings.ToUpper(head)
	}
	tail := line[len(strings.TrimRight(line, "\r\n")):]
	if tail == "" {
		head = "\n" + head
	}
	end := s.imageLine.to
	return &fileSpan{file: s.imageLine.file, span: span{end, end, s.imageLine.line}, head: head, tail: tail}
}

func (s *stanza) where() (string, usernskit.Pos) {
	return "label " + s.label + ": ", usernskit.Pos{File: s.imageLine.file, Line: s.imageLine.line}
}

// named returns the labels that Edit.Kernel names.
func (c *extlinuxConf) named(kernel string) (list []*stanza, err error) {
	name := kernel
	if name == Default {
		name = c.def
	}
	var have []string
	for i, s := range c.labels {
		have = append(have, s.label)
		if s.label == name || kernel == strconv.Itoa(i) || kernel == s.image || kernel == "/boot"+s.image {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("kernel %s: %w: no label is %q; the labels are: %s", kernel, ErrUnknownKernel, name, strings.Join(have, ", "))
	}
	return list, nil
}

// A lineStore is a file with one command line for all kernels.
type lineStore struct {
	Place
	spell    speller
	tool     string       // makes the boot loader's configuration from it
	standard string       // the value where the variable is not set
	before   []*shellFile // sourced before it
	err      error        // why its value cannot be known
}

const (
	ubootDefaults  = "/etc/default/u-boot"
	ubootVariable  = "U_BOOT_PARAMETERS"
	ubootDropIns   = "/etc/u-boot-menu/conf.d"
	ubootVendor    = "/usr/share/u-boot-menu/conf.d"
	ubootStandard  = "ro quiet" // of u-boot-update
	alpineDefaults = "/etc/update-extlinux.conf"
	alpineVariable = "default_kernel_opts"
)

// hasLineStore reports whether the boot loader has a lineStore; extlinux.conf
// counts as one.
func (s *site) hasLineStore() bool {
	return s.Kind == KindRaspberry || s.Kind == KindLimine || s.Kind == KindExtlinux
}

func (s *site) lineStore() lineStore {
	const all = "every kernel"
	switch {
	case s.Kind == KindRaspberry:
		return lineStore{Place: Place{Path: s.linePath, For: all}, spell: spellLiteral}
	case s.Kind == KindLimine:
		return lineStore{Place: Place{Path: limineDefaults, What: limineKey, For: all}, spell: spellLimine, tool: "limine-update"}
	case s.alpineMakes():
		return lineStore{Place: Place{Path: alpineDefaults, What: alpineVariable, For: all}, spell: spellMadeUBoot, tool: "update-extlinux"}
	case s.Exists("/usr/sbin/u-boot-update") || s.Read(ubootDefaults) != nil:
		if store, ok := s.ubootStore(); ok {
			return store
		}
	}
	return lineStore{Place: Place{Path: s.extlinux, What: "append", For: "every label"}, spell: spellUBoot}
}

// alpineMakes reports whether update-extlinux makes extlinux.conf.
func (s *site) alpineMakes() bool {
	return s.Read(alpineDefaults) != nil && s.shellVar(alpineDefaults, "overwrite").text != "0"
}

// ubootStore finds where u-boot-update (Debian's u-boot-menu) takes the
// arguments from. ok is false where u-boot-update does not make the file.
func (s *site) ubootStore() (store lineStore, ok bool) {
	store = lineStore{Place: Place{Path: ubootDefaults, What: ubootVariable, For: "every kernel"}, spell: spellMadeUBoot, tool: "u-boot-update"}
	var files []*shellFile
	for _, name := range slices.Concat([]string{ubootDefaults}, s.List(ubootVendor, ".conf"), s.List(ubootDropIns, ".conf")) {
		src := s.Read(name)
		if src == nil {
			continue
		}
		f, err := parseShell(name, src)
		if err != nil {
			store.Path, store.err = name, err
			return store, true
		}
		files = append(files, f)
	}
	env := evaluate(files...)
	if update := env["U_BOOT_UPDATE"]; !update.unknown && update.text != "" && update.text != "true" {
		return store, false
	}
	value := env[ubootVariable]
	switch {
	case value.unknown:
		store.Path = cmp.Or(value.file, ubootDefaults)
		store.err = &usernskit.FileError{File: store.Path, Line: value.line, Err: fmt.Errorf("%w: reading does not show the value of %s", ErrUnsupportedSyntax, ubootVariable)}
	case value.text == "" && !isBlank(string(s.Read(kernelCmdline))):
		store.Path, store.What = kernelCmdline, ""
		if !hasName(string(s.Read(kernelCmdline)), "root") && isBlank(env["U_BOOT_ROOT"].text) {
			store.err = &usernskit.FileError{File: kernelCmdline, Err: fmt.Errorf("%w: it has no root=, and u-boot-update would take the whole line for that: add it, or set U_BOOT_ROOT in %s", ErrUnsupported, ubootDefaults)}
		}
		return store, true
	case value.text == "":
		store.standard = ubootStandard
	case strings.HasPrefix(value.file, "/usr/"):
		store.Path = ubootDropIns + "/99-usernskit.conf"
	default:
		store.Path = value.file
	}
	if i := slices.IndexFunc(files, func(f *shellFile) bool { return f.name == store.Path }); i >= 0 {
		files = files[:i]
	}
	store.before = files
	return store, true
}

// value returns the command line that a store gives now; unknown where reading
// does not show it.
func (s *site) value(store lineStore) (text string, unknown bool) {
	src := s.Read(store.Path)
	switch {
	case store.err != nil:
		return "", true
	case store.What == "":
		return strings.TrimSpace(string(src)), false
	case s.Kind == KindLimine:
		_, text = limineLines(src)
		return text, false
	}
	f, err := parseShell(store.Path, src)
	if err != nil {
		return "", true
	}
	v := f.value(store.What, store.before)
	if v.unknown {
		return v.text, true
	}
	return cmp.Or(v.text, store.standard), false
}

// For Limine only the file from which limine-entry-tool makes limine.conf is
// edited.
const (
	limineDefaults = "/etc/default/limine"
	limineKey      = "KERNEL_CMDLINE[default]"
)

var (
	limineAssign  = regexp.MustCompile(`(?m)^[ \t]*KERNEL_CMDLINE\["?default"?\][ \t]*(\+?=)[ \t]*"([^"\r\n]*)"[ \t]*\r?$`)
	limineDefault = regexp.MustCompile(`(?m)^[ \t]*KERNEL_CMDLINE\[["']?default["']?\]`)
	limineOthers  = regexp.MustCompile(`(?m)^[ \t]*KERNEL_CMDLINE(\[[^\]\r\n]*\])?[^\r\n]*$`)
)

// limineLines returns the values that together are the command line: that of
// the last "=" and those of every "+=" after it.
func limineLines(src []byte) (list []span, whole string) {
	for _, m := range limineAssign.FindAllSubmatchIndex(src, -1) {
		if m[3]-m[2] == 1 {
			list, whole = nil, ""
		}
		list = append(list, span{m[4], m[5], 1 + bytes.Count(src[:m[4]], []byte("\n"))})
		whole = strings.TrimPrefix(whole+" "+string(src[m[4]:m[5]]), " ")
	}
	return list, whole
}

// editLimine does ops to the KERNEL_CMDLINE[default] lines.
func editLimine(src []byte, ops []op) ([]byte, error) {
	for _, o := range ops {
		lines, _ := limineLines(src)
		var before []string
		for _, s := range lines {
			before = append(before, string(src[s.from:s.to]))
		}
		after, bad, err := editJoined(before, o)
		if err != nil {
			return nil, &usernskit.FileError{File: limineDefaults, Line: lines[bad].line, Err: err}
		}
		for i, s := range slices.Backward(lines) {
			if after[i] != before[i] {
				src = replace(src, s.from, s.to-s.from, after[i])
			}
		}
	}
	return src, nil
}
