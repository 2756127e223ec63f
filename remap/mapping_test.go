package remap_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/remap"
)

func TestMapping(t *testing.T) {
	const unit = "[Service]\nExecStart=/usr/bin/dockerd\n"
	for _, c := range []struct {
		name, unit, daemon, subuid, subgid, want, unknown string
	}{
		{"one range", unit, `{"userns-remap": "default"}`, "dockremap:200000:65536\n", "dockremap:300000:65536\n", "0 200000 65536", ""},
		{"two ranges", unit, `{"userns-remap": "shifted"}`, "shifted:200000:1000\nshifted:300000:65536\n", "shifted:1000000:66536\n", "0 200000 1000, 1000 300000 65536", ""},
		{"set by a flag", "[Service]\nExecStart=/usr/bin/dockerd --userns-remap=default\n", `{}`, "dockremap:200000:65536\n", "dockremap:200000:65536\n", "0 200000 65536", ""},
		{"not set", unit, `{}`, "dockremap:200000:65536\n", "dockremap:200000:65536\n", "", ""},
		{"the account has no range", unit, `{"userns-remap": "default"}`, "", "dockremap:200000:65536\n", "", "there is no line for dockremap"},
		{"a start that some read as 0", unit, `{"userns-remap": "default"}`, "dockremap:0x30d40:65536\n", "dockremap:200000:65536\n", "", "do not read the same ranges"},
		{"ranges that overlap", unit, `{"userns-remap": "default"}`, "dockremap:200000:65536\ndockremap:200100:10\n", "dockremap:200000:65536\n", "", "shares host IDs"},
		{"a value that is no remapping", unit, `{"userns-remap": "root"}`, "dockremap:200000:65536\n", "dockremap:200000:65536\n", "", "root"},
		{"a start that is not understood", "[Service]\nExecStart=/usr/local/bin/start-docker\n", `{"userns-remap": "default"}`, "dockremap:200000:65536\n", "dockremap:200000:65536\n", "", "how dockerd is started is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := hosttest.Tree(t, strings.Split(tree, "-- etc/subuid --")[0]+"-- etc/subuid --\n"+c.subuid+"-- etc/subgid --\n"+c.subgid+
				"-- etc/docker/daemon.json --\n"+c.daemon+"\n-- usr/bin/dockerd --\n-- lib/systemd/system/docker.service --\n"+c.unit)
			m, on, err := remap.Mapping(t.Context(), host, dockerd.Choice{}).Get()
			if c.unknown != "" {
				require.ErrorContains(t, err, c.unknown)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want != "", on)
			if on {
				assert.Equal(t, c.want, m.UID.String())
			}
		})
	}
}
