package daemoncfg

import "strconv"

// A step is one value on the way down a path.
type step struct {
	value span
	items []item // of an object or array that the path leads into
	index int    // of the item that the path takes, or -1
}

// kind is the first byte of the step's value: '{' and '[' have items.
func (s step) kind(text string) byte { return text[s.value.start] }

// walk goes down path from the root, as far as there are values. The steps are
// the root and one for each element that was found; it reports whether that is
// all of them. The last step of an incomplete walk has its items, and -1.
func (d *Document) walk(text string, path []string) ([]step, bool) {
	if d.isBlank() {
		return nil, false
	}
	steps := make([]step, 1, len(path)+1)
	steps[0] = step{value: root(text), items: d.members}
	for _, name := range path {
		s := &steps[len(steps)-1]
		s.index = -1
		switch s.kind(text) {
		case '{':
			if s.items == nil { // else the gate has looked
				s.items = items(text, s.value)
			}
			s.index = member(text, s.items, name)
		case '[':
			s.items = items(text, s.value)
			if i, ok := arrayIndex(name); ok && i < len(s.items) {
				s.index = i
			}
		}
		if s.index < 0 {
			return steps, false
		}
		steps = append(steps, step{value: s.items[s.index].value})
	}
	return steps, true
}

// member returns the index of the member of that name, or -1.
func member(text string, list []item, name string) int {
	for i, it := range list {
		if unquote(it.key.of(text)) == name {
			return i
		}
	}
	return -1
}

// arrayIndex reads an index as RFC 6901, section 4 has it: no sign and no
// leading zero.
func arrayIndex(name string) (int, bool) {
	if len(name) == 0 || len(name) > 9 || len(name) > 1 && name[0] == '0' {
		return 0, false
	}
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return 0, false
		}
	}
	i, err := strconv.Atoi(name)
	return i, err == nil
}
