package dockerd_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// As "systemd-analyze verify" of systemd 252 numbers the settings and joins them.
func TestUnitLinesAreContinuedAsSystemdContinuesThem(t *testing.T) {
	for _, tt := range []struct{ name, unit, want string }{
		{"ends in a backslash", "ExecStart=/usr/bin/dockerd -D\\", "docker.service:2: debug=true"},
		{"ends in a comment", "ExecStart=/usr/bin/dockerd \\\n -D \\\n# more", "docker.service:2: debug=true"},
		{"two backslashes", "Environment=A=\\\\\nExecStart=/usr/bin/dockerd -D\n", "docker.service:3: debug=true"},
		{"three backslashes", "Environment=A=\\\\\\\nExecStart=/usr/bin/dockerd -D\n", ""},
		{"a space behind it", "Environment=A=\\ \nExecStart=/usr/bin/dockerd -D\n", "docker.service:3: debug=true"},
		{"carriage returns", "ExecStart=/usr/bin/dockerd \\\r\n -D\r\n", "docker.service:2: debug=true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			for _, f := range dockerd.FlagsOf("[Service]\n"+tt.unit, "") {
				got += f.Place() + ": " + f.Name + "=" + f.Value
			}
			assert.Equal(t, tt.want, got)
		})
	}
}
