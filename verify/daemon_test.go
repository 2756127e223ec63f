package verify

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The daemon runs on as it was started, and the next start fails.
func TestAValueThatDockerdRefusesIsNotInForce(t *testing.T) {
	for value, want := range map[string][]string{
		`"a:b:c"`: {"D06 fail", "D10 fail"},
		`5`:       {"D06 fail", "D10 fail"},
		`":b"`:    {"D06 fail", "D10 fail"},
		`"root"`:  {}, // dockerd takes these for no remapping
		`""`:      {},
		`null`:    {},
	} {
		e := remapped()
		e.RootDir, e.Namespace, e.SecurityOptions, e.LiveRestore = "/var/lib/docker", "moby", nil, true
		opts := live(t, &e)
		with(t, opts.Host, map[string]string{"etc/docker/daemon.json": `{"userns-remap": ` + value + `}`})
		opts.Checks = []string{"D06", "D10"}
		r := run(t, opts)
		assert.Equal(t, want, bad(r), "%s: %s", value, texts(r))
	}
}
