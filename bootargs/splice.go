package bootargs

import (
	"fmt"
	"strings"
)

// A verb is one of the things that can be done to a line.
type verb int

const (
	verbRemove verb = iota
	verbRemoveExact
	verbSet
	verbAppend
	verbAdd
)

// An op is a verb and what it is done with.
type op struct {
	verb  verb
	words []word
}

// A word is an argument and how it is spelled where it is written.
type word struct {
	Arg
	text string
}

// A splice replaces a piece of a text. Splices are kept in order and apart, so
// that a layer of quoting can carry them to the file one by one and everything
// between them stays.
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

// on works out what o does to a line. Only adding can fail: behind a quote
// that is never closed there is no place.
func (o op) on(text string) ([]splice, error) {
	switch o.verb {
	case verbRemove:
		return remove(text, func(a Arg) bool {
			return has(o.words, func(w word) bool { return sameName(w.Name, a.Name) })
		}), nil
	case verbRemoveExact:
		return remove(text, func(a Arg) bool {
			return has(o.words, func(w word) bool { return w.equal(a) })
		}), nil
	case verbSet:
		return set(text, o.words)
	case verbAppend:
		return add(text, nil, absent(text, o.words))
	}
	var missing []word
	for _, w := range o.words {
		if _, ok := Parse(text).Effective(w.Name); !ok {
			missing = append(missing, w)
		}
	}
	return add(text, nil, missing)
}

func has(words []word, is func(word) bool) bool {
	for _, w := range words {
		if is(w) {
			return true
		}
	}
	return false
}

// remove takes out every argument that is asked for, each with the blanks
// before it; at the start of the line, with those after it.
func remove(text string, out func(Arg) bool) (list []splice) {
	kept, before := false, 0
	var t, u token
	for ok := t.next(text, 0); ok && !t.ends(text); {
		from, to := int(t.from), int(t.to)
		more := u.next(text, t.to)
		switch a := t.arg(text); {
		case isVariable(a.Name) || !out(a):
			kept = true
		case kept:
			list = append(list, splice{at: before, del: to - before})
		case more:
			list = append(list, splice{at: from, del: int(u.from) - from})
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
	end := tail{stop: len(text)}
	var t token
	for t.next(text, t.to) {
		if t.ends(text) {
			end.stop = int(t.from)
			break
		}
		end.last, end.some = t, true
		name := text[t.name:t.nameEnd]
		if ours, i := seat(words, used, name); ours && !isVariable(name) {
			switch {
			case i < 0: // some word has had a place before, so there is a token to the left
				list = append(list, splice{at: before, del: int(t.to) - before})
			case !words[i].equal(t.arg(text)):
				list = append(list, splice{at: int(t.from), del: int(t.to - t.from), text: words[i].text})
			}
			if i >= 0 {
				used[i] = true
			}
		}
		before = int(t.to)
	}
	var rest []word
	for i, w := range words {
		if !used[i] {
			rest = append(rest, w)
		}
	}
	return end.add(text, list, rest)
}

// seat finds the next word for a place that has this name now: whether the
// name's group is being set, and which word comes next (-1: none is left).
func seat(words []word, used []bool, name string) (ours bool, index int) {
	for i := range words {
		if !sameGroup(words[i].Name, name) {
			continue
		}
		if !used[i] {
			return true, i
		}
		ours = true
	}
	return ours, -1
}

func sameGroup(a, b string) bool {
	return sameName(a, b) || strings.HasPrefix(a, "hugep") && strings.HasPrefix(b, "hugep") && group(a) == group(b)
}

// absent leaves out the words that the line has. A coupled group is there only
// if the whole sequence stands in the line as given.
func absent(text string, words []word) (out []word) {
	whole := map[string]bool{}
	for _, w := range words {
		key := group(w.Name)
		if !coupled(key) {
			here := func(v word) bool { return v.equal(w.Arg) }
			if !has(out, here) && !holds(text, w.Arg) {
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
	for a := range Parse(text).Args() {
		if a.equal(want) {
			return true
		}
	}
	return false
}

func holdsSequence(text, key string, words []word) bool {
	var have, want []Arg
	for a := range Parse(text).Args() {
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
	end := tail{stop: len(text)}
	var t token
	for t.next(text, t.to) {
		if t.ends(text) {
			end.stop = int(t.from)
			break
		}
		end.last, end.some = t, true
	}
	return end.add(text, list, words)
}

// A tail is the end of the kernel's part of a line.
type tail struct {
	last token
	some bool // there is a last token
	stop int  // where "--" begins, or the line ends
}

func (end tail) add(text string, list []splice, words []word) ([]splice, error) {
	if len(words) == 0 {
		return list, nil
	}
	var joined strings.Builder
	for i, w := range words {
		if i > 0 {
			joined.WriteByte(' ')
		}
		joined.WriteString(w.text)
	}
	last := end.last
	switch {
	case end.some && last.isOpen:
		return nil, fmt.Errorf("%w: the quote in %q is never closed, and would swallow what is added", ErrUnsupportedSyntax, text[last.from:last.to])
	case end.some:
		return append(list, splice{at: int(last.to), text: " " + joined.String()}), nil
	case end.stop < len(text):
		return append(list, splice{at: end.stop, text: joined.String() + " "}), nil
	}
	return append(list, splice{text: joined.String()}), nil
}
