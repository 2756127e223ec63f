package file

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/fleet"
)

func registry(t *testing.T, text string) Registry {
	t.Helper()
	r := Registry{Path: filepath.Join(t.TempDir(), "fleet.conf")}
	require.NoError(t, os.WriteFile(r.Path, []byte(text), 0o640))
	return r
}

func content(t *testing.T, r Registry) string {
	t.Helper()
	data, err := os.ReadFile(r.Path)
	require.NoError(t, err)
	return string(data)
}

func TestEdit(t *testing.T) {
	ctx := context.Background()
	web2 := fleet.Claim{Slot: 2, Machine: "0123", Host: "web2", Owner: "dockremap", State: fleet.Claimed}
	for _, c := range []struct {
		name, in string
		do       func(r Registry) error
		want     string
	}{
		{"claim in an empty file", "", func(r Registry) error { return r.Claim(ctx, web2) }, "web2 = 2 dockremap claimed\n"},
		{"claim keeps comments, blanks and order", "# web\n\nweb1=1 # first\n", func(r Registry) error { return r.Claim(ctx, web2) },
			"# web\n\nweb1=1 # first\nweb2 = 2 dockremap claimed\n"},
		{"claim behind a last line without its end", "web1 = 1", func(r Registry) error { return r.Claim(ctx, web2) },
			"web1 = 1\nweb2 = 2 dockremap claimed\n"},
		{"claim keeps CRLF", "web1 = 1\r\n", func(r Registry) error { return r.Claim(ctx, web2) },
			"web1 = 1\r\nweb2 = 2 dockremap claimed\r\n"},
		{"confirm changes the state alone", "web2 = 2 dockremap claimed\t# new\r\nweb3 = 3\n",
			func(r Registry) error { return web2.Confirm(ctx, r) }, "web2 = 2 dockremap applied\t# new\r\nweb3 = 3\n"},
		{"a line that says so already is not touched", "  web2=2   # short\n", func(r Registry) error { return web2.Confirm(ctx, r) }, "  web2=2   # short\n"},
		{"release", "web2=2", func(r Registry) error { return web2.Release(ctx, r) }, "web2 = 2 dockremap released"},
		{"release of what nobody has", "web1=1\n", func(r Registry) error { return web2.Release(ctx, r) }, "web1=1\n"},
		{"one owner on every host", "", func(r Registry) error { return r.Claim(ctx, fleet.Claim{Owner: "containers", State: fleet.Applied}) },
			"* = 0 containers applied\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := registry(t, c.in)
			require.NoError(t, c.do(r))
			assert.Equal(t, c.want, content(t, r))
			info, err := os.Stat(r.Path)
			require.NoError(t, err)
			assert.Equal(t, os.FileMode(0o640), info.Mode(), "the mode is kept")
			require.NoError(t, c.do(r), "twice is once")
			assert.Equal(t, c.want, content(t, r))
		})
	}
	t.Run("somebody else's slot", func(t *testing.T) {
		r := registry(t, "web1 = 2\n")
		require.ErrorIs(t, r.Claim(ctx, web2), fleet.ErrTaken)
		require.ErrorIs(t, web2.Release(ctx, r), fleet.ErrTaken)
		assert.Equal(t, "web1 = 2\n", content(t, r))
	})
	t.Run("a host without a name", func(t *testing.T) {
		nameless := web2
		nameless.Host = ""
		r := registry(t, "")
		require.ErrorContains(t, r.Claim(ctx, nameless), "no name")
		assert.Empty(t, content(t, r))
	})
	t.Run("names that would make the file unreadable", func(t *testing.T) {
		for _, names := range [][2]string{{"web2 # first", "dockremap"}, {"my host", "dockremap"}, {"#web2", "dockremap"}, {"*", "dockremap"}, {"a=b", "dockremap"},
			{"web2\nweb3", "dockremap"}, {"web2", "a b"}, {"web2", "a#"}, {"web2", ""}, {"web2", "a b c"}} {
			odd := web2
			odd.Host, odd.Owner = names[0], names[1]
			r := registry(t, "web1 = 1\n")
			require.ErrorContains(t, r.Claim(ctx, odd), "a line cannot have the host", "%q", names)
			assert.Equal(t, "web1 = 1\n", content(t, r))
		}
	})
	t.Run("a file that is missing is made", func(t *testing.T) {
		r := Registry{Path: filepath.Join(t.TempDir(), "fleet.conf")}
		require.NoError(t, r.Claim(ctx, web2))
		assert.Equal(t, "web2 = 2 dockremap claimed\n", content(t, r))
	})
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       int
		want       string
	}{
		{"a slot twice", "a = 1\n# x\nb = 1\n", 3, "slot 1 is claimed by line 1 too"},
		{"no number", "a = one\n", 1, `"one" is not the number of a slot`},
		{"a negative slot", "a = -1\n", 1, `"-1" is not the number of a slot`},
		{"an unknown state", "a = 1 dockremap done\n", 1, `"done": a state is claimed, applied or released`},
		{"no sign", "a 1\n", 1, "not HOST = SLOT"},
		{"two hosts", "a b = 1\n", 1, "not HOST = SLOT"},
		{"a word too many", "a = 1 b applied c\n", 1, "not HOST = SLOT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse("fleet.conf", []byte(c.text))
			var at *usernskit.FileError
			require.ErrorAs(t, err, &at)
			assert.Equal(t, c.line, at.Line)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// The file belongs to a person: what is read is written back byte for byte.
func FuzzWrite(f *testing.F) {
	for _, s := range []string{"", "a=1\n", "# x \r\n\r\n\ta = 1 # y\r\nb=2", "* = 0 containers released"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := parse("f", []byte(text))
		if err != nil {
			return
		}
		for i, l := range lines {
			if l.claim == nil {
				continue
			}
			require.Equal(t, text, string(write(lines, i, *l.claim)), "the same claim changes nothing")
			changed := *l.claim
			changed.State = fleet.Released
			again, err := parse("f", write(lines, i, changed))
			require.NoError(t, err)
			require.Len(t, again, len(lines))
			for j := range again {
				if j != i {
					require.Equal(t, lines[j], again[j], "other lines stay")
				}
			}
			require.Equal(t, fleet.Released, again[i].claim.State)
		}
	})
}

func TestManyClaimAtOnce(t *testing.T) {
	r := registry(t, "# fleet\n")
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			c := fleet.Claim{Slot: n, Host: fmt.Sprintf("web%d", n), Owner: "dockremap", State: fleet.Claimed}
			assert.NoError(t, r.Claim(context.Background(), c))
		})
	}
	wg.Wait()
	seen := 0
	for _, err := range r.List(context.Background()) {
		require.NoError(t, err)
		seen++
	}
	assert.Equal(t, 20, seen, "no line is lost")
}
