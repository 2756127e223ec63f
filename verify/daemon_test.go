package verify

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/internal/hosttest"
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

// dockerd reads its flags with strconv.ParseBool.
func TestLiveRestoreIsOffHoweverTheFlagSaysSo(t *testing.T) {
	for flag, want := range map[string]string{
		"": "", "=false": "", "=0": "", "=f": "", "=FALSE": "",
		"=true": "D10 warn", "=1": "D10 warn", "=T": "D10 warn", "=no": "D10 unknown", "=": "D10 unknown",
	} {
		if flag != "" {
			flag = " --live-restore" + flag
		}
		h := with(t, hosttest.Tree(t, unit), map[string]string{"etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd" + flag + "\n"})
		r := run(t, Options{Host: h, Checks: []string{"D10"}})
		assert.Equal(t, want, strings.Join(bad(r), " "), "%q: %s", flag, texts(r))
	}
	h := with(t, hosttest.Tree(t, storeTree), map[string]string{"etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --live-restore\n"})
	r := run(t, Options{Host: h, Checks: []string{"D10"}})
	assert.Equal(t, []string{"D10 warn"}, bad(r))
}
