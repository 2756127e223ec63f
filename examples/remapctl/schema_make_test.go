package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/fleet"
	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/drill"
	"github.com/usernskit/usernskit/verify/preflight"
)

// printed is what each command prints with --json. The schemas are made from
// these types and the comments of their fields.
var printed = map[string]any{
	"error":  errorForm{},
	"enable": writeForm{}, "disable": writeForm{}, "undo": writeForm{}, "subid-add": writeForm{}, "subid-release": writeForm{},
	"daemon-set": writeForm{}, "daemon-unset": writeForm{}, "bootargs-set": writeForm{}, "bootargs-remove": writeForm{},
	"plan": planForm{}, "preflight": preflight.Forecast{}, "ps": processesForm{}, "explain": explainForm{},
	"verify": verify.Report{},
	"map":    idspace.Space{}, "map-id": describeForm{}, "map-target": idspace.Translation{},
	"subid-list": fleet.Export{}, "subid-audit": problemsForm{}, "subid-find": foundForm{}, "subid-owner": ownersForm{},
	"daemon-get": daemonGetForm{}, "bootargs-show": bootargs.Report{}, "bootargs-check": bootargs.Sources{}, "bootargs-edit": lineForm{},
	"undo-list": receiptsForm{}, "undo-forget": forgottenForm{}, "shift": shiftForm{}, "migrate": migrateForm{}, "progress": progressForm{}, "drill": drill.Report{},
}

// TestSchemas holds the files in schema to the types; go generate has it write them.
func TestSchemas(t *testing.T) {
	update := os.Getenv("UPDATE") != ""
	if update {
		require.NoError(t, os.RemoveAll(schemaDir))
		require.NoError(t, os.Mkdir(schemaDir, 0o755))
	}
	m := maker{docs: map[string]map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(printed)) {
		schema := m.of(t, reflect.TypeOf(printed[name]))
		schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		schema["title"] = "remapctl " + strings.ReplaceAll(name, "-", " ") + " --json"
		schema["properties"].(object)["schema"] = object{"const": 1}
		schema["required"] = append([]string{"schema"}, schema["required"].([]string)...)
		text, err := json.MarshalIndent(schema, "", "  ")
		require.NoError(t, err)
		file := schemaDir + name + ".schema.json"
		if update {
			require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o644))
		}
		have, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(text)+"\n", string(have), "%s: run go generate ./examples/remapctl", file)
	}
	files, err := os.ReadDir(schemaDir)
	require.NoError(t, err)
	assert.Len(t, files, len(printed))
}

type object = map[string]any

// A maker makes schemas from types.
type maker struct {
	docs map[string]map[string]string // of the fields of each type, "package.Type" and the field
}

func (m maker) of(t *testing.T, typ reflect.Type) object {
	text := reflect.TypeFor[encoding.TextMarshaler]()
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case typ == reflect.TypeFor[json.RawMessage]():
		return object{}
	case typ == reflect.TypeFor[usernskit.Change]():
		return m.of(t, reflect.TypeFor[changeForm]())
	case typ.Kind() == reflect.Interface:
		return object{}
	case typ.Implements(text):
		return object{"type": "string"}
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return object{"anyOf": []any{m.of(t, typ.Elem()), object{"type": "null"}}}
	case reflect.Slice:
		return object{"type": "array", "items": m.of(t, typ.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": m.of(t, typ.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Struct:
		required, properties := []string{}, object{}
		m.fields(t, typ, &required, properties)
		return object{"type": "object", "required": required, "properties": properties}
	}
	require.Fail(t, "no schema for "+typ.String())
	return nil
}

func (m maker) fields(t *testing.T, typ reflect.Type, required *[]string, properties object) {
	for f := range typ.Fields() {
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case f.Anonymous && name == "":
			m.fields(t, f.Type, required, properties)
			continue
		}
		require.NotEmpty(t, name, "%v.%s has no name in JSON", typ, f.Name)
		schema := m.of(t, f.Type)
		if doc := m.doc(t, typ, f.Name); doc != "" {
			schema["description"] = doc
		}
		properties[name] = schema
		if !strings.Contains(rest, "omit") {
			*required = append(*required, name)
		}
	}
}

// doc returns the comment of a field.
func (m maker) doc(t *testing.T, typ reflect.Type, field string) string {
	rel, ours := strings.CutPrefix(typ.PkgPath(), "github.com/usernskit/usernskit")
	if !ours || typ.Name() == "" {
		return ""
	}
	dir := "../.." + rel
	if strings.HasSuffix(rel, "/examples/remapctl") {
		dir = "."
	}
	if m.docs[dir] == nil {
		m.docs[dir] = map[string]string{}
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, file := range files {
			if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") && dir != "." {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), dir+"/"+file.Name(), nil, parser.ParseComments)
			require.NoError(t, err)
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				if s, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range s.Fields.List {
						for _, name := range field.Names {
							m.docs[dir][spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " ")
						}
					}
				}
				return true
			})
		}
	}
	return m.docs[dir][fmt.Sprintf("%s.%s", typ.Name(), field)]
}

// The forms are of what no type has: see [members].
type processesForm struct {
	Processes []jsonProcess `json:"processes"`
}

type describeForm struct {
	ID  uint32            `json:"id"`
	UID []idspace.Meaning `json:"uid"`
	GID []idspace.Meaning `json:"gid"`
}

type errorForm struct {
	Error struct {
		Text   string `json:"text"`
		ID     string `json:"id"` // what kind of error, where a program may want to decide on it
		File   string `json:"file"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
	} `json:"error"`
}

type writeForm struct {
	DryRun  bool   `json:"dry_run"`
	Receipt string `json:"receipt"` // empty where nothing was written
	usernskit.Plan
}

type planForm struct {
	Remap daemoncfg.Remap `json:"remap"`
	UID   grantForm       `json:"uid"`
	GID   grantForm       `json:"gid"`
	usernskit.Plan
}

type grantForm struct {
	subid.Range
	Existing bool `json:"existing"`
}

type migrateForm struct {
	DryRun  bool   `json:"dry_run"`
	Receipt string `json:"receipt"` // empty where the list of copies was not written
	remap.Migration
	usernskit.Plan
}

type shiftForm struct {
	Dir     string `json:"dir"`
	DryRun  bool   `json:"dry_run"`
	Receipt string `json:"receipt"` // empty where nothing was moved, or a run went on
	shift.Report
	State shift.State `json:"state"`
}

type forgottenForm struct {
	DryRun    bool     `json:"dry_run"`
	Forgotten []string `json:"forgotten"`
}

type receiptsForm struct {
	Receipts []receiptForm `json:"receipts"`
}

type receiptFileForm struct {
	Path  string          `json:"path"`
	Holds usernskit.State `json:"holds"`
}

type receiptForm struct {
	ID    string            `json:"id"`
	Time  time.Time         `json:"time"`
	Title string            `json:"title"`
	State usernskit.State   `json:"state"`
	Files []receiptFileForm `json:"files"`
}

type explainForm struct {
	Checks []verify.Check `json:"checks"`
	Risks  []risk         `json:"risks"`
}

type problemsForm struct {
	Problems []subid.Problem `json:"problems"`
}

type ownersForm struct {
	ID       uint32        `json:"id"`
	Owners   []subid.Claim `json:"owners"`
	Reserved string        `json:"reserved"`
}

type foundForm struct {
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Count uint32 `json:"count"`
}

type daemonGetForm struct {
	File    string          `json:"file"`
	Pointer string          `json:"pointer"`
	Line    int             `json:"line"`  // 0 where there is no value
	Value   json.RawMessage `json:"value"` // null too
}

// A line on stderr while something long runs.
type progressForm struct {
	Progress struct {
		Files          int  `json:"files"`            // done so far
		Total          int  `json:"total"`            // 0 while it is not known
		FilesPerSecond int  `json:"files_per_second"` // since the start
		SecondsLeft    *int `json:"seconds_left"`     // null while it is not known
	} `json:"progress"`
}

type lineForm struct {
	Line string `json:"line"`
}

// A changeForm is what a [usernskit.Change] is in JSON.
type changeForm struct {
	Path   string     `json:"path"`
	Before *string    `json:"before"` // "sha256:..." or null where there is no file
	After  *string    `json:"after"`  // the same of what the file is to hold
	Hunks  []hunkForm `json:"hunks"`
	Diff   string     `json:"diff"`           // for people
	Mode   string     `json:"mode,omitempty"` // of a file that is made new
	Lock   string     `json:"lock,omitempty"` // the protocol that other writers of this file follow
}

type hunkForm struct {
	From  int   `json:"from"` // first line in the old file
	To    int   `json:"to"`   // first line in the new one
	Lines []any `json:"lines"`
}
