package bootargs

import (
	"fmt"
	"strings"
)

// How a byte of a shell word is quoted.
const (
	bare byte = iota
	inSingle
	inDouble
)

// A shellWord is the value of an assignment: what it says, and for each byte of
// that where it stands in the file and in which quotes. A variable is kept as
// it is written, $NAME or ${NAME}.
type shellWord struct {
	src      []byte
	from, to int // of the value in src, quotes included
	text     string
	at       []int  // offset in src of each byte of text
	size     []int  // bytes of src that it takes: 2 with a backslash
	quote    []byte // bare, inSingle or inDouble
	variable []int  // length of the $NAME or ${NAME} that begins here, else 0
}

// decodeWord reads src[from:to], one word of sh(1) without substitutions.
func decodeWord(src []byte, from, to int) (shellWord, error) {
	w := shellWord{src: src, from: from, to: to}
	var text strings.Builder
	put := func(i, n int, q byte, v int) {
		text.WriteByte(src[i+n-1])
		w.at, w.size = append(w.at, i), append(w.size, n)
		w.quote, w.variable = append(w.quote, q), append(w.variable, v)
	}
	q := bare
	for i := from; i < to; {
		b := src[i]
		switch {
		case q == inSingle && b == '\'' || q == bare && b == '\'':
			q = inSingle - q
			i++
		case q == inSingle:
			put(i, 1, q, 0)
			i++
		case b == '"':
			q = inDouble - q
			i++
		case b == '\\' && i+1 < to && src[i+1] == '\n':
			i += 2
		case b == '\\' && i+1 < to && (q == bare || strings.IndexByte("$`\"\\", src[i+1]) >= 0):
			put(i, 2, q, 0)
			i += 2
		case b == '$' && variableLen(src[i:to]) > 0:
			n := variableLen(src[i:to])
			put(i, 1, q, n)
			for i++; n > 1; n-- {
				put(i, 1, q, 0)
				i++
			}
		default:
			put(i, 1, q, 0)
			i++
		}
	}
	w.text = text.String()
	if q != bare {
		return w, fmt.Errorf("%w: BUG: the word ends inside quotes", ErrUnsupportedSyntax)
	}
	return w, nil
}

// variableLen is the length of $NAME or ${NAME} at the start of s, else 0.
func variableLen(s []byte) int {
	i := 1
	braced := len(s) > 1 && s[1] == '{'
	if braced {
		i++
	}
	start := i
	for i < len(s) && (s[i] == '_' || isLetter(s[i]) || i > start && s[i] >= '0' && s[i] <= '9') {
		i++
	}
	switch {
	case i == start:
		return 0
	case braced && (i == len(s) || s[i] != '}'):
		return 0
	case braced:
		i++
	}
	return i
}

// splice makes changes of the text changes of the file, last first, so that
// the offsets before them hold. Quotes and line continuations stay.
func (w shellWord) splice(list []splice) []byte {
	out := w.src
	for i := len(list) - 1; i >= 0; i-- {
		s := list[i]
		place, quote, wrap := w.place(s.at, s.del > 0)
		encoded := encodeShell(s.text, quote)
		if wrap && s.text != "" {
			encoded = `"` + encodeShell(s.text, inDouble) + `"`
		}
		for j := s.at + s.del - 1; j >= s.at; j-- {
			out = replace(out, w.at[j], w.size[j], "")
		}
		out = replace(out, place, 0, encoded)
	}
	return out
}

// place finds where text that goes before byte i of the word is written, and
// in which quotes. wrap asks for quotes of its own.
func (w shellWord) place(i int, replaces bool) (offset int, quote byte, wrap bool) {
	switch {
	case len(w.text) == 0:
		for j := w.from; j < w.to; j++ {
			switch w.src[j] {
			case '"':
				return j + 1, inDouble, false
			case '\'':
				return j + 1, inSingle, false
			}
		}
		return w.from, bare, true
	case i == 0 || replaces:
		return w.at[i], w.quote[i], w.quote[i] == bare
	}
	return w.at[i-1] + w.size[i-1], w.quote[i-1], w.quote[i-1] == bare
}

func encodeShell(text string, quote byte) string {
	if quote == inSingle {
		return strings.ReplaceAll(text, "'", `'\''`)
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(text)
}

func replace(src []byte, at, del int, text string) []byte {
	out := make([]byte, 0, len(src)+len(text))
	out = append(out, src[:at]...)
	out = append(out, text...)
	return append(out, src[at+del:]...)
}
