package main

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// schemaDir holds a schema for each form of JSON that a command prints. Fields
// may be added under the same number, so the schemas leave objects open; the
// tests close them, since a field that is printed is to be described.
const schemaDir = "schema/"

// A closedLoader loads schemas and closes their objects.
type closedLoader struct{}

func (closedLoader) Load(where string) (any, error) {
	u, err := url.Parse(where)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(u.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	schema, err := jsonschema.UnmarshalJSON(f)
	closeObjects(schema)
	return schema, err
}

func closeObjects(schema any) {
	switch v := schema.(type) {
	case map[string]any:
		if _, ok := v["properties"].(map[string]any); ok {
			v["additionalProperties"] = false
		}
		for _, sub := range v {
			closeObjects(sub)
		}
	case []any:
		for _, sub := range v {
			closeObjects(sub)
		}
	}
}

func compileSchema(name string) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.UseLoader(closedLoader{})
	c.AssertFormat()
	return c.Compile(schemaDir + name + ".schema.json")
}

// usedSchemas are those that a script has checked output against.
type usedSchemas struct {
	sync.Mutex
	names map[string]bool
}

// check is the command "schema NAME FILE" of scripts.
func (u *usedSchemas) check(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: schema NAME FILE")
	}
	schema, err := compileSchema(args[0])
	ts.Check(err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(schema.Validate(value))
	u.Lock()
	defer u.Unlock()
	u.names[args[0]] = true
}

// demand fails the test for each schema that no script has used.
func (u *usedSchemas) demand(t *testing.T) {
	files, err := filepath.Glob(schemaDir + "*.schema.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".schema.json")
		assert.True(t, u.names[name], "no script checks what is printed against %s", file)
	}
}

func TestASchemaRefusesWhatIsNotPrinted(t *testing.T) {
	schema, err := compileSchema("undo-list")
	require.NoError(t, err)
	for text, ok := range map[string]bool{
		`{"schema":1,"receipts":[]}`:          true,
		`{"schema":2,"receipts":[]}`:          false,
		`{"schema":1}`:                        false,
		`{"schema":1,"receipts":[],"more":1}`: false,
		`{"schema":1,"receipts":[{"id":"1","time":"2026-01-02T03:04:05Z","title":"","state":"applied","files":[]}]}`: true,
		`{"schema":1,"receipts":[{"id":"1","time":"yesterday","title":"","state":"applied","files":[]}]}`:            false,
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		require.NoError(t, err)
		assert.Equal(t, ok, schema.Validate(value) == nil, text)
	}
}

// TestEveryCommandWithJSONHasASchema goes by the names: one schema for each
// command, and more where the form depends on the arguments.
func TestEveryCommandWithJSONHasASchema(t *testing.T) {
	files, err := filepath.Glob(schemaDir + "*.schema.json")
	require.NoError(t, err)
	have := map[string]bool{}
	for _, file := range files {
		have[strings.TrimSuffix(filepath.Base(file), ".schema.json")] = true
	}
	noJSON := []string{"demo", "man", "completion"}
	for _, c := range leaves(tree()) {
		name := strings.ReplaceAll(strings.TrimPrefix(c.CommandPath(), "remapctl "), " ", "-")
		assert.Equal(t, !slices.Contains(noJSON, name), have[name], "%s.schema.json", name)
		delete(have, name)
	}
	for _, name := range []string{"error", "progress", "undo-list", "undo-forget", "map-id", "map-target"} {
		delete(have, name)
	}
	assert.Empty(t, slices.Sorted(maps.Keys(have)), "schemas of no command")
}
