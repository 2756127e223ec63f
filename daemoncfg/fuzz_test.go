package daemoncfg_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg"
)

// FuzzDocument holds laws 1 to 4 over any bytes, any path and any value.
func FuzzDocument(f *testing.F) {
	for _, test := range edits {
		f.Add([]byte(test.in), test.path, []byte(test.value))
	}
	// Each of these ends a mutant that the tame ones let live: one that trims,
	// one that normalises line ends, one that reads a key as a path, one that
	// rounds numbers, one that follows a duplicate, one that takes a comment.
	f.Add([]byte("\t {\r\n\"a\" :1.0 }\r\n\r\n "), "/b", []byte(" 1e2 "))
	f.Add([]byte("{\"a\":{\"b\":1},\"a.b\":2}"), "/a.b", []byte("3"))
	f.Add([]byte("{\"n\":12345678901234567890,\"e\":1E+2}"), "/n", []byte("12345678901234567891"))
	f.Add([]byte("{\"a\":1,\"\\u0061\":2}"), "/a", []byte("3"))
	f.Add([]byte("// c\n{}"), "/a", []byte("3"))
	f.Add([]byte("\xef\xbb\xbf{}"), "/a", []byte("3"))
	f.Add([]byte(`{"\ud800\u0041":1}`), "/\ufffdA", []byte("3"))
	f.Add([]byte(`{"\ud800":1}`), "/\ufffd", []byte("3"))
	f.Add([]byte(`{"a":[{"b":[]}]}`), "/a/0/b/-", []byte(`{"a":{}}`))
	f.Add([]byte(strings.Repeat(`{"a":`, 63)+"{}"+strings.Repeat("}", 63)), strings.Repeat("/a", 64), []byte("1"))
	f.Fuzz(func(t *testing.T, data []byte, pointer string, value []byte) {
		doc, err := daemoncfg.Parse("daemon.json", data)
		if err != nil {
			require.ErrorIs(t, err, daemoncfg.ErrInvalid)
			require.Nil(t, doc)
			return
		}
		require.Equal(t, string(data), string(doc.Bytes()))
		doc.Lint()
		if trimmed := strings.Trim(string(data), " \t\r\n"); trimmed != "" {
			require.True(t, json.Valid(data))
		}
		path, err := daemoncfg.ParsePointer(pointer)
		if err != nil || len(path) == 0 {
			return
		}
		checkLaws(t, string(data), value, path, map[string]int{})
	})
}
