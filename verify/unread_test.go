package verify

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

// unit is a docker.service beside the host that good is, without userns-remap in
// daemon.json.
const unit = good + `
-- etc/docker/daemon.json --
{}
-- etc/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd
`

// The drop-in may set --userns-remap, and only root may read it.
func TestADropInThatCannotBeReadIsNoFailureAndNoPass(t *testing.T) {
	for name, tree := range map[string]string{
		"the file":      unit + "-- etc/systemd/system/docker.service.d/x.conf -> x.conf --\n",
		"its directory": unit + "-- etc/systemd/system/docker.service.d -> docker.service.d --\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := hosttest.Tree(t, tree)
			r := run(t, Options{Host: h, Checks: []string{"D01", "D02", "D03", "D10", "I06"}})
			assert.ElementsMatch(t, []string{"D01 unknown", "D02 unknown", "D03 unknown", "D10 unknown", "I06 unknown"}, bad(r), texts(r))
			assert.Equal(t, 3, exit(r))

			e := remapped()
			e.RootDir, e.Namespace, e.SecurityOptions = "/var/lib/docker", "moby", nil
			r = run(t, Options{Host: h, Docker: answering(e), Checks: []string{"D06", "I06"}})
			assert.ElementsMatch(t, []string{"D06 unknown", "I06 unknown"}, bad(r), texts(r))
		})
	}
}

// As for somebody who may not read the file: the daemon remaps all the same.
func TestARemappingDaemonIsNotWrongBecauseAFileCannotBeRead(t *testing.T) {
	for _, name := range []string{"etc/docker/daemon.json", "etc/subuid", "etc/subgid"} {
		t.Run(name, func(t *testing.T) {
			e := remapped()
			e.LiveRestore = true
			opts := live(t, &e)
			unreadable(t, opts.Host, name)
			opts.Checks = []string{"D05", "D06", "D10"}
			assert.ElementsMatch(t, []string{"D05 unknown", "D06 unknown", "D10 unknown"}, bad(run(t, opts)))
		})
	}
}

// A kernel without user namespaces was passed over where /boot cannot be listed.
func TestABootConfigurationThatCannotBeReadIsUnknown(t *testing.T) {
	for name, c := range map[string]struct {
		text string // of /boot/config-6.1
		want []string
	}{
		"a last line without an end": {"CONFIG_X=y\nCONFIG_USER_NS=y", []string{}},
		"lines that end in CR LF":    {"CONFIG_X=y\r\nCONFIG_USER_NS=y\r\n", []string{}},
		"switched off":               {"# CONFIG_USER_NS is not set\n", []string{"K01 fail"}},
		"not even asked for":         {"# CONFIG_NAMESPACES is not set\n", []string{"K01 fail"}},
		"another name":               {"CONFIG_USER_NS=yes\nXCONFIG_USER_NS=y\n", []string{"K01 fail"}},
		"no line":                    {"\n", []string{"K01 unknown"}},
		"something else":             {"\x00\x00\x00", []string{"K01 unknown"}},
	} {
		h := with(t, hosttest.Tree(t, good), map[string]string{"boot/config-6.1": c.text})
		r := run(t, Options{Host: h, Checks: []string{"K01"}})
		assert.Equal(t, c.want, bad(r), "%s: %s", name, texts(r))
	}
	for _, name := range []string{"boot", "boot/config-6.1"} {
		h := hosttest.Tree(t, good)
		unreadable(t, h, name)
		assert.Equal(t, []string{"K01 unknown"}, bad(run(t, Options{Host: h, Checks: []string{"K01"}})), name)
	}
}

// The store of before is where the setuid bits were.
func TestNoSetuidBitIsSaidToBeKeptWhereAStoreCannotBeRead(t *testing.T) {
	const now, before = "var/lib/docker/165536.165536/volumes/v/_data", "var/lib/docker/volumes/v/_data"
	for _, name := range []string{"", "var/lib/docker", before, now} {
		t.Run(name, func(t *testing.T) {
			e := remapped()
			e.Volumes = []engine.Volume{{Name: "v", Driver: "local", Mountpoint: "/" + now}}
			opts := live(t, &e)
			opts.Deep, opts.Checks = true, []string{"C11"}
			with(t, opts.Host, map[string]string{before + "/su": "x", now + "/su": "x"})
			for _, dir := range []string{before, now} {
				require.NoError(t, os.Chmod(filepath.Join(opts.Host.Root, dir, "su"), 0o4755))
			}
			want := []string{}
			if name != "" {
				unreadable(t, opts.Host, name)
				want = []string{"C11 unknown"}
			}
			r := run(t, opts)
			assert.Equal(t, want, bad(r), texts(r))
		})
	}
}

func TestAContainerWhoseFilesAreBrokenIsUnknown(t *testing.T) {
	h := with(t, hosttest.Tree(t, storeTree), map[string]string{"etc/docker/daemon.json": `{"debug": true}`})
	r := run(t, Options{Host: h, Checks: []string{"C04", "C06"}, Docker: func(context.Context) (*engine.Engine, error) { return nil, engine.ErrDown }})
	assert.Equal(t, []string{"C04 unknown", "C06 unknown"}, bad(r), texts(r))
	assert.Contains(t, texts(r), "container/"+engine.ShortID(idOld))
}

func TestOptionsOfAStoreThatCannotBeReadAreUnknown(t *testing.T) {
	h := hosttest.Tree(t, "-- var/lib/docker/containers -> containers --\n")
	r := run(t, Options{Host: with(t, h, map[string]string{"etc/passwd": "x"}), Checks: []string{"C04", "C05", "C06"}})
	assert.Equal(t, []string{"C04 unknown", "C05 unknown", "C06 unknown"}, bad(r))
}

// A directory on the way that cannot be resolved hid the socket, and the check
// said that no container reaches it.
func TestASocketThatCannotBeResolvedIsNotAMissingOne(t *testing.T) {
	e := remapped(web(engine.Container{}))
	opts := live(t, &e, proc{pid: 100, container: idWeb})
	opts.Checks = []string{"C07"}
	require.NoError(t, os.RemoveAll(filepath.Join(opts.Host.Root, "run")))
	require.NoError(t, os.Symlink("run", filepath.Join(opts.Host.Root, "run")))
	assert.Equal(t, []string{"C07 unknown"}, bad(run(t, opts)))
}

// A tree without a data-root: there is nothing to be open or closed.
func TestADataRootThatIsNotMadeYetIsNotOpen(t *testing.T) {
	h := hosttest.Tree(t, good)
	r := run(t, Options{Host: h, Checks: []string{"D08"}})
	require.Len(t, r.Findings, 1)
	assert.Equal(t, Skip, r.Findings[0].Verdict, r.Findings[0].Text)
}
