package daemoncfg

import (
	"hash/maphash"
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
)

// quick reports whether a document passes the gate, in one pass and without
// words. Its yes is certain. Its no says nothing, the gate then looks for
// itself: it is also given for what a daemon.json seldom has, an escape in a
// key or a number with an exponent.
func quick(text string) bool {
	q := quickGate{text: text, seed: maphash.MakeSeed()}
	q.space()
	return q.peek() == '{' && q.whole(0)
}

// quickValue is quick for a new value with so many parents around it.
func quickValue(text string, parents int) bool {
	q := quickGate{text: text, seed: maphash.MakeSeed()}
	return q.whole(parents)
}

// A quickGate walks over a document. Its methods go past what they are named
// after, and report whether it was there.
type quickGate struct {
	text string
	at   int

	// The keys of the objects around at, the innermost last, as hashes: two that
	// are equal have equal ones, and if two others do, that is a no for nothing.
	keys []uint64
	seed maphash.Seed
}

// whole goes past one value and the end.
func (q *quickGate) whole(parents int) bool {
	if parents > MaxDepth || len(q.text) > MaxSize || !utf8.ValidString(q.text) || !q.value(parents) {
		return false
	}
	q.space()
	return q.at == len(q.text)
}

// peek returns the next byte, or 0, which JSON has no use for, at the end.
func (q *quickGate) peek() byte {
	if q.at < len(q.text) {
		return q.text[q.at]
	}
	return 0
}

func (q *quickGate) space() {
	text, i := q.text, q.at
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	q.at = i
}

func (q *quickGate) value(parents int) bool {
	switch c := q.peek(); {
	case c == '{':
		return parents < MaxDepth && q.object(parents+1)
	case c == '[':
		return parents < MaxDepth && q.array(parents+1)
	case c == '"':
		return q.quoted()
	case c == '-' || '0' <= c && c <= '9':
		return q.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(q.text[q.at:], word) {
			q.at += len(word)
			return true
		}
	}
	return false
}

func (q *quickGate) array(parents int) bool {
	for more := q.opened(']'); more; {
		ok := q.value(parents)
		if more, ok = q.next(']', ok); !ok {
			return false
		}
	}
	return true
}

func (q *quickGate) object(parents int) bool {
	outer := len(q.keys)
	for more := q.opened('}'); more; {
		ok := q.key() && q.value(parents)
		if more, ok = q.next('}', ok); !ok {
			return false
		}
	}
	keys := q.keys[outer:]
	q.keys = q.keys[:outer]
	return distinct(keys)
}

// distinct reports whether no number comes twice. None is 0.
func distinct(list []uint64) bool {
	if len(list) <= 8 {
		for i, n := range list {
			if slices.Contains(list[:i], n) {
				return false
			}
		}
		return true
	}
	table := make([]uint64, 1<<bits.Len(uint(2*len(list)))) // 0 is a free place; half of them are
	for _, n := range list {
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

// opened goes past a bracket, and past the closing one where that follows at
// once. It reports whether there are items.
func (q *quickGate) opened(bracket byte) bool {
	q.at++
	q.space()
	if q.peek() != bracket {
		return true
	}
	q.at++
	return false
}

// next goes past what follows an item: a comma, and then there is more, or the
// closing bracket.
func (q *quickGate) next(bracket byte, item bool) (more, ok bool) {
	q.space()
	c := q.peek()
	q.at++
	if item && c == ',' {
		q.space()
		return true, true
	}
	return false, item && c == bracket
}

// key goes past a key and its colon.
func (q *quickGate) key() bool {
	start := q.at + 1
	if q.peek() != '"' || !q.quoted() {
		return false
	}
	key := q.text[start : q.at-1]
	q.keys = append(q.keys, maphash.String(q.seed, key)|1) // never 0, see distinct
	q.space()
	if q.peek() != ':' || strings.IndexByte(key, '\\') >= 0 {
		return false
	}
	q.at++
	q.space()
	return true
}

// quoted goes past a string, whose bytes are known to be UTF-8.
func (q *quickGate) quoted() bool {
	text := q.text
	for i := q.at + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c > '\\':
		case c == '"':
			q.at = i + 1
			return true
		case c < ' ':
			return false
		case c == '\\':
			if i++; i == len(text) || strings.IndexByte(`"\/bfnrt`, text[i]) < 0 {
				return false // \u too
			}
		}
	}
	return false
}

// number goes past a number without an exponent. With less than 300 characters
// it is none that a float64 cannot hold.
func (q *quickGate) number() bool {
	start := q.at
	if q.peek() == '-' {
		q.at++
	}
	if whole := q.at; !q.digits() || q.text[whole] == '0' && q.at > whole+1 {
		return false
	}
	if q.peek() == '.' {
		if q.at++; !q.digits() {
			return false
		}
	}
	return q.at-start < 300 // an exponent would not be what follows an item
}

func (q *quickGate) digits() bool {
	start := q.at
	for q.at < len(q.text) && '0' <= q.text[q.at] && q.text[q.at] <= '9' {
		q.at++
	}
	return q.at > start
}
