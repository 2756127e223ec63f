package bootargs

import (
	"fmt"
	"slices"
)

// An Edit is what is wanted of a command line. Arguments are spelled as for
// [ParseArg]; Remove takes names. The verbs are done in the order of the
// fields that ask to take away, then of those that give; a name may stand
// under one verb only, so that the order never decides what comes out.
type Edit struct {
	// Set makes the arguments given the only ones of their name. They take the
	// places that the name has in the line; a surplus goes last, places left
	// over are dropped. It refuses names that accumulate: [ErrAccumulates].
	Set []string
	// Replace is Set for any name: it drops every other console= too.
	Replace []string
	// Append adds at the end each argument that the line does not hold yet
	// with that very value.
	Append []string
	// AddIfMissing adds at the end each argument of whose name there is none.
	AddIfMissing []string
	// Remove takes out all arguments of these names.
	Remove []string
	// RemoveExact takes out all arguments with that name and that value;
	// "foo" and "foo=" are two different ones.
	RemoveExact []string

	// Kernel is which kernels of the host: "" or [All], [Default], the index
	// of a boot entry (0 is the first of the menu), its ID, or the path of its
	// kernel. All is every installed kernel and those to come.
	Kernel string
	// Via is who writes the files.
	Via Via
	// Rescue includes rescue entries in All. Without it they stay, as a way
	// back from an argument that does not boot; but on EL8 they share
	// $kernelopts with the others.
	Rescue bool
	// Arch is the architecture, as GOARCH has it, that the length limit is
	// taken from. If empty, the programs of the host tell.
	Arch string
}

// What Edit.Kernel can be besides an index, an ID or a path.
const (
	All     = "ALL"
	Default = "DEFAULT"
)

// Via says who writes a host's files.
type Via int

const (
	// Files plans each file, to be applied and undone like any plan.
	Files Via = iota
	// Grubby plans one call of grubby(8); see [Confirm].
	Grubby
)

// Check reports what is wrong with the arguments, before any line is looked at.
func (e Edit) Check() error {
	_, err := e.ops(func(a Arg, text string) (string, error) { return text, nil })
	return err
}

// Apply edits one line and nothing else of a host. A failed edit returns "".
func (e Edit) Apply(line string) (string, error) {
	ops, err := e.ops(func(a Arg, text string) (string, error) { return text, nil })
	if err != nil {
		return "", err
	}
	return apply(line, ops)
}

// Set is [Edit].Set on this line. Like every edit of c it is idempotent, and
// one that fails leaves c as it was.
func (c *Cmdline) Set(args ...string) error { return c.edit(Edit{Set: args}) }

// Replace is [Edit].Replace on this line.
func (c *Cmdline) Replace(args ...string) error { return c.edit(Edit{Replace: args}) }

// Append is [Edit].Append on this line.
func (c *Cmdline) Append(args ...string) error { return c.edit(Edit{Append: args}) }

// AddIfMissing is [Edit].AddIfMissing on this line.
func (c *Cmdline) AddIfMissing(args ...string) error { return c.edit(Edit{AddIfMissing: args}) }

// Remove is [Edit].Remove on this line.
func (c *Cmdline) Remove(names ...string) error { return c.edit(Edit{Remove: names}) }

// RemoveExact is [Edit].RemoveExact on this line.
func (c *Cmdline) RemoveExact(args ...string) error { return c.edit(Edit{RemoveExact: args}) }

func (c *Cmdline) edit(e Edit) error {
	text, err := e.Apply(c.text)
	if err == nil {
		c.text = text
	}
	return err
}

// apply does ops one after the other.
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

// A speller says how an argument is written in one layer; it is given the
// kernel's spelling that the caller used, and fails where the layer cannot
// carry the argument.
type speller func(a Arg, text string) (string, error)

// ops checks the edit and spells its arguments. What is only compared, not
// written, needs no spelling.
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

// conflict refuses a name under two verbs, and a pair both given and taken.
func conflict(verbs [][]word, exact []word) error {
	under := map[string]int{}
	for i, list := range verbs {
		for _, w := range list {
			key := group(w.Name)
			if j, ok := under[key]; ok && j != i {
				return fmt.Errorf("%s: %w", w.Name, ErrConflict)
			}
			under[key] = i
			if i > 0 && slices.ContainsFunc(exact, func(x word) bool { return x.equal(w.Arg) }) {
				return fmt.Errorf("%s: %w: both given and removed", w.text, ErrConflict)
			}
		}
	}
	return nil
}

// names returns every name that the edit speaks of.
func (e Edit) names() []string {
	var list []string
	for _, args := range [][]string{e.Remove, e.RemoveExact, e.Set, e.Replace, e.Append, e.AddIfMissing} {
		for _, s := range args {
			if a, err := ParseArg(s); err == nil && !slices.ContainsFunc(list, func(n string) bool { return sameName(n, a.Name) }) {
				list = append(list, a.Name)
			}
		}
	}
	return list
}

func (e Edit) empty() bool { return len(e.names()) == 0 }
