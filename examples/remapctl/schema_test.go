package main

import (
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemaDir holds a schema for each form of JSON that a command prints.
const schemaDir = "schema/"

// scriptSchema checks the JSON that a command printed against its schema.
func scriptSchema(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: schema NAME FILE")
	}
	schema, err := jsonschema.NewCompiler().Compile(schemaFile(args[0]))
	ts.Check(err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(args[1])))
	ts.Check(err)
	ts.Check(schema.Validate(value))
}

func schemaFile(command string) string { return schemaDir + command + ".schema.json" }
