package dockerd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// FuzzStartup throws any text at the readers of other programs' files.
func FuzzStartup(f *testing.F) {
	f.Add("[Service]\nExecStart=/usr/bin/dockerd -H fd:// \\\n# no\n $DOCKER_OPTS\n", "DOCKER_OPTS=\"--userns-remap=default\"\n")
	f.Add("[Service]\nExecStart=\nExecStart=@/usr/bin/dockerd dockerd '-l' \"de\\x62ug\" ${A}$$\nEnvironment='A=b c' B=\n", "A='x'\"y\"z \\\n w\nexport B=1\n; c \\\nB=2")
	f.Fuzz(func(t *testing.T, unit, env string) {
		flags := dockerd.FlagsOf(unit, env)
		for _, flag := range flags {
			require.True(t, flag.Name != "" || flag.Refused != "", flag.Spelled)
			require.NotEmpty(t, flag.File)
			if flag.Var != "" {
				after, err := flag.CutFrom(env)
				if err == nil {
					require.Less(t, len(after), len(env))
				}
			}
		}
		dockerd.ShellWords(env)
	})
}
