package idspace_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
)

var update = flag.Bool("update", false, "rewrite the pictures in testdata")

// sources reads a host from a directory: beside its files, "remap" is the
// account that dockerd remaps to and "namespaces" has a line for each: a name and
// its extents with a comma between them.
func sources(t testing.TB, files []txtar.File) idspace.Sources {
	t.Helper()
	root := t.TempDir()
	text := map[string]string{}
	for _, f := range files {
		text[f.Name] = string(f.Data)
		path := filepath.Join(root, f.Name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, f.Data, 0o644))
	}
	set, err := subid.Read(t.Context(), usernskit.Host{Root: root})
	require.NoError(t, err)
	from := idspace.Sources{Set: set, Remap: strings.TrimSpace(text["remap"])}
	for line := range strings.Lines(text["namespaces"]) {
		name, extents, _ := strings.Cut(strings.TrimSpace(line), " ")
		m, err := userns.ParseMap(name, []byte(strings.ReplaceAll(extents, ",", "\n")+"\n"))
		require.NoError(t, err)
		from.Namespaces = append(from.Namespaces, idspace.Namespace{Name: name, Mapping: userns.Mapping{UID: m, GID: m}})
	}
	return from
}

func TestPicturesAreAsTheyAreInTestdata(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, cases)
	for _, path := range cases {
		t.Run(filepath.Base(path), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			require.NoError(t, err)
			users := idspace.New(idspace.Users, sources(t, archive.Files))
			got := map[string]string{
				"want80":       text(t, users, idspace.Text{Width: 80}),
				"want60.ascii": text(t, users, idspace.Text{Width: 60, ASCII: true}),
				"want.svg":     svg(t, users),
			}
			golden := archive.Files[:0:0]
			for _, f := range archive.Files {
				if want, ok := got[f.Name]; ok && !*update {
					assert.Equal(t, string(f.Data), want, f.Name)
					delete(got, f.Name)
				} else if !ok {
					golden = append(golden, f)
				}
			}
			if *update {
				for _, name := range []string{"want80", "want60.ascii", "want.svg"} {
					golden = append(golden, txtar.File{Name: name, Data: []byte(got[name])})
				}
				archive.Files = golden
				require.NoError(t, os.WriteFile(path, txtar.Format(archive), 0o644))
				return
			}
			assert.Empty(t, got, "pictures that testdata lacks")
		})
	}
}

func text(t testing.TB, s idspace.Space, how idspace.Text) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, s.WriteText(&b, how))
	width := max(how.Width, 40)
	if how.Width == 0 {
		width = math.MaxInt
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimSuffix(line, "\n")
		if !how.Color {
			require.LessOrEqual(t, runewidth.StringWidth(line), width, "%q is too wide", line)
			require.NotContains(t, line, "\x1b")
			require.Equal(t, strings.TrimRight(line, " "), line, "blanks at the end of a line")
		}
		if how.ASCII {
			require.Equal(t, len(line), utf8.RuneCountInString(line), "%q is not ASCII", line)
		}
	}
	return b.String()
}

// svg returns the document and demands that it is one.
func svg(t testing.TB, s idspace.Space) string {
	t.Helper()
	var b strings.Builder
	s.Caption = "web1, 2026-11-27"
	require.NoError(t, s.WriteSVG(&b))
	dec := xml.NewDecoder(strings.NewReader(b.String()))
	for elements := 0; ; elements++ {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			require.Greater(t, elements, 10)
			return b.String()
		}
		require.NoError(t, err)
	}
}

func TestColorsCanBeTakenOffAgain(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/remapped.txtar")
	require.NoError(t, err)
	users := idspace.New(idspace.Users, sources(t, archive.Files))
	colored := text(t, users, idspace.Text{Width: 80, Color: true})
	assert.Contains(t, colored, "\x1b[1;31m         0 ✗")
	assert.Contains(t, colored, "\x1b[32m    100000 ┤")
	for _, code := range []string{"1;31", "1", "2", "32", "33", "35", "36", "0"} {
		colored = strings.ReplaceAll(colored, "\x1b["+code+"m", "")
	}
	assert.Equal(t, text(t, users, idspace.Text{Width: 80}), colored)
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestAWriterThatFailsIsReported(t *testing.T) {
	s := idspace.New(idspace.Users, idspace.Sources{})
	assert.ErrorIs(t, s.WriteText(brokenWriter{}, idspace.Text{Width: 80}), io.ErrShortWrite)
	assert.ErrorIs(t, s.WriteSVG(brokenWriter{}), io.ErrShortWrite)
}

// A directory service may list thousands of accounts, and they share a row.
func TestManyNames(t *testing.T) {
	names := slices.Repeat([]string{"user"}, 10_000)
	assert.Equal(t, "user, user, user and 9997 more", idspace.Some(names, 30))
	assert.Less(t, testing.AllocsPerRun(1, func() { idspace.Some(names, 30) }), 1000.0, "only as many as may fit are looked at")
}
