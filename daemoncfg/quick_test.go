package daemoncfg

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The quick look decides what is let in, so whatever it lets in has to pass the
// one that gives reasons: syntax, depth, numbers and keys.
func FuzzQuickLookLetsNothingInThatTheGateRefuses(f *testing.F) {
	for _, doc := range append(quickYes(), quickNo()...) {
		f.Add(doc, 0)
	}
	f.Add(`{"a": 1}`, 64)
	f.Add("1", 65)
	f.Fuzz(func(t *testing.T, text string, parents int) {
		if members, yes := quick(text); yes {
			require.NoError(t, judge("daemon.json", text))
			require.True(t, slices.Equal(items(text, root(text)), members), "the members that gjson finds, not %v", members)
		} else {
			require.Nil(t, members)
		}
		if value := trim(text); parents >= 0 && quickValue(value, parents) { // values come trimmed
			require.NoError(t, judgeValue("the new value", value, parents))
		}
	})
}

func TestPlainDocumentsPassTheQuickLook(t *testing.T) {
	for _, doc := range quickYes() {
		_, yes := quick(doc)
		assert.True(t, yes, "%.80s", doc)
	}
}

func TestQuickLookLeavesTheRestToTheGate(t *testing.T) {
	for _, doc := range quickNo() {
		_, yes := quick(doc)
		assert.False(t, yes, "%.80s", doc)
	}
	assert.True(t, quickValue("[1]", MaxDepth-1))
	assert.False(t, quickValue("[1]", MaxDepth))
	assert.False(t, quickValue("", 0))
	assert.False(t, quickValue("1", MaxDepth+1))
}

// members is an object of so many members, the last one named like another.
func members(n int, last string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d": %d, `, i, i)
	}
	return "{" + b.String() + `"` + last + `": 0}`
}

func quickYes() []string {
	return append(inStrings(`{"k":"`, `"}`, "\\\"", "\\\\", "\x7f", "\u00a2", "\u072a", " ", "}", "'"),
		"{}", " \t\r\n{ } \n", `{"a": true, "b": false, "c": null}`, `{"a": "x\"\\\/\b\f\n\r\t y"}`,
		`{"n": [0, -0, 10, -1.5, 0.25, 12345678901234567890]}`, `{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}, []]}`,
		`{"": 1}`, "{\"k\": \"caf\u00e9\"}",
		strings.Repeat(`{"a":`, 63)+"{}"+strings.Repeat("}", 63), members(1000, "k"),
	)
}

func quickNo() []string {
	never := []string{"\x00", "\x1f", "\n", "\\", "\\u", "\\x", "\"", "\x80", "\xa2", "\xdc", "\xff"}
	docs := append(inStrings(`{"k":"`, `"}`, never...), inStrings(`{"`, `":1}`, append(never, `\n`)...)...)
	docs = append(docs, inStrings(`{"k":"`, ``, "")...)
	return append(docs,
		"", "null", "[]", `"x"`, "{", "}", `{"a"}`, `{"a" 1}`, `{"a";1}`, `{"a\:1}`, `{"a":}`, `{a: 1}`, `{"a": 1,}`, `{"a": 1 "b": 2}`, `{,}`, `{"a": [1,]}`, `{"a": [1 2]}`, `{"a": [}`,
		`{"a": 1]`, `{"a": [1}`, `{"a": 1}}`, `{} {}`, "{}\x00", "{\u00a0}", "\xef\xbb\xbf{}", "{\"a\": \"\xff\"}", "{\"a\": \"x\ny\"}", `{"a": "x`, `{"a": "\`, `{"a": "\x"}`,
		`{"a": 01}`, `{"a": -}`, `{"a": 1.}`, `{"a": .5}`, `{"a": +1}`, `{"a": 1e400}`, `{"a": 1e5}`, `{"a": 1`+strings.Repeat("0", 320)+"}", `{"a": tru}`, `{"a": nullx}`, `{"a": True}`,
		`{"a": 1, "a": 2}`, `{"a": [{"b": 1, "b": 1}]}`, `{"a": 1, "\u0061": 2}`, `{"/": 1, "\/": 2}`, `{"a": {}, "b": {"x": 1}, "a": 1}`,
		members(7, "k3"), members(9, "k0"), members(1000, "k999"),
		strings.Repeat(`{"a":`, 64)+"{}"+strings.Repeat("}", 64), "{"+strings.Repeat(" ", MaxSize)+"}",
	)
}

// inStrings is a document for each of the texts at each place of a string, in
// which eight bytes are looked at at a time, with more of the string behind it
// and without.
func inStrings(before, after string, texts ...string) (docs []string) {
	for _, text := range texts {
		for i := range 18 {
			s := before + strings.Repeat("x", i) + text
			docs = append(docs, s+after, s+"y"+after, s+strings.Repeat("y", 14)+after)
		}
	}
	return docs
}
