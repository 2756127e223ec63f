package daemoncfg_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg"
)

// edits are texts before and after a Set, compared byte for byte. None of the
// members was there before, so that Delete has to give back the input.
var edits = []struct {
	name     string
	in, want string
	path     string // a JSON Pointer
	value    string
}{
	{"two spaces", "{\n  \"debug\": true\n}\n", "{\n  \"debug\": true,\n  \"userns-remap\": \"default\"\n}\n", "/userns-remap", `"default"`},
	{"four spaces", "{\n    \"a\": 1,\n    \"b\": 2\n}\n", "{\n    \"a\": 1,\n    \"b\": 2,\n    \"k\": 3\n}\n", "/k", `3`},
	{"tabs and no newline at the end", "{\n\t\"a\": 1\n}", "{\n\t\"a\": 1,\n\t\"k\": 3\n}", "/k", `3`},
	{"CRLF", "{\r\n  \"a\": 1\r\n}\r\n", "{\r\n  \"a\": 1,\r\n  \"k\": 3\r\n}\r\n", "/k", `3`},
	{"no indentation", "{\n\"a\": 1\n}\n", "{\n\"a\": 1,\n\"k\": 3\n}\n", "/k", `3`},
	{"no space after the colon", "{\n \"a\":1\n}\n", "{\n \"a\":1,\n \"k\":3\n}\n", "/k", `3`},
	{"space on both sides of the colon", "{\n  \"a\" : 1\n}\n", "{\n  \"a\" : 1,\n  \"k\" : 3\n}\n", "/k", `3`},
	{"one line stays one line", `{"a": 1, "b": 2}`, `{"a": 1, "b": 2, "k": 3}`, "/k", `3`},
	{"one line with one member", `{"a": 1}`, `{"a": 1, "k": 3}`, "/k", `3`},
	{"one tight line", `{"a":1}`, `{"a":1,"k":3}`, "/k", `3`},
	{"one line with room in the braces", `{ "a": 1 }`, `{ "a": 1, "k": 3 }`, "/k", `3`},
	{"comma first", "{ \"a\": 1\n, \"b\": 2\n}\n", "{ \"a\": 1\n, \"b\": 2\n, \"k\": 3\n}\n", "/k", `3`},
	{"space before the comma", `{"a": 1 , "b": 2}`, `{"a": 1 , "b": 2 , "k": 3}`, "/k", `3`},
	{"brace at the end of the last line", "{\n  \"a\": 1,\n  \"b\": 2}", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"k\": 3}", "/k", `3`},
	{"an empty line between members is not their style", "{\n  \"a\": 1,\n\n  \"b\": 2\n}\n", "{\n  \"a\": 1,\n\n  \"b\": 2,\n  \"k\": 3\n}\n", "/k", `3`},
	{"two on the last line", "{\n  \"a\": 1, \"b\": 2\n}\n", "{\n  \"a\": 1, \"b\": 2, \"k\": 3\n}\n", "/k", `3`},
	{"value on a line of its own", "{\n  \"a\":\n    1\n}\n", "{\n  \"a\":\n    1,\n  \"k\": 3\n}\n", "/k", `3`},
	{"mixed line ends follow the last", "{\r\n  \"a\": 1,\n  \"b\": 2\r\n}\r\n", "{\r\n  \"a\": 1,\n  \"b\": 2,\n  \"k\": 3\r\n}\r\n", "/k", `3`},
	{"what nobody touches is kept", "{\"a\":1e+0002 ,\t\"\\u0062\":[ 1,2\t],\"c\":\"\\u00e9\\/<>\" }  \n\n", "{\"a\":1e+0002 ,\t\"\\u0062\":[ 1,2\t],\"c\":\"\\u00e9\\/<>\",\"k\":3 }  \n\n", "/k", `3`},

	{"empty object", `{}`, `{"k": 3}`, "/k", `3`},
	{"empty object with a newline", "{}\n", "{\"k\": 3}\n", "/k", `3`},
	{"empty object with room", "{ }\n", "{ \"k\": 3 }\n", "/k", `3`},
	{"empty object on two lines", "{\n}\n", "{\n  \"k\": 3\n}\n", "/k", `3`},
	{"empty object on two lines of DOS", "{\r\n}\r\n", "{\r\n  \"k\": 3\r\n}\r\n", "/k", `3`},
	{"empty object on three lines", "{\n\n}\n", "{\n  \"k\": 3\n\n}\n", "/k", `3`},
	{"empty file", "", "{\n  \"userns-remap\": \"default\"\n}\n", "/userns-remap", `"default"`},
	{"white space", " \n\t\n", "{\n  \"k\": 3\n}\n", "/k", `3`},
	{"white space of DOS", "\r\n", "{\r\n  \"k\": 3\r\n}\r\n", "/k", `3`},
	{"null", "null\n", "{\n  \"k\": 3\n}\n", "/k", `3`},

	{"nested", "{\n  \"log-opts\": {\n    \"a\": \"1\"\n  }\n}\n", "{\n  \"log-opts\": {\n    \"a\": \"1\",\n    \"k\": 3\n  }\n}\n", "/log-opts/k", `3`},
	{"nested on one line", "{\n  \"log-opts\": {\"a\": \"1\"}\n}\n", "{\n  \"log-opts\": {\"a\": \"1\", \"k\": 3}\n}\n", "/log-opts/k", `3`},
	{"nested empty object opens", "{\n\t\"features\": {}\n}\n", "{\n\t\"features\": {\n\t\t\"k\": 3\n\t}\n}\n", "/features/k", `3`},
	{"nested empty object opens with CRLF", "{\r\n  \"features\": {}\r\n}\r\n", "{\r\n  \"features\": {\r\n    \"k\": 3\r\n  }\r\n}\r\n", "/features/k", `3`},
	{"nested empty object on one line", `{"a":1,"features":{}}`, `{"a":1,"features":{"k":3}}`, "/features/k", `3`},
	{"nested empty object that was open", "{\n  \"features\": {\n  }\n}\n", "{\n  \"features\": {\n\n    \"k\": 3\n  }\n}\n", "/features/k", `3`},
	{"nested empty object that was wide open", "{\n  \"features\": {\n\n  }\n}\n", "{\n  \"features\": {\n    \"k\": 3\n\n  }\n}\n", "/features/k", `3`},
	{"nested empty object without indentation", "{\n\"features\": {}\n}\n", "{\n\"features\": {\n  \"k\": 3\n}\n}\n", "/features/k", `3`},

	{"array", `{"dns": ["1.1.1.1"]}`, `{"dns": ["1.1.1.1", "8.8.8.8"]}`, "/dns/1", `"8.8.8.8"`},
	{"array on lines", "{\n  \"dns\": [\n    \"1.1.1.1\"\n  ]\n}\n", "{\n  \"dns\": [\n    \"1.1.1.1\",\n    \"8.8.8.8\"\n  ]\n}\n", "/dns/1", `"8.8.8.8"`},
	{"tight array", `{"dns":["1.1.1.1"]}`, `{"dns":["1.1.1.1","8.8.8.8"]}`, "/dns/1", `"8.8.8.8"`},
	{"empty array", "{\n  \"dns\": []\n}\n", "{\n  \"dns\": [\"8.8.8.8\"]\n}\n", "/dns/0", `"8.8.8.8"`},
	{"object in an array", "{\n  \"pools\": [\n    {}\n  ]\n}\n", "{\n  \"pools\": [\n    {\n      \"k\": 3\n    }\n  ]\n}\n", "/pools/0/k", `3`},

	{"empty key", `{"a": 1}`, `{"a": 1, "": 3}`, "/", `3`},
	{"dotted key", `{"registries": {"io": 1}}`, `{"registries": {"io": 1, "io.x": 3}}`, "/registries/io.x", `3`},
	{"star", `{"ab": 1}`, `{"ab": 1, "a*": 3}`, "/a*", `3`},
	{"numeric key", `{"a": {"b": 1}}`, `{"a": {"b": 1, "0": 3}}`, "/a/0", `3`},
	{"slash and tilde", `{"a": 1}`, `{"a": 1, "x/y~z": 3}`, "/x~1y~0z", `3`},
	{"a key that is not for HTML", `{"a": 1}`, `{"a": 1, "<&>": 3}`, "/<&>", `3`},
	{"a key to be escaped", `{"a": 1}`, `{"a": 1, "q\"\\é": 3}`, `/q"\é`, `3`},
	{"a value goes in byte for byte", `{"a": 1}`, `{"a": 1, "k": [ 1.0 ,"\u003c" ]}`, "/k", ` [ 1.0 ,"\u003c" ] `},
}

func TestSetCopiesTheStyleAndDeleteTakesItBack(t *testing.T) {
	for _, test := range edits {
		t.Run(test.name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", []byte(test.in))
			require.NoError(t, err)
			path, err := daemoncfg.ParsePointer(test.path)
			require.NoError(t, err)

			require.NoError(t, doc.Set(path, json.RawMessage(test.value)))
			assert.Equal(t, test.want, string(doc.Bytes()))
			got, ok := doc.Get(path...)
			require.True(t, ok)
			assert.JSONEq(t, test.value, string(got))

			require.NoError(t, doc.Set(path, json.RawMessage(test.value)))
			assert.Equal(t, test.want, string(doc.Bytes()), "the same Set again")

			require.NoError(t, doc.Delete(path...))
			assert.Equal(t, test.in, string(doc.Bytes()), "Delete")
		})
	}
}

// Parents that are missing go with the topmost of them.
func TestSetMakesTheParentsThatAreMissing(t *testing.T) {
	for _, test := range []struct {
		name, in, want, path, value, top string
	}{
		{"on lines", "{\n  \"a\": 1\n}\n", "{\n  \"a\": 1,\n  \"features\": {\n    \"buildkit\": true\n  }\n}\n", "/features/buildkit", "true", "/features"},
		{"two of them", "{\n\t\"a\": 1\n}\n", "{\n\t\"a\": 1,\n\t\"x\": {\n\t\t\"y\": {\n\t\t\t\"z\": 1\n\t\t}\n\t}\n}\n", "/x/y/z", "1", "/x"},
		{"on one line", `{ "a":1 }`, `{ "a":1, "x":{ "y":{ "z":1 } } }`, "/x/y/z", "1", "/x"},
		{"an array", "{\n  \"a\": 1\n}\n", "{\n  \"a\": 1,\n  \"dns\": [\"1.1.1.1\"]\n}\n", "/dns/-", `"1.1.1.1"`, "/dns"},
		{"in an empty file", "", "{\n  \"features\": {\n    \"buildkit\": true\n  }\n}\n", "/features/buildkit", "true", "/features"},
		{"in an array that is open", "{\n  \"p\": [\n    1\n  ]\n}\n", "{\n  \"p\": [\n    1,\n    {\n      \"k\": 2\n    }\n  ]\n}\n", "/p/-/k", "2", "/p/1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", []byte(test.in))
			require.NoError(t, err)
			path, err := daemoncfg.ParsePointer(test.path)
			require.NoError(t, err)
			require.NoError(t, doc.Set(path, json.RawMessage(test.value)))
			assert.Equal(t, test.want, string(doc.Bytes()))
			top, err := daemoncfg.ParsePointer(test.top)
			require.NoError(t, err)
			require.NoError(t, doc.Delete(top...))
			assert.Equal(t, test.in, string(doc.Bytes()))
		})
	}
}

func TestReplaceTouchesOnlyTheValue(t *testing.T) {
	for _, test := range []struct {
		name, in, want, path, value string
	}{
		{"a string", "{\n  \"userns-remap\" : \"old\" ,\"z\":1}", "{\n  \"userns-remap\" : \"new\" ,\"z\":1}", "/userns-remap", `"new"`},
		{"an escaped key", `{"userns\u002dremap":"old"}`, `{"userns\u002dremap":"new"}`, "/userns-remap", `"new"`},
		{"an equal string keeps its spelling", `{"k":"def\u0061ult"}`, `{"k":"def\u0061ult"}`, "/k", `"default"`},
		{"an equal object keeps its order", `{"k":{"b":1, "a":[ ]}}`, `{"k":{"b":1, "a":[ ]}}`, "/k", `{"a":[],"b":1}`},
		{"a number is its digits", `{"k":1.0}`, `{"k":1}`, "/k", `1`},
		{"a big number is not rounded", `{"k":12345678901234567890}`, `{"k":12345678901234567891}`, "/k", `12345678901234567891`},
		{"an element", `{"k":[1, 2 ,3]}`, `{"k":[1, 9 ,3]}`, "/k/1", `9`},
		{"a numeric key", `{"k":{"1":2,"0":3}}`, `{"k":{"1":2,"0":9}}`, "/k/0", `9`},
		{"an empty key in an empty key", `{"":{"":1}}`, `{"":{"":9}}`, "//", `9`},
		{"a wildcard is a key", `{"ab":1,"a*":2}`, `{"ab":1,"a*":9}`, "/a*", `9`},
		{"a modifier is a key", `{"@this":{"#":1,"|":2,"x.y":3,":0":4}}`, `{"@this":{"#":1,"|":2,"x.y":3,":0":9}}`, "/@this/:0", `9`},
		{"the document", "\n{\"a\":1}\n", "\n{\"b\":2}\n", "", `{"b":2}`},
		{"a document of white space", " \r\n", "{\"b\":2}\r\n", "", `{"b":2}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", []byte(test.in))
			require.NoError(t, err)
			path, err := daemoncfg.ParsePointer(test.path)
			require.NoError(t, err)
			require.NoError(t, doc.Set(path, json.RawMessage(test.value)))
			assert.Equal(t, test.want, string(doc.Bytes()))
		})
	}
}

func TestDeleteTakesTheCommaAlong(t *testing.T) {
	for _, test := range []struct{ name, in, want, path string }{
		{"first", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\n  \"b\": 2\n}\n", "/a"},
		{"middle", "{\n  \"a\": 1,\n  \"b\": 2,\n  \"c\": 3\n}\n", "{\n  \"a\": 1,\n  \"c\": 3\n}\n", "/b"},
		{"last", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "{\n  \"a\": 1\n}\n", "/b"},
		{"only", "{\n  \"a\": 1\n}\n", "{\n}\n", "/a"},
		{"only one of an inner object", "{\n  \"f\": {\n    \"a\": 1\n  }\n}\n", "{\n  \"f\": {}\n}\n", "/f/a"},
		{"element", `{"k":[1, 2 ,3]}`, `{"k":[1 ,3]}`, "/k/1"},
		{"only element", "{\"k\":[\n1\n]}", "{\"k\":[\n]}", "/k/0"},
		{"absent", `{"k":[1]}`, `{"k":[1]}`, "/k/1"},
		{"absent below a number", `{"k":1}`, `{"k":1}`, "/k/x/y"},
		{"absent from nothing", ``, ``, "/k"},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", []byte(test.in))
			require.NoError(t, err)
			path, err := daemoncfg.ParsePointer(test.path)
			require.NoError(t, err)
			require.NoError(t, doc.Delete(path...))
			assert.Equal(t, test.want, string(doc.Bytes()))
		})
	}
}

func TestAFailedEditChangesNothing(t *testing.T) {
	const in = "{\"a\": [1], \"s\": \"x\"}\n"
	for _, test := range []struct{ name, path, value, want string }{
		{"through a string", "/s/t", "1", `daemon.json: /s: has no members: it is "x"`},
		{"beyond the end of an array", "/a/2", "1", `daemon.json: /a/2: an array of 1 elements has no such place; "-" is the place behind the last`},
		{"a key of an array", "/a/x", "1", `daemon.json: /a/x: an array of 1 elements has no such place; "-" is the place behind the last`},
		{"an index with a zero in front", "/a/00", "1", `daemon.json: /a/00: an array of 1 elements has no such place; "-" is the place behind the last`},
		{"no JSON", "/k", "tru", "the new value:1:4: the file ends in the middle of the document: no dockerd starts with it"},
		{"two values", "/k", "1 2", "the new value:1:3: text after the document: dockerd from 23.0 does not start with it, and 20.10 ignores it"},
		{"a value with a comment", "/k", "1 // one", "the new value:1:3: a comment after the document: dockerd accepts none from 23.0 on, and 20.10 ignores what is here; remove it"},
		{"a duplicate key", "/k", `{"a":1,"\u0061":2}`, `the new value:1:8: the key "a" is here twice: dockerd takes the last one, most editors the first; remove one`},
		{"the document is a list", "", `[]`, "daemon.json: the whole document must be an object"},
	} {
		t.Run(test.name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", []byte(in))
			require.NoError(t, err)
			path, err := daemoncfg.ParsePointer(test.path)
			require.NoError(t, err)
			require.EqualError(t, doc.Set(path, json.RawMessage(test.value)), test.want)
			assert.Equal(t, in, string(doc.Bytes()))
		})
	}
	doc, err := daemoncfg.Parse("daemon.json", []byte(in))
	require.NoError(t, err)
	require.Error(t, doc.Set([]string{"bad\xff"}, json.RawMessage("1")))
	require.Error(t, doc.Delete(), "the whole document")
	require.ErrorIs(t, doc.Set([]string{"s", "t"}, json.RawMessage("1")), daemoncfg.ErrNotObject)
	assert.Equal(t, in, string(doc.Bytes()))
}

// What the gate has seen of a document counts no longer after an edit of it.
func TestAnEditIsSeenByWhatReadsAfterIt(t *testing.T) {
	const in = `{"a": 1, "b": {"c": 2}, "d": 3}`
	for _, test := range []struct {
		edit func(*daemoncfg.Document) error
		want string
	}{
		{func(d *daemoncfg.Document) error { return d.Set([]string{"a"}, json.RawMessage(`100`)) }, `{"a": 100, "b": {"c": 2}, "d": 3}`},
		{func(d *daemoncfg.Document) error { return d.Set([]string{"b", "e"}, json.RawMessage(`[]`)) }, `{"a": 1, "b": {"c": 2, "e": []}, "d": 3}`},
		{func(d *daemoncfg.Document) error { return d.Set([]string{"e"}, json.RawMessage(`4`)) }, `{"a": 1, "b": {"c": 2}, "d": 3, "e": 4}`},
		{func(d *daemoncfg.Document) error { return d.Set(nil, json.RawMessage(`{"b": 5}`)) }, `{"b": 5}`},
		{func(d *daemoncfg.Document) error { return d.Delete("a") }, `{"b": {"c": 2}, "d": 3}`},
		{func(d *daemoncfg.Document) error { return d.Delete("b", "c") }, `{"a": 1, "b": {}, "d": 3}`},
	} {
		doc, err := daemoncfg.Parse("daemon.json", []byte(in))
		require.NoError(t, err)
		require.NoError(t, test.edit(doc))
		require.Equal(t, test.want, string(doc.Bytes()))
		fresh, err := daemoncfg.Parse("daemon.json", []byte(test.want))
		require.NoError(t, err)
		for _, key := range []string{"a", "b", "d", "e"} {
			got, is := doc.Get(key)
			want, was := fresh.Get(key)
			assert.Equal(t, was, is, "%s in %s", key, test.want)
			assert.Equal(t, string(want), string(got), "%s in %s", key, test.want)
		}
	}
}

func TestADocumentNeverGrowsBeyondTheLimit(t *testing.T) {
	most := json.RawMessage(`"` + strings.Repeat("x", daemoncfg.MaxSize-2) + `"`)
	for _, in := range []string{"", "{}", "{\"k\": 1}"} {
		doc, err := daemoncfg.Parse("daemon.json", []byte(in))
		require.NoError(t, err)
		require.EqualError(t, doc.Set([]string{"k"}, most), "daemon.json: the document would be larger than 1 MiB")
		assert.Equal(t, in, string(doc.Bytes()))
		_, ok := doc.Get("new")
		assert.False(t, ok)
	}
	in := strings.Repeat(" ", daemoncfg.MaxSize-2) + "{}"
	doc, err := daemoncfg.Parse("daemon.json", []byte(in))
	require.NoError(t, err)
	require.EqualError(t, doc.Set(nil, json.RawMessage(`{"k": 1}`)), "daemon.json: the document would be larger than 1 MiB")
	require.Equal(t, in, string(doc.Bytes()))
}

func TestPointersThatAreNone(t *testing.T) {
	for _, bad := range []string{"a", "log-opts/max-size", "/a~", "/a~2", "/~~0"} {
		_, err := daemoncfg.ParsePointer(bad)
		require.ErrorContains(t, err, "is not a JSON Pointer", bad)
	}
	path, err := daemoncfg.ParsePointer("/~01/a~1b//0")
	require.NoError(t, err)
	assert.Equal(t, []string{"~1", "a/b", "", "0"}, path)
}

func TestZeroDocument(t *testing.T) {
	var d daemoncfg.Document
	_, ok := d.Get("debug")
	assert.False(t, ok)
	d.Position("debug")
	d.Lint()
	require.NoError(t, d.Delete("debug"))
	require.NoError(t, d.Set([]string{"debug"}, json.RawMessage("true")))
	assert.JSONEq(t, `{"debug": true}`, string(d.Bytes()))
	require.NoError(t, d.Delete("debug"))
}
