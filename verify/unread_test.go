package verify

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/internal/hosttest"
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
	h := hosttest.Tree(t, unit+"-- etc/systemd/system/docker.service.d/x.conf -> x.conf --\n")
	r := run(t, Options{Host: h, Checks: []string{"D01", "D02", "D03", "D10", "I06"}})
	assert.ElementsMatch(t, []string{"D01 unknown", "D02 unknown", "D03 unknown", "D10 unknown", "I06 unknown"}, bad(r), texts(r))
	assert.Equal(t, ExitIncomplete, r.Exit(Gate{}))

	e := remapped()
	e.RootDir, e.Namespace, e.SecurityOptions = "/var/lib/docker", "moby", nil
	r = run(t, Options{Host: h, Docker: answering(e), Checks: []string{"D06", "I06"}})
	assert.ElementsMatch(t, []string{"D06 unknown", "I06 unknown"}, bad(r), texts(r))
}
