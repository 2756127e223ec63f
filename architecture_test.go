package usernskit_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/usernskit/usernskit"

// mayImport is the policy: what each package may import of this module and of
// others, outside its tests. Packages of this module are named without its path.
var mayImport = map[string][]string{
	".":                       {"internal/enum", "internal/hostfs", "internal/members", "internal/text", "github.com/aymanbagabas/go-udiff"},
	"internal/enum":           {},
	"internal/members":        {"github.com/tidwall/gjson", "github.com/tidwall/sjson"},
	"internal/hostfs":         {"github.com/cyphar/filepath-securejoin", "github.com/google/renameio/v2", "golang.org/x/sys/unix"},
	"shift":                   {".", "internal/dirs", "internal/hostfs", "internal/text", "userns", "github.com/moby/sys/mountinfo", "golang.org/x/sys/unix"},
	"internal/dirs":           {},
	"internal/fstype":         {"internal/answer"},
	"userns":                  {".", "github.com/moby/sys/user", "github.com/moby/sys/mountinfo", "golang.org/x/sys/unix"},
	"userns/probe":            {"internal/attempt", "userns", "golang.org/x/sys/unix"},
	"userns/idmap":            {"internal/answer", "internal/fstype", "userns", "userns/probe", "github.com/moby/sys/mountinfo", "golang.org/x/sys/unix"},
	"internal/accounts":       {"internal/answer", "internal/enum"},
	"subid":                   {".", "internal/accounts", "internal/text", "subid/reader"},
	"subid/reader":            {".", "internal/enum", "github.com/moby/sys/user"},
	"daemoncfg/dockerd":       {".", "internal/enum", "mvdan.cc/sh/v3/syntax"},
	"daemoncfg/dockerd/store": {"."},
	"daemoncfg":               {".", "daemoncfg/dockerd", "daemoncfg/dockerd/store", "internal/accounts", "internal/enum", "internal/fstype", "internal/members", "internal/text", "golang.org/x/sys/unix"},
	"bootargs":                {".", "internal/enum", "internal/distro", "internal/hostread", "internal/text", "mvdan.cc/sh/v3/syntax"},
	"bootargs/gates":          {".", "bootargs", "internal/enum", "internal/distro", "internal/hostread"},
	"internal/distro":         {},
	"internal/hostread":       {"internal/distro"},
	"remap":                   {".", "internal/answer", "subid/reader", "subid", "daemoncfg", "daemoncfg/dockerd", "bootargs/gates", "daemoncfg/dockerd/store", "internal/dirs", "internal/hostfs", "internal/text", "shift", "userns", "verify/engine", "golang.org/x/sys/unix", "github.com/moby/sys/user"},
	"idspace":                 {"subid/reader", ".", "daemoncfg", "internal/enum", "internal/text", "subid", "userns", "github.com/mattn/go-runewidth"},
	"verify":                  {"subid/reader", ".", "daemoncfg/dockerd", "daemoncfg/dockerd/store", "internal/accounts", "internal/dirs", "internal/enum", "internal/fstype", "internal/text", "userns", "userns/probe", "daemoncfg", "bootargs/gates", "subid", "verify/engine", "verify/internal/facts"},
	"verify/internal/facts": {"subid/reader", ".", "daemoncfg/dockerd", "daemoncfg/dockerd/store", "internal/accounts", "internal/answer", "internal/dirs", "internal/fstype", "verify/engine", "userns", "userns/idmap", "userns/probe", "subid", "daemoncfg", "bootargs/gates",
		"github.com/moby/sys/mountinfo", "golang.org/x/sys/unix"},
	"verify/preflight": {".", "daemoncfg/dockerd", "daemoncfg/dockerd/store", "internal/dirs", "internal/fstype", "internal/text", "shift", "verify/engine", "verify/internal/facts", "userns", "subid", "daemoncfg"},
	"verify/engine":    {"daemoncfg/dockerd/store"},
	"verify/format":    {"internal/text", "verify"},
	"verify/docker":    {".", "daemoncfg/dockerd", "userns", "verify/engine", "github.com/moby/moby/client", "github.com/moby/moby/api/types/*"},
	"verify/drill":     {"daemoncfg/dockerd/store", "internal/attempt", "internal/enum", "internal/text", "userns", "userns/probe", "verify", "verify/engine", "golang.org/x/sys/unix"},
	"fleet":            {".", "internal/enum", "subid"},
	"fleet/file":       {".", "subid", "fleet", "internal/hostfs"},
}

func TestPackagesImportWhatTheirFloorAllows(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", "./...").Output()
	require.NoError(t, err)
	seen := 0
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		require.NoError(t, dec.Decode(&p))
		name := short(p.ImportPath)
		allowed, public := mayImport[name]
		if !public {
			assert.True(t, strings.HasPrefix(name, "examples/") || strings.HasPrefix(name, "internal/"),
				"%s: a new package says in this test what it may import", name)
			continue
		}
		seen++
		for _, path := range p.Imports {
			if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
				continue // the standard library
			}
			ok := slices.ContainsFunc(allowed, func(a string) bool {
				prefix, wild := strings.CutSuffix(a, "*")
				return a == short(path) || wild && strings.HasPrefix(path, prefix)
			})
			assert.True(t, ok, "%s must not import %s", name, path)
		}
	}
	assert.Equal(t, len(mayImport), seen, "every package of the policy is there")
}

func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

// hostFiles are the files of the format packages that read, plan or run against
// a host. All others are bytes in, bytes out.
var hostFiles = map[string][]string{
	"subid":     {"plan.go", "set.go"},
	"daemoncfg": {"check.go", "config.go", "engine_linux.go", "plan.go", "remap.go", "risks.go"},
	"bootargs":  {"check.go", "grubby.go", "loader.go", "plan.go", "status.go"},
	"userns":    {"proc_linux.go", "scan_linux.go"},
}

func TestFilesThatParseAndEditDoNotLookAtTheHost(t *testing.T) {
	for _, dir := range []string{"subid", "daemoncfg", "bootargs", "userns"} {
		files, err := filepath.Glob(dir + "/*.go")
		require.NoError(t, err)
		require.NotEmpty(t, files, "%s has no files", dir)
		var looks []string
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") && looksAtHost(t, file) {
				looks = append(looks, filepath.Base(file))
			}
		}
		assert.ElementsMatch(t, hostFiles[dir], looks, dir)
	}
}

// looksAtHost reports whether a file can: it imports a package that does, or
// takes a Host.
func looksAtHost(t *testing.T, file string) bool {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	for _, spec := range f.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if slices.Contains([]string{"os", "os/exec", "time", "net", "syscall", "golang.org/x/sys/unix"}, path) {
			return true
		}
	}
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			pkg, ok := s.X.(*ast.Ident)
			found = found || ok && pkg.Name == "usernskit" && s.Sel.Name == "Host"
		}
		return !found
	})
	return found
}

// A fleet's registry in etcd is a module of its own: no importer of this one gets it.
func TestModuleNeedsNoEtcd(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "all").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), module)
	assert.NotContains(t, string(out), "etcd")
}

// Words of an older style, for which plain English has "is not a", "is set", "a
// program that", "in the meantime", "again", "except", "always".
var (
	oldWords  = regexp.MustCompile(`(?i)(\w+ )?\b(?:stands|whoever|meanwhile|anew|but for|for ever|is told|(?:is|are) had|looked whether|(?:;|\.|,) of which|has not (?:a|an|any|its|the)|is no( \w+)?)\b`)
	notOld    = regexp.MustCompile(`(?i)^there is no\b|\bis no (longer|more|farther)$`)
	nextOfDoc = regexp.MustCompile(`\n\s*// ?`)
)

func TestPlainEnglish(t *testing.T) {
	out, err := exec.Command("git", "ls-files", "*.go", "examples/remapctl/*.txt").Output()
	if err != nil {
		t.Skip("not in a clone: ", err)
	}
	for _, file := range strings.Fields(string(out)) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range oldWords.FindAllString(nextOfDoc.ReplaceAllString(string(text), " "), -1) {
			assert.True(t, notOld.MatchString(found), "%s: %q", file, found)
		}
	}
}

// surface is how many exported names a package may have, methods counted: the
// numbers go down only. What a package of this module has for others must also
// fit a screen, as go doc -short prints it.
var surface = map[string]int{
	".":                       61,
	"bootargs":                67,
	"bootargs/gates":          14,
	"daemoncfg":               82,
	"daemoncfg/dockerd":       42,
	"daemoncfg/dockerd/store": 17,
	"fleet":                   38,
	"idspace":                 27,
	"remap":                   40,
	"shift":                   31,
	"subid":                   83,
	"subid/reader":            24,
	"userns":                  51,
	"verify":                  32,
}

func TestSurfaceOnlyShrinks(t *testing.T) {
	for dir, limit := range surface {
		t.Run(dir, func(t *testing.T) {
			assert.LessOrEqual(t, exportedNames(t, dir), limit, "exported names")
			out, err := exec.Command("go", "doc", "-short", "./"+dir).Output()
			require.NoError(t, err)
			assert.LessOrEqual(t, strings.Count(string(out), "\n"), 20, "%s", out)
		})
	}
}

func exportedNames(t *testing.T, dir string) int {
	files, err := filepath.Glob(dir + "/*.go")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	names := map[string]bool{} // those that each platform has are one
	add := func(name *ast.Ident, of string) {
		if name.IsExported() {
			names[of+"."+name.Name] = true
		}
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		for _, decl := range f.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				of := ""
				if d.Recv != nil {
					typ := d.Recv.List[0].Type
					if star, ok := typ.(*ast.StarExpr); ok {
						typ = star.X
					}
					name, ok := typ.(*ast.Ident)
					if !ok || !name.IsExported() {
						continue
					}
					of = name.Name
				}
				add(d.Name, of)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						add(s.Name, "")
					case *ast.ValueSpec:
						for _, name := range s.Names {
							add(name, "")
						}
					}
				}
			}
		}
	}
	return len(names)
}
