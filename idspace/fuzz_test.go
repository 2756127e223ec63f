package idspace_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
)

// Whatever the file and the name of a container hold, there is a picture of it
// that fits the terminal, is well-formed, and moves no cursor.
func FuzzPictures(f *testing.F) {
	f.Add([]byte("dockremap:100000:65536\nalice:165536:65536\n"), "web", uint32(100000), uint32(65536), 80)
	f.Add([]byte("a\x1b[2J:0:4294967295\n<b>&:100:10\n\xff:100:10\nc:4294967290:100\n"), "</text>\x1b[H", uint32(0), uint32(4294967295), 1)
	f.Add([]byte("dockremap:0x186a0:65536\ndockremap:1OOOOO:65536\n#:1:1\n"), "\u202e", uint32(5), uint32(1), 300)
	f.Fuzz(func(t *testing.T, file []byte, name string, host, count uint32, width int) {
		from := idspace.Sources{
			Set:   &subid.Set{UID: subid.Parse(subid.UIDFile, file), GID: subid.Parse(subid.GIDFile, nil)},
			Remap: "dockremap",
		}
		if m, err := userns.NewMap(userns.Extent{ID: 0, HostID: host, Count: count}); err == nil {
			from.Namespaces = []idspace.Namespace{{Name: name, Mapping: userns.Mapping{UID: m}}}
		}
		s := idspace.New(idspace.Users, from)
		text(t, s, idspace.Text{Width: min(max(width, 1), 400)})
		text(t, s, idspace.Text{Width: min(max(width, 1), 400), ASCII: true})
		svg(t, s)
		for _, m := range s.Describe(host) {
			require.NotContains(t, m.Text, "\x1b")
		}
	})
}
