package facts

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

const hostMounts = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /run rw,nosuid shared:2 - tmpfs tmpfs rw
24 22 8:2 /var/lib /var/lib rw shared:3 - xfs /dev/sda2 rw
25 24 0:60 / /var/lib/nfs\040share rw - nfs4 server:/x rw
26 22 0:61 / /home/a/sshfs rw - fuse.sshfs host: rw
`

func table(t *testing.T, text string) mountTable {
	t.Helper()
	m, err := parseMounts([]byte(text))
	require.NoError(t, err)
	return m
}

func TestTheFileSystemThatAPathIsOn(t *testing.T) {
	m := table(t, hostMounts)
	for path, want := range map[string]string{
		"/":                    "ext4",
		"/etc/x":               "ext4",
		"/run/docker.sock":     "tmpfs",
		"/runner":              "ext4", // no prefix of names
		"/var/lib/docker":      "xfs",
		"/var/lib/nfs share/a": "nfs4",
		"/home/a/sshfs":        "fuse.sshfs",
	} {
		assert.Equal(t, want, m.At(path).FSType, path)
	}
	assert.Nil(t, mountTable(nil).At("/"))
}

func TestWhereAContainerSeesASpotOfTheHost(t *testing.T) {
	host := table(t, hostMounts)
	for name, c := range map[string]struct {
		mounts string
		want   []string
	}{
		"nothing of the host's":           {"1 1 0:50 / / rw - overlay overlay rw\n2 1 0:51 / /run rw - tmpfs tmpfs rw\n", nil},
		"the socket itself":               {"2 1 0:21 /docker.sock /run/docker.sock rw - tmpfs tmpfs rw\n", []string{"/run/docker.sock"}},
		"under another name":              {"2 1 0:21 /docker.sock /x rw - tmpfs tmpfs rw\n", []string{"/x"}},
		"its directory":                   {"2 1 0:21 / /host/run rw - tmpfs tmpfs rw\n", []string{"/host/run/docker.sock"}},
		"another file beside it":          {"2 1 0:21 /docker.sock.old /x rw - tmpfs tmpfs rw\n", nil},
		"another part of the file system": {"2 1 0:21 /lock /x rw - tmpfs tmpfs rw\n", nil},
		"the whole host":                  {"2 1 8:1 / /host rw - ext4 /dev/sda1 rw\n3 2 0:21 / /host/run rw - tmpfs tmpfs rw\n", []string{"/host/run/docker.sock"}},
		"the root without submounts":      {"2 1 8:1 / /host rw - ext4 /dev/sda1 rw\n", nil},
	} {
		assert.Equal(t, c.want, table(t, c.mounts).showing(host, "/run/docker.sock"), name)
	}
	deep := table(t, "2 1 8:2 /var/lib /x rw - xfs /dev/sda2 rw\n").showing(host, "/var/lib/docker/x")
	assert.Equal(t, []string{"/x/docker/x"}, deep)
}

// The source of a bind mount is an idmapped mount of the host: stat(2) of it shows
// the owners that the container sees, and to map them once more named others.
func TestABindMountOfAnIdmappedSource(t *testing.T) {
	dir, proc := t.TempDir(), t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(proc, "7"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(proc, "7/mountinfo"), []byte("9 1 8:1 /x /data rw,idmapped - ext4 /dev/sda1 rw\n"), 0o644))
	f := &Facts{Options: Options{Proc: userns.FS{Root: proc}}}
	b := Container{Docker: &engine.Container{Mounts: []engine.Mount{{Type: "bind", Source: dir, Destination: "/data"}}}}
	for option, mapped := range map[string]bool{"rw,idmapped": false, "rw": true} {
		f.Disk.Mounts.Value = table(t, "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 8:1 /x "+dir+" "+option+" - ext4 /dev/sda1 rw\n")
		sources := f.lookInside(b, 7).Sources
		require.Len(t, sources, 1)
		_, idmapped, err := sources[0].IDMap.Get()
		assert.Equal(t, mapped, idmapped || err != nil, option)
	}
}
