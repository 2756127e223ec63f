package daemoncfg

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every byte, and every two of the odd ones, at every place of a text of up to
// three times eight bytes, against one byte after the other.
func TestEightBytesAtATimeStopWhereOneDoes(t *testing.T) {
	simple := func(text string, i int) int {
		for i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\' {
			i++
		}
		return i
	}
	check := func(text []byte) {
		for i := range len(text) + 2 { // the end, and behind it
			if got, want := source(text).plain(i), simple(string(text), i); got != want {
				require.Equal(t, want, got, "%q from %d", text, i)
			}
		}
	}
	const odd = "\x00\x1f !\"#[\\]\x7f\x80\x9f\xa2\xdc\xff"
	for n := range 24 {
		text := []byte(strings.Repeat("x", n))
		check(text)
		for i := range n {
			for c := range 256 {
				text[i] = byte(c)
				check(text)
			}
			for j := range i {
				for k := range len(odd) * len(odd) {
					text[i], text[j] = odd[k%len(odd)], odd[k/len(odd)]
					check(text)
				}
				text[j] = 'x'
			}
			text[i] = 'x'
		}
	}
}

func TestNoByteIsSpaceButTheFourOfJSON(t *testing.T) {
	for c := range 256 {
		for _, doc := range []string{"{%s}", "%s{}", "{}%s", `{"a"%s:[1%[1]s,%[1]s2]}`} {
			_, yes := quick(fmt.Sprintf(doc, string([]byte{byte(c)})))
			assert.Equal(t, strings.IndexByte(" \t\r\n", byte(c)) >= 0, yes, "byte %#x in %s", c, doc)
		}
	}
}
