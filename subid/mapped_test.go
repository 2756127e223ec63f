package subid_test

import (
	"context"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
)

func TestMapped(t *testing.T) {
	const accounts = "-- etc/passwd --\nroot:x:0:0::/:\ntenant:x:1500:1500::/:\n-- etc/group --\nroot:x:0:\n"
	for _, c := range []struct {
		name, account, subuid string
		reader                reader.Program
		want                  []reader.Reading
		refused               string
	}{
		{"one line", "dockremap", "alice:1:2\ndockremap:100000:65536\n", reader.Dockerd, []reader.Reading{{Line: 2, Start: 100000, Count: 65536, ID: 0}}, ""},
		{"several lines, in the order of the file", "dockremap", "dockremap:300000:10\ndockremap:200000:20\n", reader.Dockerd,
			[]reader.Reading{{Line: 1, Start: 300000, Count: 10, ID: 0}, {Line: 2, Start: 200000, Count: 20, ID: 10}}, ""},
		{"name and UID, dockerd 28", "tenant", "tenant:300000:10\n1500:200000:20\n", reader.Dockerd,
			[]reader.Reading{{Line: 1, Start: 300000, Count: 10, ID: 0}, {Line: 2, Start: 200000, Count: 20, ID: 10}}, ""},
		{"name and UID, dockerd 27", "tenant", "tenant:300000:10\n1500:200000:20\n", reader.Dockerd27, []reader.Reading{{Line: 2, Start: 200000, Count: 20, ID: 0}}, ""},
		{"a start that is not a number is the host's root", "dockremap", "dockremap:0x186a0:65536\n", reader.Dockerd, []reader.Reading{{Line: 1, Start: 0, Count: 65536, ID: 0}}, ""},
		{"which dockerd 27 refuses", "dockremap", "dockremap:0x186a0:65536\n", reader.Dockerd27, nil, "refuses the whole file"},
		{"no line", "dockremap", "alice:1:2\n", reader.Dockerd, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := subid.Read(t.Context(), hosttest.Tree(t, accounts+"-- etc/subuid --\n"+c.subuid))
			require.NoError(t, err)
			uid, gid := set.Mapped(c.reader, c.account)
			assert.Equal(t, c.want, uid.Readings)
			assert.NoError(t, uid.Unsure)
			assert.ErrorIs(t, gid.Refused, fs.ErrNotExist)
			if c.refused != "" {
				assert.ErrorContains(t, uid.Refused, c.refused)
			} else {
				assert.NoError(t, uid.Refused)
			}
		})
	}
	t.Run("whose a number is cannot be told", func(t *testing.T) {
		h := hosttest.Tree(t, accounts+"-- etc/nsswitch.conf --\npasswd: files sss\n-- etc/subuid --\n222586300:100000:65536\n-- etc/subgid --\njdoe:1:1\n")
		set, err := subid.Read(t.Context(), h)
		require.NoError(t, err)
		uid, gid := set.Mapped(reader.Dockerd, "jdoe")
		assert.ErrorContains(t, uid.Unsure, "/etc/subuid:1: ")
		assert.NoError(t, gid.Unsure, "its lines are under names")
		h.Run = func(context.Context, ...string) ([]byte, error) { return []byte("jdoe:*:222586300:1::/:\n"), nil }
		set, err = subid.Read(t.Context(), h)
		require.NoError(t, err)
		uid, _ = set.Mapped(reader.Dockerd, "jdoe")
		assert.NoError(t, uid.Unsure)
		assert.Equal(t, []reader.Reading{{Line: 1, Start: 100000, Count: 65536, ID: 0}}, uid.Readings)
	})
}
