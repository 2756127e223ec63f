package dirs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// "chown -R --from=0:0 100000:100000 /" was advised for a bind mount of /.
func TestDirectoriesOfTheSystem(t *testing.T) {
	for dir, system := range map[string]bool{
		"/": true, "/etc": true, "/etc/": true, "/etc/nginx": true, "/usr": true, "/usr/share/x": true, "/usr/local": true, "/var": true, "/root": true,
		"/boot": true, "/home": true, "/var/lib": true, "/home/../etc": true, "/run/x": true, "/var/run/docker": true, "/srv": true, "/var/tmp": true,
		"/nix": true, "/nix/store/x": true, "/libx32": true, "/var/cache": true, "/var/lib/dpkg/info": true,
		"/var/lib/docker": true, "/var/lib/docker/overlay2/l": true, "/var/lib/docker/100000.100000": true, "/var/lib/docker/100000.100000/overlay2": true,
		"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs": true, "/var/lib/docker/100000.100000x/volumes": true,
		"/var/lib/docker/volumes": false, "/var/lib/docker/volumes/db/_data": false, "/var/lib/docker/100000.100000/volumes/db/_data": false,
		"/srv/data": false, "/home/alice": false, "/var/lib/app": false, "/root/x": false, "/etcetera": false, "/data": false, "/var/lib/dockerdata": false,
	} {
		assert.Equal(t, system, IsSystem(dir), dir)
		assert.Equal(t, system, IsSystemHere(dir), dir)
	}
	link := filepath.Join(t.TempDir(), "tree")
	require.NoError(t, os.Symlink("/", link)) // as a second mount of /
	for dir, system := range map[string]bool{"": true, "/etc": true, "/usr/share": true, "/srv/data": false, "/missing": false} {
		assert.Equal(t, system, IsSystemHere(link+dir), dir)
		assert.False(t, IsSystem(link+dir))
	}
}
