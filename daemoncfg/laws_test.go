package daemoncfg_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit/daemoncfg"
)

// odd are keys that mean something to sjson or gjson, or are spelled in more
// than one way.
var odd = []string{"", "a", "b", "a.b", "a*", "?", "#", "@this", "|", ":0", "0", "1", "-1", "-", "\\", "\"", "é", "\ufffd", "<&>", "~", "/", "[", "{", "!", "\n", "\x00", "\u2028", "userns-remap"}

var space = rapid.SampledFrom([]string{"", "", "", " ", "\n", "\n  ", "\n\t", "\r\n", "\r\n    ", "\n\n", "\n\n  ", "\t", "\r", "  ", " \n "})

// drawDocument writes a random object with white space anywhere. Whether it
// keeps to one style or none is up to the draw.
func drawDocument(t *rapid.T) string {
	style := map[string]string{}
	own := rapid.Bool().Draw(t, "one style")
	ws := func(where string, depth int) string {
		if !own {
			return space.Draw(t, "space")
		}
		where = fmt.Sprint(where, depth)
		if _, ok := style[where]; !ok {
			style[where] = space.Draw(t, "space "+where)
		}
		return style[where]
	}
	var value func(depth int) string
	container := func(depth int, object bool) string {
		var b strings.Builder
		n := rapid.IntRange(0, 3).Draw(t, "n")
		keys := rapid.SliceOfNDistinct(rapid.SampledFrom(odd), n, n, rapid.ID).Draw(t, "keys")
		if n == 0 {
			b.WriteString(ws("empty", depth))
		}
		for i, key := range keys {
			if i > 0 {
				b.WriteString(ws("before comma", depth) + ",")
			}
			b.WriteString(ws("before item", depth))
			if object {
				quoted, err := json.Marshal(key)
				require.NoError(t, err)
				if key == "a" && rapid.Bool().Draw(t, "escape") {
					quoted = []byte(`"\u0061"`)
				}
				b.WriteString(string(quoted) + ws("before colon", depth) + ":" + ws("after colon", depth))
			}
			b.WriteString(value(depth + 1))
		}
		if n > 0 {
			b.WriteString(ws("end", depth))
		}
		if object {
			return "{" + b.String() + "}"
		}
		return "[" + b.String() + "]"
	}
	value = func(depth int) string {
		kind := rapid.IntRange(0, 9).Draw(t, "kind")
		switch {
		case kind < 3 && depth < 4:
			return container(depth, true)
		case kind < 5 && depth < 4:
			return container(depth, false)
		}
		return rapid.SampledFrom([]string{`1`, `-0`, `1e+05`, `12345678901234567890.0`, `"x"`, `"\u00e9\/"`, `"a,b:{}[]\"\\"`, `null`, `true`, `""`}).Draw(t, "leaf")
	}
	return space.Draw(t, "lead") + container(0, true) + space.Draw(t, "tail")
}

// drawPath draws a path, in half of the cases one that is there.
func drawPath(t *rapid.T, d *daemoncfg.Document) []string {
	path := rapid.SliceOfN(rapid.SampledFrom(odd), 1, 4).Draw(t, "path")
	if rapid.Bool().Draw(t, "any path") {
		return path
	}
	for i := range path {
		raw, _ := d.Get(path[:i]...)
		var object map[string]json.RawMessage
		var list []json.RawMessage
		if json.Unmarshal(raw, &object); len(object) > 0 {
			path[i] = rapid.SampledFrom(slices.Sorted(maps.Keys(object))).Draw(t, "key")
		} else if json.Unmarshal(raw, &list); len(list) > 0 {
			path[i] = fmt.Sprint(rapid.IntRange(0, len(list)-1).Draw(t, "index"))
		} else if i > 0 && rapid.Bool().Draw(t, "stop") {
			return path[:i]
		}
	}
	return path
}

// parentExists reports whether all of path but its last element is there.
func parentExists(d *daemoncfg.Document, path []string) bool {
	_, ok := d.Get(path[:len(path)-1]...)
	return ok
}

func TestLawsOfEdits(t *testing.T) {
	reached := map[string]int{}
	for range 20 { // a run of rapid is 100 draws, and 20 with -short
		rapid.Check(t, func(t *rapid.T) {
			text := drawDocument(t)
			doc, err := daemoncfg.Parse("daemon.json", []byte(text))
			require.NoError(t, err, "%q", text)
			require.Equal(t, text, string(doc.Bytes()), "law 1")
			path := drawPath(t, doc)
			value := rapid.SampledFrom([]string{`3`, `"new"`, `{"z": [1]}`, `[]`, `{}`, `1`, `"\u0078"`, `null`}).Draw(t, "value")
			if raw, ok := doc.Get(path...); ok && rapid.Bool().Draw(t, "the same value") {
				value = string(raw)
			}
			checkLaws(t, text, json.RawMessage(value), path, reached)
		})
	}
	for _, what := range []string{"set new", "set new parents", "replaced", "unchanged", "failed"} {
		require.NotZero(t, reached[what], "no draw came to: "+what)
	}
	t.Log(reached)
}

// checkLaws checks laws 1 to 4 of DESIGN for one Set, and the Delete after it.
func checkLaws(t require.TestingT, text string, value json.RawMessage, path []string, reached map[string]int) {
	parse := func(text string) *daemoncfg.Document {
		doc, err := daemoncfg.Parse("daemon.json", []byte(text))
		require.NoError(t, err, "%q", text)
		require.Equal(t, text, string(doc.Bytes()))
		return doc
	}
	doc := parse(text)
	old, was := doc.Get(path...)
	_, hasObject := doc.Get()
	blank := !hasObject
	parent := parentExists(doc, path)
	err := doc.Set(path, value)
	after := string(doc.Bytes())
	if err != nil {
		reached["failed"]++
		require.Equal(t, text, after, "law 2: %v", err)
		return
	}
	// "-" is not a place in an array: the element is the last one now.
	target := append([]string(nil), path...)
	for i := range target {
		if raw, ok := doc.Get(target[:i]...); ok && target[i] == "-" && raw[0] == '[' {
			var list []json.RawMessage
			require.NoError(t, json.Unmarshal(raw, &list))
			target[i] = fmt.Sprint(len(list) - 1)
		}
	}
	// Reparse agrees, and nothing but the value at path has changed.
	again := parse(after)
	got, ok := again.Get(target...)
	require.True(t, ok, "%q", after)
	require.JSONEq(t, string(value), string(got))
	require.NoError(t, again.Set(target, value))
	require.Equal(t, after, string(again.Bytes()), "law 2: twice is once")
	if !blank {
		require.GreaterOrEqual(t, kept(text, after), len(text)-len(old), "law 4: %q\n%q", text, after)
	}

	switch {
	case was && text == after:
		reached["unchanged"]++
	case was:
		reached["replaced"]++
	case parent:
		reached["set new"]++
		require.NoError(t, again.Delete(target...))
		require.Equal(t, text, string(again.Bytes()), "law 3, read again: %q", after)
	case blank && len(path) == 1:
		// What the file was before cannot be told from {...}; the Document that
		// made it still knows.
		require.NoError(t, again.Delete(target...))
		require.Equal(t, "{}", strings.Join(strings.Fields(string(again.Bytes())), ""))
		require.NoError(t, doc.Delete(target...))
		require.Equal(t, text, string(doc.Bytes()), "law 3: %q", after)
	default:
		reached["set new parents"]++
	}
	if !was && parent {
		require.NoError(t, doc.Delete(target...))
		require.Equal(t, text, string(doc.Bytes()), "law 3: %q", after)
	}
}

// kept counts the bytes of before that after has, in one piece at its start
// and one at its end.
func kept(before, after string) int {
	n, most := 0, min(len(before), len(after))
	for n < most && before[n] == after[n] {
		n++
	}
	tail := 0
	for tail < most-n && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	return n + tail
}
