package daemoncfg

import (
	"hash/maphash"
	"math/bits"
	"unicode/utf8"
)

// quick reports whether a document passes the gate, in one pass and without
// words, and returns the members of its object, as items does. Its yes is
// certain. Its no says nothing, the gate then looks for itself: it is also given
// for what a daemon.json seldom has, an escape in a key or a number with an
// exponent.
func quick(text string) (members []item, yes bool) {
	q := quickGate{text: source(text), members: make([]item, 0, 8)}
	// Room for a member in each 64 bytes: a large document is large by its
	// strings, and to grow step by step would cost more than the pass.
	q.keys = make([]span, 0, 16+len(text)/64)
	if c, _ := q.text.next(0); c != '{' || !q.whole(0) {
		return nil, false
	}
	return q.members, true
}

// quickValue is quick for a new value with so many parents around it.
func quickValue(text string, parents int) bool {
	q := quickGate{text: source(text)}
	return q.whole(parents)
}

// A quickGate walks over a document. As with a source, its methods are given
// the offset of what they go past, and the first byte where it is known.
type quickGate struct {
	text    source
	keys    []span // of the objects around the offset, the innermost last
	members []item // of the outermost object
}

// whole goes past one value, and reports whether that is all there is.
func (q *quickGate) whole(parents int) bool {
	text := string(q.text)
	if parents > MaxDepth || len(text) > MaxSize || !utf8.ValidString(text) {
		return false
	}
	c, i := q.text.next(0)
	_, end := q.text.next(q.value(c, i, parents))
	return end == len(text)
}

// value goes past any value. A digit or letter behind a number or a literal is
// no part of it here, and not what may follow an item either.
func (q *quickGate) value(c byte, i, parents int) int {
	switch {
	case c == '"':
		return q.text.quoted(i)
	case c == '{' && parents < MaxDepth:
		return q.object(i, parents+1)
	case c == '[' && parents < MaxDepth:
		return q.array(i, parents+1)
	case c == '-' || '0' <= c && c <= '9':
		return q.text.number(i)
	case c == 't':
		return q.text.literal(i, "true")
	case c == 'f':
		return q.text.literal(i, "false")
	case c == 'n':
		return q.text.literal(i, "null")
	}
	return nowhere
}

// array comes back to an element only behind a comma: the bracket that would
// make it a trailing one is no value.
func (q *quickGate) array(i, parents int) int {
	c, i := q.text.next(i + 1)
	if c == ']' {
		return i + 1
	}
	for {
		c, i = q.text.next(q.value(c, i, parents))
		if c == ']' {
			return i + 1
		}
		if c != ',' {
			return nowhere
		}
		c, i = q.text.next(i + 1)
	}
}

// object is array for members. Its keys are compared when it is whole: those of
// the objects inside are gone from the list then.
func (q *quickGate) object(i, parents int) int {
	c, i := q.text.next(i + 1)
	if c == '}' {
		return i + 1
	}
	outer := len(q.keys)
	for c == '"' {
		c, i = q.text.next(q.member(i, parents))
		if c == '}' {
			keys := q.keys[outer:]
			q.keys = q.keys[:outer]
			if !distinct(string(q.text), keys) {
				return nowhere
			}
			return i + 1
		}
		if c != ',' {
			return nowhere
		}
		c, i = q.text.next(i + 1)
	}
	return nowhere
}

// member goes past a key, its colon and its value, and remembers the key.
func (q *quickGate) member(i, parents int) int {
	key := span{i, q.text.key(i)}
	c, i := q.text.next(key.end)
	if c != ':' {
		return nowhere
	}
	c, i = q.text.next(i + 1)
	q.keys = append(q.keys, key) // before those of the objects in its value
	value := span{i, q.value(c, i, parents)}
	if parents == 1 {
		q.members = append(q.members, item{key, value})
	}
	return value.end
}

// distinct reports whether no key comes twice, spelled alike. Of many keys it
// compares hashes: two that are equal have equal ones, and if two others do,
// that is a no for nothing.
func distinct(text string, keys []span) bool {
	if len(keys) <= 8 {
		for i, k := range keys {
			for _, other := range keys[:i] {
				if k.of(text) == other.of(text) {
					return false
				}
			}
		}
		return true
	}
	seed := maphash.MakeSeed()
	table := make([]uint64, 1<<bits.Len(uint(2*len(keys)))) // 0 is a free place; half of them are
	for _, k := range keys {
		n := maphash.String(seed, k.of(text)) | 1 // never 0
		i := n >> 1 % uint64(len(table))
		for table[i] != 0 && table[i] != n {
			i = (i + 1) % uint64(len(table))
		}
		if table[i] == n {
			return false
		}
		table[i] = n
	}
	return true
}
