package verify

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Docker's own may run with the map of its containers outside of any, as builds
// do. Another runtime's container may not.
func TestAContainerOfPodmanWithDockersMapMeetsTheRanges(t *testing.T) {
	for cgroup, want := range map[string][]string{
		"/machine.slice/libpod-" + idOld + ".scope": {"I08 fail"},
		"/system.slice/docker.service":              {},
	} {
		e := remapped(web(Container{}))
		opts := live(t, &e, proc{pid: 100, container: idWeb}, proc{pid: 300})
		require.NoError(t, os.WriteFile(filepath.Join(opts.Proc.Root, "300/cgroup"), []byte("0::"+cgroup+"\n"), 0o644))
		r := run(t, opts)
		assert.Equal(t, want, bad(r), "%s: %s", cgroup, texts(r))
	}
}
