package bootargs

import (
	"fmt"
	"slices"
	"strings"
)

// An Edit is a change to a command line. Arguments are spelled as for
// [ParseArg]; Remove takes names. Removals run before additions. A name
// may be under one verb only, so that the order never decides the result.
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
	// Rescue includes rescue entries in All. Without it they stay, as a way
	// back from an argument that does not boot; but on EL8 they share
	// $kernelopts with the others.
	Rescue bool
	// Arch is the architecture, as GOARCH has it, that the length limit is
	// taken from. If empty, it is that of the host's programs.
	Arch string
}

// What Edit.Kernel can be besides an index, an ID or a path, and the IDs of the
// warnings that this package gives.
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

// check reports what is wrong with the arguments, before any line is read.
func (e Edit) check() error {
	_, err := e.ops(nil)
	return err
}

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
// caller's spelling, which the nil speller keeps; it fails where the layer cannot
// carry the argument.
type speller func(a Arg, text string) (string, error)

// ops checks the edit and spells its arguments. Words that are only compared
// need no spelling.
func (e Edit) ops(spell speller) ([]op, error) {
	remove, err := nameWords(e.Remove)
	if err != nil {
		return nil, err
	}
	exact, err := words(e.RemoveExact, nil)
	if err != nil {
		return nil, err
	}
	var give [4][]word
	for i, list := range [][]string{e.Set, e.Replace, e.Append, e.AddIfMissing} {
		if give[i], err = words(list, spell); err != nil {
			return nil, err
		}
	}
	for _, w := range give[0] {
		if accumulates(w.Name) {
			return nil, fmt.Errorf("%s: %w", w.text, ErrAccumulates)
		}
	}
	if err := conflict(append([][]word{remove}, give[:]...), exact); err != nil {
		return nil, err
	}
	var ops []op
	for _, o := range []op{
		{verbRemove, remove},
		{verbRemoveExact, exact},
		{verbSet, append(give[0], give[1]...)},
		{verbAppend, give[2]},
		{verbAdd, give[3]},
	} {
		if len(o.words) > 0 {
			ops = append(ops, o)
		}
	}
	return ops, nil
}

func words(args []string, spell speller) ([]word, error) {
	var list []word
	for _, s := range args {
		a, err := ParseArg(s)
		if err != nil {
			return nil, err
		}
		w := word{a, s}
		if spell != nil {
			if w.text, err = spell(a, s); err != nil {
				return nil, fmt.Errorf("%s: %w", s, err)
			}
		}
		list = append(list, w)
	}
	return list, nil
}

func nameWords(names []string) ([]word, error) {
	list, err := words(names, nil)
	if err != nil {
		return nil, err
	}
	for _, w := range list {
		if w.HasValue {
			return nil, fmt.Errorf("%q: %w: the name alone removes all of that name; to remove one value, remove it exactly", w.text, ErrSyntax)
		}
	}
	return list, nil
}

// conflict refuses a name under two verbs, and a pair that is both added and
// removed.
func conflict(verbs [][]word, exact []word) error {
	under := map[string]int{}
	for i, list := range verbs {
		for _, w := range list {
			key := group(w.Name)
			if j, ok := under[key]; ok && j != i {
				return fmt.Errorf("%s: %w", w.Name, errConflict)
			}
			under[key] = i
			if i > 0 && slices.ContainsFunc(exact, func(x word) bool { return x.equal(w.Arg) }) {
				return fmt.Errorf("%s: %w: both given and removed", w.text, errConflict)
			}
		}
	}
	return nil
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

// Names with several values: every occurrence counts, not the last alone. The kernel's
// list is Documentation/admin-guide/kernel-parameters.txt; rd.* is
// dracut.cmdline(7), systemd.* is systemd(1) and systemd-debug-generator(8).
const accumulating = " acpi_osi blacklist console crashkernel dyndbg earlycon earlyprintk hugepages hugepagesz ip" +
	" lsm.debug mem memmap memtest modprobe.blacklist module_blacklist nameserver netconsole pci pci_stub.ids rd.break" +
	" rd.driver.blacklist rd.driver.post rd.driver.pre rd.dm.uuid rd.lvm.lv rd.lvm.vg rd.luks.key rd.luks.name" +
	" rd.luks.options rd.luks.uuid rd.md.uuid rd.route rd.zfcp rd.dasd rd.znet systemd.mask systemd.set_credential" +
	" systemd.set_credential_binary systemd.setenv systemd.wants usbcore.quirks vfio_pci.ids video "

// accumulates reports whether replacing one argument of that name could lose
// another that the machine needs.
func accumulates(name string) bool {
	name = strings.ReplaceAll(name, "-", "_")
	return strings.Contains(accumulating, " "+name+" ") ||
		strings.HasPrefix(name, "inst.") || strings.HasPrefix(name, "rd.luks.") ||
		strings.HasSuffix(name, ".dyndbg")
}

// group is the key under which arguments are replaced together. hugepages=
// refers to the hugepagesz= before it, so the two are one sequence.
func group(name string) string {
	name = strings.ReplaceAll(name, "-", "_")
	if name == "hugepages" {
		return "hugepagesz"
	}
	return name
}

// coupled reports whether the order inside the group matters.
func coupled(group string) bool { return group == "hugepagesz" }

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

// A splice replaces a piece of a text. Splices are in order and do not touch,
// so that a layer of quoting can apply each and keep the text between them.
type splice struct {
	at, del int
	text    string
}

func splices(text string, list []splice) string {
	if len(list) == 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 64)
	done := 0
	for _, s := range list {
		b.WriteString(text[done:s.at])
		b.WriteString(s.text)
		done = s.at + s.del
	}
	b.WriteString(text[done:])
	return b.String()
}

// on returns what o does to a line. Only adding can fail: nothing can follow a
// quote that is never closed.
func (o op) on(text string) ([]splice, error) {
	switch o.verb {
	case verbRemove:
		return remove(text, func(a Arg) bool {
			return slices.ContainsFunc(o.words, func(w word) bool { return sameName(w.Name, a.Name) })
		}), nil
	case verbRemoveExact:
		return remove(text, func(a Arg) bool {
			return slices.ContainsFunc(o.words, func(w word) bool { return w.equal(a) })
		}), nil
	case verbSet:
		return set(text, o.words)
	}
	return add(text, nil, o.missingFrom(text).words)
}

// missingFrom drops the words to add that a line already has.
func (o op) missingFrom(line string) op {
	switch o.verb {
	case verbAppend:
		o.words = absent(line, o.words)
	case verbAdd:
		o.words = slices.DeleteFunc(slices.Clone(o.words), func(w word) bool {
			_, ok := Cmdline(line).Effective(w.Name)
			return ok
		})
	}
	return o
}

// remove removes each argument for which out is true, with the blanks before
// it, or after it at the start of the line.
func remove(text string, out func(Arg) bool) (list []splice) {
	kept, before := false, 0
	var t, u token
	for ok := t.next(text, 0); ok && !t.ends(text); {
		from, to := t.from, t.to
		more := u.next(text, t.to)
		switch a := t.arg(text); {
		case isVariable(a.Name) || !out(a):
			kept = true
		case kept:
			list = append(list, splice{at: before, del: to - before})
		case more:
			list = append(list, splice{at: from, del: u.from - from})
		default:
			list = append(list, splice{at: from, del: to - from})
		}
		before, t, ok = to, u, more
	}
	return list
}

// set gives the words of each group the places that the group has in the line,
// in order. Words beyond them go last, places beyond them are dropped.
func set(text string, words []word) (list []splice, err error) {
	used := make([]bool, len(words))
	before := 0
	var t token
	for t.next(text, t.to) && !t.ends(text) {
		name := text[t.name:t.nameEnd]
		if ours, i := nextWord(words, used, name); ours && !isVariable(name) {
			switch {
			case i < 0: // some word has had a place before, so there is a token to the left
				list = append(list, splice{at: before, del: t.to - before})
			case !words[i].equal(t.arg(text)):
				list = append(list, splice{at: t.from, del: t.to - t.from, text: words[i].text})
			}
			if i >= 0 {
				used[i] = true
			}
		}
		before = t.to
	}
	var rest []word
	for i, w := range words {
		if !used[i] {
			rest = append(rest, w)
		}
	}
	return add(text, list, rest)
}

// nextWord finds the word for a place with this name: whether the name's group
// is being set, and the next word (-1: none left).
func nextWord(words []word, used []bool, name string) (ours bool, index int) {
	for i := range words {
		if group(words[i].Name) != group(name) {
			continue
		}
		if !used[i] {
			return true, i
		}
		ours = true
	}
	return ours, -1
}

// absent returns the words that the line does not have. A coupled group is
// present only as the whole sequence.
func absent(text string, words []word) (out []word) {
	whole := map[string]bool{}
	for _, w := range words {
		key := group(w.Name)
		if !coupled(key) {
			here := func(v word) bool { return v.equal(w.Arg) }
			if !slices.ContainsFunc(out, here) && !holds(text, w.Arg) {
				out = append(out, w)
			}
			continue
		}
		if _, known := whole[key]; !known {
			whole[key] = holdsSequence(text, key, words)
		}
		if !whole[key] {
			out = append(out, w)
		}
	}
	return out
}

func holds(text string, want Arg) bool {
	for a := range Cmdline(text).Args() {
		if a.equal(want) {
			return true
		}
	}
	return false
}

func holdsSequence(text, key string, words []word) bool {
	var have, want []Arg
	for a := range Cmdline(text).Args() {
		if group(a.Name) == key {
			have = append(have, a)
		}
	}
	for _, w := range words {
		if group(w.Name) == key {
			want = append(want, w.Arg)
		}
	}
	for ; len(have) >= len(want); have = have[1:] {
		same := true
		for i := range want {
			same = same && want[i].equal(have[i])
		}
		if same {
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
	var last, t token // the last argument, and what follows it
	more, some := t.next(text, 0), false
	for more && !t.ends(text) {
		last, some = t, true
		more = t.next(text, t.to)
	}
	var texts []string
	for _, w := range words {
		texts = append(texts, w.text)
	}
	joined := strings.Join(texts, " ")
	switch {
	case some && last.isOpen:
		return nil, fmt.Errorf("%w: the quote in %q is never closed and would include what is added", ErrUnsupportedSyntax, text[last.from:last.to])
	case some:
		return append(list, splice{at: last.to, text: " " + joined}), nil
	case more: // "--" is first
		return append(list, splice{at: t.from, text: joined + " "}), nil
	}
	return append(list, splice{text: joined}), nil
}
