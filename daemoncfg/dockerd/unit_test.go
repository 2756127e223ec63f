package dockerd_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
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

// The words are those that systemd 252 and 257 passed to a program.
func TestCommandLineIsThatOfSystemd(t *testing.T) {
	const exec, env = "ExecStart=/usr/bin/dockerd ", "EnvironmentFile=/etc/default/docker\nExecStart=/usr/bin/dockerd $A ${A} $B z"
	for _, tt := range []struct{ name, unit, env, want, unsure string }{
		{"a semicolon as a word", exec + `a\;b \; c ';' "\;"`, "", `a\;b|;|c|;|\;`, ""},
		{"a second command", exec + "a ; /usr/bin/dockerd b", "", "a", "more than dockerd and its flags"},
		{"a semicolon at the end", exec + "a ;", "", "a", ""},
		{"variables that no file sets", exec + "$FOO $1 $ $- $FOO-x $FOO. a$X ${X z", "", "a$X|${X|z", ""},
		{"braces", exec + "${FOO} ${1} ${FOO-x} ${FOO:-x} $${X}", "", "|||${FOO:-x}|${X}", ""},
		{"names that are none", "Environment=1A=x A-B=y\n" + exec + "$1A ${A-B} z", "", "|z", ""},
		{"a NUL as an escape", exec + `\x00a`, "", `\x00a`, ""},
		{"a quote without an end", exec + "a 'b", "", "a|b", "more than dockerd and its flags"},
		{"a quote without an end in Environment=", "Environment=A=1 'B=2\n" + exec + "$A ${B} z", "", "1||z", ""},
		{"backslashes in a variable", env, `A="a\tb 'c\ d'"`, `atb|c d|a\tb 'c\ d'|z`, ""},
		{"a quote in a variable without an end", env, `A="a 'b"`, `a|b|a 'b|z`, ""},
		{"a NUL in the file", env, "A=a\x00\nB=b\n", "|z", "not a text in UTF-8, and systemd starts nothing without it"},
		{"a value that is not UTF-8", env, "A=a\nB=\xe9\n", "|z", "not a text in UTF-8, and systemd starts nothing without it"},
		{"that file with a dash", strings.Replace(env, "=/etc", "=-/etc", 1), "A=a\nB=\xe9\n", "|z", ""},
		{"a comment that is not UTF-8", env, "# \xe9\nA=a\n", "a|a|z", ""},
		{"a directory for the file", "EnvironmentFile=/etc/default\n" + exec + "z", "A=a\n", "z", "not a file, and systemd starts nothing without it"},
		{"a directory with a dash", "EnvironmentFile=-/etc/default\n" + exec + "z", "A=a\n", "z", ""},
		{"a relative file", "EnvironmentFile=etc/default/docker\n" + exec + "$A z", "A=a\n", "z", ""},
		{"a file in quotes", "EnvironmentFile=\"/etc/default/docker\"\n" + exec + "$A z", "A=a\n", "z", ""},
		{"a file above another", "EnvironmentFile=/etc/default/../default/docker\n" + exec + "$A z", "A=a\n", "z", ""},
		{"a shell with arguments", `ExecStart=/bin/sh -c 'exec /usr/bin/dockerd "$$@"' sh a b`, "", "a|b", ""},
		{"a shell with $0 alone", `ExecStart=/bin/sh -c 'exec /usr/bin/dockerd z "$$@"' sh`, "", "z", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.Tree(t, "-- etc/systemd/system/docker.service --\n[Service]\n"+tt.unit+"\n-- etc/default/docker --\n"+tt.env)
			assertStart(t, h, tt.want, tt.unsure)
		})
	}
}

// assertStart checks the words of the command line, and that one reason to be
// unsure has the text unsure, or that there is none.
func assertStart(t *testing.T, h usernskit.Host, want, unsure string) {
	t.Helper()
	s, err := dockerd.Read(t.Context(), h)
	require.NoError(t, err)
	var words []string
	for _, f := range s.Flags {
		words = append(words, f.Spelled)
	}
	assert.Equal(t, want, strings.Join(words, "|"))
	assert.Contains(t, strings.Join(s.Unsure, "\n"), unsure)
	assert.Equal(t, unsure == "", len(s.Unsure) == 0, s.Unsure)
}

func TestTheDataRootIsThatOfAFileThatSomeDockerdReads(t *testing.T) {
	for name, file := range map[string]string{
		"a byte order mark":       "\ufeff{\"data-root\": \"/srv\"}",
		"text after the document": `{"data-root": "/srv"} EOF`,
		"twice":                   `{"data-root": "/x", "data-root": "/srv"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := dockerd.Read(t.Context(), hosttest.Tree(t, "-- etc/docker/daemon.json --\n"+file+"\n"))
			require.NoError(t, err)
			assert.Equal(t, "/srv", s.DataRoot)
		})
	}
}

func TestPathsThatDockerdIsGiven(t *testing.T) {
	for _, tt := range []struct{ flags, file, root, unsure string }{
		{"--config-file /a.json --config-file=/b/../c.json", "/c.json", "/var/lib/docker", ""},
		{"--config-file=/a.json --config-file=", "/etc/docker/daemon.json", "/var/lib/docker", "with --config-file= dockerd reads no daemon.json"},
		{"--config-file=a.json", "/a.json", "/var/lib/docker", "--config-file=a.json is relative"},
		{"--data-root=docker", "/etc/docker/daemon.json", "/docker", "the data-root docker is relative"},
		{"--data-root=/srv//docker/", "/etc/docker/daemon.json", "/srv/docker", ""},
	} {
		t.Run(tt.flags, func(t *testing.T) {
			s, err := dockerd.Read(t.Context(), hosttest.Tree(t, "-- etc/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd "+tt.flags+"\n"))
			require.NoError(t, err)
			assert.Equal(t, []string{tt.file, tt.root}, []string{s.ConfigFile, s.DataRoot})
			assert.Contains(t, strings.Join(s.Unsure, "\n"), tt.unsure)
			assert.Equal(t, tt.unsure == "", len(s.Unsure) == 0, s.Unsure)
		})
	}
}

func TestARequestedUnit(t *testing.T) {
	h := hosttest.Tree(t, `
-- usr/lib/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd -D
-- usr/lib/systemd/system/moby.service -> docker.service --
-- etc/systemd/system/engine.service --
[Service]
ExecStart=/opt/start --ipv6
-- opt/start --
#!/bin/sh
exec /usr/bin/dockerd --icc "$@"
-- etc/init.d/docker --
#!/bin/sh
exec /usr/bin/dockerd --init
`)
	for _, tt := range []struct{ name, unit, want string }{
		{"runs a script", "engine", "engine.service icc ipv6"},
		{"an alias", "moby.service", "docker.service debug"},
		{"a script beside a unit of its name", "/etc/init.d/docker", "/etc/init.d/docker init"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := dockerd.Choice{Unit: tt.unit}.Read(t.Context(), h)
			require.NoError(t, err)
			require.Equal(t, dockerd.StateFound, s.State(), s.Unsure)
			got := s.Unit
			for _, f := range s.Flags {
				got += " " + f.Name
			}
			assert.Equal(t, tt.want, got)
		})
	}
	_, err := dockerd.Choice{Unit: "none"}.Read(t.Context(), h)
	require.ErrorIs(t, err, fs.ErrNotExist)
}
