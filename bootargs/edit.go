package bootargs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An Edit is a change to a command line. Arguments are spelled as for
// [ParseArg]; Remove takes names. Removals run before additions. A name may be
// under one verb only, besides RemoveExact, so that the order of the other verbs
// never decides the result.
type Edit struct {
	// Set makes these arguments the only ones of their name. They take the
	// name's places in the line; further ones go last, and unused places are
	// dropped. Names that accumulate are refused with [ErrAccumulates].
	Set []string
	// Replace is Set for any name: it drops every other console= too.
	Replace []string
	// Append adds at the end each argument that the line does not have with
	// this value.
	Append []string
	// AddIfMissing adds at the end each argument whose name the line does not
	// have.
	AddIfMissing []string
	// Remove removes all arguments of these names.
	Remove []string
	// RemoveExact removes the arguments with this name and this value; "foo"
	// and "foo=" differ.
	RemoveExact []string

	// Kernel selects kernels: "" or [All], [Default], the index of a boot entry
	// (0 is the first of the menu), its ID, or the path of its kernel. All is
	// every installed and every future kernel. Where all kernels share one
	// line, Default means that line, and the plan warns of it.
	Kernel string
	// Store is the path of a file that a boot loader or its tools read, which
	// chooses that loader on a host with several. "" chooses the one with the
	// most evidence.
	Store string
	// ViaGrubby plans one call of grubby(8), which writes the files itself; see
	// [Edit.Confirm].
	ViaGrubby bool
	// Rescue includes rescue entries in All. Otherwise they are not edited, as
	// a way back from an argument that does not boot; but on EL8 they share
	// $kernelopts with the others.
	Rescue bool
	// Arch is the architecture whose length limit applies, as GOARCH spells it.
	// If empty, it is that of the host's programs.
	Arch string
}

// Values of Edit.Kernel besides an index, an ID or a path, and the IDs of this
// package's warnings.
const (
	All     = "ALL"
	Default = "DEFAULT"

	WarnCannotTell     = "cannot-tell"     // reading does not show the value
	WarnFutureKernels  = "future-kernels"  // future kernels are not covered
	WarnLongLine       = "long-line"       // close to what the kernel keeps
	WarnMayStop        = "may-stop"        // update-grub stops if a command fails
	WarnOneLine        = "one-line"        // one line serves all kernels
	WarnOverridden     = "overridden"      // something later decides
	WarnSeveralOptions = "several-options" // GRUB and systemd-boot read the entry differently
	WarnSkipped        = "skipped-entry"   // an entry does not boot Linux with a line of its own
	WarnStillSet       = "still-set"       // a place that is not edited sets it too
	WarnStops          = "stops"           // update-grub stops before it makes a menu
)

// Apply edits one line. It is idempotent, and a failed edit returns "".
func (e Edit) Apply(line string) (string, error) {
	ops, err := e.ops(nil)
	if err != nil {
		return "", err
	}
	return apply(line, ops)
}

// apply does ops in order.
func apply(line string, ops []op) (string, error) {
	for _, o := range ops {
		list, err := o.on(line)
		if err != nil {
			return "", err
		}
		line = splices(line, list)
	}
	return line, nil
}

// A speller returns how an argument is written in one layer. text is the
// caller's spelling, which the nil speller keeps. A speller fails where the
// layer cannot carry the argument.
type speller func(a Arg, text string) (string, error)

// ops checks the edit and spells its arguments. Arguments to remove are only
// compared, and need no spelling.
func (e Edit) ops(spell speller) ([]op, error) {
	lists := []struct {
		verb   verb
		args   []string
		single bool // no name of which every occurrence counts
	}{
		{verbRemove, e.Remove, false},
		{verbRemoveExact, e.RemoveExact, false},
		{verbSet, e.Set, true},
		{verbSet, e.Replace, false},
		{verbAppend, e.Append, false},
		{verbAdd, e.AddIfMissing, false},
	}
	var ops []op
	under := map[string]int{} // by name, the index of the list that has it
	for i, list := range lists {
		o := op{verb: list.verb}
		for _, s := range list.args {
			a, err := ParseArg(s)
			if err != nil {
				return nil, err
			}
			w := word{a, s}
			if spell != nil && !o.removes() {
				if w.text, err = spell(a, s); err != nil {
					return nil, fmt.Errorf("%s: %w", s, err)
				}
			}
			key := group(a.Name)
			j, known := under[key]
			switch {
			case o.verb == verbRemove && a.HasValue:
				return nil, fmt.Errorf("%q: %w: the name alone removes all of that name; to remove one value, remove it exactly", s, ErrSyntax)
			case list.single && accumulates(a.Name):
				return nil, fmt.Errorf("%s: %w", s, ErrAccumulates)
			case o.verb != verbRemoveExact && known && i != j:
				return nil, fmt.Errorf("%s: %w", a.Name, errConflict)
			case !o.removes() && slices.ContainsFunc(ops, func(p op) bool { return p.verb == verbRemoveExact && p.has(a) }):
				return nil, fmt.Errorf("%s: %w: both given and removed", s, errConflict)
			}
			if o.verb != verbRemoveExact {
				under[key] = i
			}
			o.words = append(o.words, w)
		}
		if o.words != nil {
			ops = append(ops, o)
		}
	}
	return ops, nil
}

// names returns every name in the edit.
func (e Edit) names() []string {
	var list []string
	for _, s := range append(e.taken(), e.given()...) {
		if a, err := ParseArg(s); err == nil && !slices.ContainsFunc(list, func(n string) bool { return sameName(n, a.Name) }) {
			list = append(list, a.Name)
		}
	}
	return list
}

func (e Edit) given() []string { return slices.Concat(e.Set, e.Replace, e.Append, e.AddIfMissing) }
func (e Edit) taken() []string { return slices.Concat(e.Remove, e.RemoveExact) }

func (e Edit) empty() bool { return len(e.names()) == 0 }

// Names of which every occurrence counts, not the last alone. The kernel's are
// in Documentation/admin-guide/kernel-parameters.txt, rd.* in
// dracut.cmdline(7), systemd.* in systemd(1) and systemd-debug-generator(8).
const accumulating = " acpi_osi blacklist bond bridge cgroup_disable cgroup_enable cgroup_no_v1" +
	" console crashkernel dyndbg earlycon earlyprintk hugepages hugepagesz ifname initcall_blacklist ip" +
	" lsm.debug mem memmap memtest modprobe.blacklist module_blacklist nameserver netconsole pci pci_stub.ids rd.break" +
	" rd.driver.blacklist rd.driver.post rd.driver.pre rd.dm.uuid rd.lvm.lv rd.lvm.vg rd.luks.key rd.luks.name" +
	" rd.luks.options rd.luks.uuid rd.md.uuid rd.route rd.zfcp rd.dasd rd.znet systemd.mask systemd.set_credential" +
	" systemd.set_credential_binary systemd.setenv systemd.wants team usbcore.quirks vfio_pci.ids video vlan "

// accumulates reports whether replacing one argument of that name could lose
// another that the machine needs.
func accumulates(name string) bool {
	name = underscores(name)
	return strings.Contains(accumulating, " "+name+" ") ||
		strings.HasPrefix(name, "inst.") || strings.HasPrefix(name, "rd.luks.") ||
		strings.HasSuffix(name, ".dyndbg")
}

// group is the key under which arguments are replaced together. hugepages=
// refers to the hugepagesz= before it, so the two are one sequence.
func group(name string) string {
	name = underscores(name)
	if name == "hugepages" {
		return "hugepagesz"
	}
	return name
}

// coupled reports whether the order inside the name's group matters.
func coupled(name string) bool { return group(name) == "hugepagesz" }

// A verb is a kind of change to a line.
type verb int

const (
	verbRemove verb = iota
	verbRemoveExact
	verbSet
	verbAppend
	verbAdd
)

// An op is a verb and its arguments.
type op struct {
	verb  verb
	words []word
}

// A word is an argument and its spelling.
type word struct {
	Arg
	text string
}

// has reports whether one of the words is a.
func (o op) has(a Arg) bool {
	return slices.ContainsFunc(o.words, func(w word) bool { return w.equal(a) })
}

// names reports whether one of the words has the name of a.
func (o op) names(a Arg) bool {
	return slices.ContainsFunc(o.words, func(w word) bool { return sameName(w.Name, a.Name) })
}

// A splice replaces a piece of a text. Splices are in order and do not touch,
// so that a layer of quoting can apply each and keep the text between them.
type splice struct {
	at, del int
	text    string
}

func splices(text string, list []splice) string {
	for _, s := range slices.Backward(list) {
		text = text[:s.at] + s.text + text[s.at+s.del:]
	}
	return text
}

// on returns the splices that do o to a line. Only adding can fail: nothing can
// follow a quote that is never closed.
func (o op) on(text string) ([]splice, error) {
	switch o.verb {
	case verbRemove:
		return remove(text, o.names), nil
	case verbRemoveExact:
		return remove(text, o.has), nil
	case verbSet:
		return set(text, o.words)
	}
	return add(text, nil, o.missingFrom(text).words)
}

// missingFrom returns o without the words to add that a line already has.
func (o op) missingFrom(line string) op {
	switch o.verb {
	case verbAppend:
		o.words = absent(line, o.words)
	case verbAdd:
		o.words = slices.DeleteFunc(slices.Clone(o.words), func(w word) bool { return hasName(line, w.Name) })
	}
	return o
}

// remove removes each argument for which out is true, with the blanks before
// it, or after it at the start of the line.
func remove(text string, out func(Arg) bool) (list []splice) {
	kept, before := false, 0
	all, n := split(text)
	for i, t := range all[:n] {
		switch {
		case isVariable(t.Name) || !out(t.Arg):
			kept = true
		case len(list) > 0 && list[len(list)-1].at+list[len(list)-1].del == before:
			list[len(list)-1].del += t.to - before
		case kept:
			list = append(list, splice{at: before, del: t.to - before})
		case i+1 < len(all):
			list = append(list, splice{at: t.from, del: all[i+1].from - t.from})
		default:
			list = append(list, splice{at: t.from, del: t.to - t.from})
		}
		before = t.to
	}
	return list
}

// set gives the words of each group the places that the group has in the line,
// in order. Words beyond them go last, places beyond them are dropped.
func set(text string, words []word) (list []splice, err error) {
	rest := slices.Clone(words)
	before := 0
	all, n := split(text)
	for _, t := range all[:n] {
		sibling := func(w word) bool { return group(w.Name) == group(t.Name) }
		i := slices.IndexFunc(rest, sibling)
		switch {
		case isVariable(t.Name):
		case i >= 0:
			if !rest[i].equal(t.Arg) {
				list = append(list, splice{at: t.from, del: t.to - t.from, text: rest[i].text})
			}
			rest = slices.Delete(rest, i, i+1)
		case slices.ContainsFunc(words, sibling): // a word has had a place before, so there is a token to the left
			list = append(list, splice{at: before, del: t.to - before})
		}
		before = t.to
	}
	return add(text, list, rest)
}

// absent returns the words that the line does not have. A coupled group is
// present only as the whole sequence.
func absent(text string, words []word) (out []word) {
	whole := holdsCoupled(text, words)
	for _, w := range words {
		if coupled(w.Name) && !whole || !coupled(w.Name) && !holds(text, w.Arg) && !(op{words: out}).has(w.Arg) {
			out = append(out, w)
		}
	}
	return out
}

func holds(text string, want Arg) bool { return anyArg(text, want.equal) }

// holdsCoupled reports whether a line has the coupled words in one sequence.
func holdsCoupled(text string, words []word) bool {
	var have, want []Arg
	for a := range Cmdline(text).Args() {
		if coupled(a.Name) {
			have = append(have, a)
		}
	}
	for _, w := range words {
		if coupled(w.Name) {
			want = append(want, w.Arg)
		}
	}
	for ; len(have) >= len(want); have = have[1:] {
		if slices.EqualFunc(have[:len(want)], want, Arg.equal) {
			return true
		}
	}
	return false
}

// add puts words behind the last argument of the kernel's part.
func add(text string, list []splice, words []word) ([]splice, error) {
	if len(words) == 0 {
		return list, nil
	}
	var texts []string
	for _, w := range words {
		texts = append(texts, w.text)
	}
	joined := strings.Join(texts, " ")
	all, n := split(text)
	switch {
	case len(all) == 0:
		return append(list, splice{text: joined}), nil
	case n == 0: // "--" is first
		return append(list, splice{at: all[0].from, text: joined + " "}), nil
	}
	last := all[n-1]
	if last.isOpen {
		return nil, fmt.Errorf("%w: the quote in %q is never closed and would include what is added", ErrUnsupportedSyntax, text[last.from:last.to])
	}
	return append(list, splice{at: last.to, text: " " + joined}), nil
}

// One error for each decision that a caller makes. Each comes wrapped in an
// error that names the argument, or the file, line and column.
var (
	// ErrSyntax: the text given is not one kernel argument.
	ErrSyntax = errors.New("not a kernel argument")
	// ErrAccumulates: Set on a name that may have several values, such as
	// console=. Use Append or Replace instead.
	ErrAccumulates = errors.New("every occurrence of this name counts, so set could lose one: append or replace it")
	// ErrUnsupportedSyntax: an edit of the file, as it is written, would not be safe.
	ErrUnsupportedSyntax = errors.New("written in a way that cannot be edited safely")
	// ErrEncoding: a layer on the way to the kernel cannot carry the argument.
	ErrEncoding = errors.New("cannot be carried to the kernel")
	// ErrTooLong: the kernel would silently cut the line off, or the GRUB
	// environment block, which has a fixed size, is full.
	ErrTooLong = errors.New("command line too long")
	// ErrUnknownKernel: no boot entry has the name in Edit.Kernel.
	ErrUnknownKernel = errors.New("no such kernel")
	// ErrUnsupported: this boot loader cannot do what is asked.
	ErrUnsupported = errors.New("not possible with this boot loader")
	// ErrOwned: an edit would be undone or ignored. The error and [Loader] name
	// the program that owns the command line and its command.
	ErrOwned = errors.New("another program owns the kernel command line")
	// ErrNoLoader: no known boot loader was found.
	ErrNoLoader = errors.New("no boot loader found")
	// ErrAmbiguous: two boot loaders have equal evidence; Edit.Store chooses.
	ErrAmbiguous = errors.New("cannot tell which boot loader this host boots with")
	// ErrNoPlace: the boot loader is known, but no place with its arguments was
	// found.
	ErrNoPlace = errors.New("no place for kernel arguments")
	// ErrStops: update-grub, or the program that makes another menu, would end
	// at a line of the file.
	ErrStops = errors.New("the program that reads this file stops here")
	// ErrNotApplied: grubby ran and did not make the edit.
	ErrNotApplied = errors.New("grubby did not do what it was asked")
)

// errConflict: the edit contradicts itself.
var errConflict = errors.New("the edit contradicts itself")
