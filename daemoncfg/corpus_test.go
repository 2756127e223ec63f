package daemoncfg_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
)

// The corpus was written by hand: one daemon.json for each way in which people
// and programs are known to lay them out.
func TestCorpusIsEditedInOneLineAndComesBack(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 60)
	const key, value = "userns-remap", `"default"`
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			in, err := os.ReadFile(file)
			require.NoError(t, err)
			doc, err := daemoncfg.Parse(file, in)
			require.NoError(t, err)
			require.Equal(t, string(in), string(doc.Bytes()))
			_, was := doc.Get(key)
			_, hasObject := doc.Get()

			require.NoError(t, doc.Set([]string{key}, json.RawMessage(value)))
			out := doc.Bytes()
			got, err := asDockerd(out)
			require.NoError(t, err)
			assert.Equal(t, "default", got, "what dockerd reads")

			if hasObject {
				gone, come := diffLines(in, out)
				assert.LessOrEqual(t, gone, 1)
				assert.LessOrEqual(t, come, gone+1, "one changed and one added line:\n%s", out)
			}
			if !was {
				require.NoError(t, doc.Delete(key))
				assert.Equal(t, string(in), string(doc.Bytes()))
			}
		})
	}
}

// asDockerd returns userns-remap as dockerd reads it: strictly as JSON of one
// value, first into a map, one level of which is flattened for the check of
// names and flags, then into a struct, with its top level alone.
func asDockerd(data []byte) (string, error) {
	var values map[string]any
	if err := json.Unmarshal(data, &values); err != nil {
		return "", err
	}
	var config struct {
		RemappedRoot string `json:"userns-remap,omitempty"`
	}
	err := json.Unmarshal(data, &config)
	return config.RemappedRoot, err
}

// diffLines counts the lines that go and come.
func diffLines(before, after []byte) (gone, come int) {
	diff := usernskit.Plan{Changes: []usernskit.Change{{Path: "daemon.json", Before: before, After: after}}}.Diff()
	for i, line := range strings.Split(diff, "\n") {
		switch {
		case i < 2: // --- and +++
		case strings.HasPrefix(line, "-"):
			gone++
		case strings.HasPrefix(line, "+"):
			come++
		}
	}
	return gone, come
}

// The order of keys, unknown members, big numbers and the last line break:
// what editors of daemon.json are known to lose.
func TestFaultsOfOtherEditors(t *testing.T) {
	set := func(t *testing.T, in, path, value string) string {
		t.Helper()
		doc, err := daemoncfg.Parse("daemon.json", []byte(in))
		require.NoError(t, err)
		elements, err := daemoncfg.ParsePointer(path)
		require.NoError(t, err)
		require.NoError(t, doc.Set(elements, json.RawMessage(value)))
		return string(doc.Bytes())
	}
	t.Run("nvidia-ctk sorts keys and drops the last line break", func(t *testing.T) {
		assert.Equal(t, "{\n  \"z\": 1,\n  \"a\": 2,\n  \"k\": 3\n}\n", set(t, "{\n  \"z\": 1,\n  \"a\": 2\n}\n", "/k", "3"))
	})
	t.Run("nvidia-ctk drops the features that were there", func(t *testing.T) {
		assert.Equal(t, `{"features": {"buildkit": true, "cdi": true}}`, set(t, `{"features": {"buildkit": true}}`, "/features/cdi", "true"))
	})
	t.Run("jq rounds big numbers", func(t *testing.T) {
		assert.Equal(t, `{"n":12345678901234567890,"k":3}`, set(t, `{"n":12345678901234567890}`, "/k", "3"))
	})
	t.Run("sjson takes a dot for a level", func(t *testing.T) {
		assert.Equal(t, `{"a":1,"io.x":3}`, set(t, `{"a":1}`, "/io.x", "3"))
	})
	t.Run("sjson allocates for a large index", func(t *testing.T) {
		assert.Equal(t, `{"a":{"99999999":3}}`, set(t, `{"a":{}}`, "/a/99999999", "3"))
		doc, err := daemoncfg.Parse("daemon.json", []byte(`{"a":[]}`))
		require.NoError(t, err)
		require.Error(t, doc.Set([]string{"a", "99999999"}, json.RawMessage("3")))
	})
	t.Run("sjson and augeas drop the last line break", func(t *testing.T) {
		assert.Equal(t, "{\n\t\"a\": 1,\n\t\"k\": 3\n}\n", set(t, "{\n\t\"a\": 1\n}\n", "/k", "3"))
	})
	for name, in := range map[string]string{
		"sjson replaces a document with a BOM":      "\xef\xbb\xbf{\"debug\": true}",
		"sjson replaces a document with a comment":  "// mine\n{\"debug\": true}",
		"sjson replaces a string":                   `"x"`,
		"sjson goes on in a truncated document":     `{"debug": true`,
		"nvidia-ctk drops a second document":        `{"debug": true}{"icc": true}`,
		"sjson edits the first of two equal keys":   `{"userns-remap": "a", "userns-remap": "b"}`,
		"nobody looks at keys through their escape": `{"userns-remap": "a", "userns\u002dremap": "b"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := daemoncfg.Parse("daemon.json", []byte(in))
			require.ErrorIs(t, err, daemoncfg.ErrInvalid)
		})
	}
}
