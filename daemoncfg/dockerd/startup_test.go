package dockerd_test

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// flagLines writes the flags of a startup one per line, with their places.
func flagLines(s dockerd.Startup) []string {
	var lines []string
	for _, f := range s.Flags {
		lines = append(lines, f.Place()+": "+f.Name+"="+f.Value)
	}
	return lines
}

func TestStartupFromFiles(t *testing.T) {
	for _, test := range []struct {
		name, tree string
		init       string
		config     string
		root       string
		flags      []string
		unsure     []string
		restart    string
	}{
		{
			name: "nothing there", tree: "-- etc/passwd --\n",
			config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
		},
		{
			name: "docker-ce does not read /etc/default/docker under systemd",
			tree: `
-- lib/systemd/system/docker.service --
[Unit]
Description=Docker
[Service]
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
-- etc/default/docker --
DOCKER_OPTS="--userns-remap=default"
-- etc/init.d/docker --
#!/bin/sh
`,
			init: "systemd", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
			flags: []string{
				"/lib/systemd/system/docker.service:4: host=fd://",
				"/lib/systemd/system/docker.service:4: containerd=/run/containerd/containerd.sock",
			},
		},
		{
			name: "Debian's docker.io does",
			tree: `
-- lib/systemd/system/docker.service --
[Service]
EnvironmentFile=-/etc/default/docker
EnvironmentFile=-/etc/default/missing
ExecStart=/usr/sbin/dockerd -H fd:// $DOCKER_OPTS
-- etc/default/docker --
# comment
#DOCKER_OPTS="--debug"
DOCKER_OPTS="--userns-remap=default --data-root /srv/docker"
`,
			init: "systemd", config: "/etc/docker/daemon.json", root: "/srv/docker", restart: "systemctl restart docker",
			flags: []string{
				"/lib/systemd/system/docker.service:4: host=fd://",
				"/etc/default/docker:3 (DOCKER_OPTS): userns-remap=default",
				"/etc/default/docker:3 (DOCKER_OPTS): data-root=/srv/docker",
			},
		},
		{
			name: "the article's way to name the file, with a space too",
			tree: `
-- usr/lib/systemd/system/docker.service --
[Service]
Environment="DOCKER_OPTS=--config-file /srv/my.json"
ExecStart=/usr/bin/dockerd $DOCKER_OPTS
-- srv/my.json --
{"data-root": "/mnt/docker"}
`,
			init: "systemd", config: "/srv/my.json", root: "/mnt/docker", restart: "systemctl restart docker",
			flags: []string{"/usr/lib/systemd/system/docker.service:2 (DOCKER_OPTS): config-file=/srv/my.json"},
		},
		{
			name: "/etc over /run over /usr/lib, and drop-ins by name",
			tree: `
-- etc/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd --log-level=etc
-- usr/lib/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd --log-level=usr
-- etc/systemd/system/docker.service.d/20-b.conf --
[Service]
ExecStart=
ExecStart=/usr/bin/dockerd --log-level=20 $A $B
-- run/systemd/system/docker.service.d/10-a.conf --
[Service]
Environment=A=--debug B=--wrong
ExecStart=
ExecStart=/usr/bin/dockerd --log-level=10
-- usr/lib/systemd/system/docker.service.d/20-b.conf --
[Service]
ExecStart=
ExecStart=/usr/bin/dockerd --log-level=hidden
-- usr/lib/systemd/system/docker.service.d/30-c.conf --
[Service]
Environment=B=--ipv6
[Install]
ExecStart=/no
-- usr/lib/systemd/system/docker.service.d/readme --
[Service]
ExecStart=
`,
			init: "systemd", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
			flags: []string{
				"/etc/systemd/system/docker.service.d/20-b.conf:3: log-level=20",
				"/run/systemd/system/docker.service.d/10-a.conf:2 (A): debug=true",
				"/usr/lib/systemd/system/docker.service.d/30-c.conf:2 (B): ipv6=true",
			},
		},
		{
			name: "a comment inside of a continued line is none of its words",
			tree: "-- etc/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd \\\n  -H fd:// \\\n  # --userns-remap=alice \\\n; --debug\n  --icc=false\n",
			init: "systemd", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
			flags: []string{
				"/etc/systemd/system/docker.service:2: host=fd://",
				"/etc/systemd/system/docker.service:2: icc=false",
			},
		},
		{
			name: "an environment file over Environment=, the later one over both",
			tree: `
-- etc/systemd/system/docker.service --
[Service]
EnvironmentFile=/etc/a
EnvironmentFile=/etc/b
Environment=O=--label=unit
ExecStart=-/usr/bin/dockerd $O
-- etc/a --
O=--label=a
-- etc/b --
O=--label=b
`,
			init: "systemd", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
			flags: []string{"/etc/b:1 (O): label=b"},
		},
		{
			name: "masked", tree: "-- etc/systemd/system/docker.service -> /dev/null --\n-- usr/lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --debug\n",
			init: "systemd", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
			unsure: []string{"/etc/systemd/system/docker.service: the unit is masked"},
		},
		{
			name: "a wrapper that cannot be seen through",
			tree: "-- etc/systemd/system/docker.service --\n[Service]\nExecStart=/bin/sh -c 'exec dockerd $(cat /etc/opts)'\n",
			init: "systemd", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
			unsure: []string{"/etc/systemd/system/docker.service:2: the flags depend on what the shell does here"},
		},
		{
			name: "a specifier",
			tree: "-- etc/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --label=host=%H --log-level=100%%\n",
			init: "systemd", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
			flags:  []string{"/etc/systemd/system/docker.service:2: label=host=%H", "/etc/systemd/system/docker.service:2: log-level=100%"},
			unsure: []string{"/etc/systemd/system/docker.service:2: the command line is more than dockerd and its flags"},
		},
		{
			name: "sysvinit sources /etc/default/docker",
			tree: `
-- etc/init.d/docker --
#!/bin/sh
. /etc/default/docker
dockerd $DOCKER_OPTS &
-- etc/default/docker --
DOCKER_OPTS="--debug"
DOCKER_OPTS="$DOCKER_OPTS --config-file=/etc/docker/daemon.json"
`,
			init: "sysvinit", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "service docker restart",
			flags: []string{
				"/etc/default/docker:2 (DOCKER_OPTS): debug=true",
				"/etc/default/docker:2 (DOCKER_OPTS): config-file=/etc/docker/daemon.json",
			},
		},
		{
			name: "what only the shell knows",
			tree: "-- etc/init.d/docker --\n#!/bin/sh\n. /etc/default/docker\ndockerd $DOCKER_OPTS $OPTIONS\n-- etc/default/docker --\nif [ -e /x ]; then\n  DOCKER_OPTS=--debug\nfi\nexport OPTIONS=\"$(cat /opts)\"\n",
			init: "sysvinit", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "service docker restart",
			flags: []string{"/etc/default/docker:2 (DOCKER_OPTS): debug=true"},
			unsure: []string{
				"/etc/default/docker:2: what DOCKER_OPTS is depends on what the shell does here",
				"/etc/default/docker:4: what OPTIONS is depends on what the shell does here",
			},
		},
		{
			name: "OpenRC sources /etc/conf.d/docker",
			tree: "-- etc/init.d/docker --\n#!/sbin/openrc-run\ncommand=\"${DOCKERD_BINARY:-/usr/bin/dockerd}\"\ncommand_args=\"${DOCKER_OPTS}\"\n-- etc/conf.d/docker --\nDOCKER_OPTS='-D -H unix:///run/d.sock'\n-- etc/default/docker --\nDOCKER_OPTS=--no\n",
			init: "openrc", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "service docker restart",
			flags: []string{"/etc/conf.d/docker:1 (DOCKER_OPTS): debug=true", "/etc/conf.d/docker:1 (DOCKER_OPTS): host=unix:///run/d.sock"},
		},
		{
			name: "snap", tree: "-- etc/systemd/system/snap.docker.dockerd.service --\n[Service]\nExecStart=/usr/bin/snap run docker.dockerd\n",
			init: "snap", config: "/var/snap/docker/current/config/daemon.json", root: "/var/snap/docker/common/var-lib-docker", restart: "snap restart docker",
		},
		{
			name: "started by hand", tree: "-- proc/77/comm --\ndockerd\n-- proc/77/cmdline --\ndockerd\x00--config-file\x00/tmp/d.json\x00-D\x00-- proc/78/comm --\ndocker-proxy\n",
			init: "process", config: "/tmp/d.json", root: "/var/lib/docker", restart: "systemctl restart docker",
			flags: []string{"/proc/77/cmdline: config-file=/tmp/d.json", "/proc/77/cmdline: debug=true"},
		},
		{
			name: "rootless", tree: "-- proc/77/comm --\ndockerd\n-- proc/77/cmdline --\ndockerd\x00-- proc/77/environ --\nHOME=/home/u\x00ROOTLESSKIT_STATE_DIR=/x\x00",
			init: "rootless", config: "/home/u/.config/docker/daemon.json", root: "/home/u/.local/share/docker", restart: "systemctl --user restart docker",
		},
		{
			name: "somebody's rootless dockerd beside the unit", tree: "-- etc/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd\n-- proc/77/comm --\ndockerd\n-- proc/77/cmdline --\ndockerd\x00-D\x00-- proc/77/environ --\nROOTLESSKIT_STATE_DIR=/x\x00",
			init: "systemd", config: "/etc/docker/daemon.json", root: "/var/lib/docker", restart: "systemctl restart docker",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			// A file of /proc ends without the line break that txtar wants.
			tree := strings.ReplaceAll(test.tree, "\x00-- ", "\x00\n-- ")
			s, err := dockerd.Read(t.Context(), hosttest.Tree(t, tree))
			require.NoError(t, err)
			init := test.init
			if init == "" {
				init = "none"
			}
			assert.Equal(t, init, s.Init.String())
			assert.Equal(t, test.config, s.ConfigFile)
			assert.Equal(t, test.root, s.DataRoot)
			assert.Equal(t, test.flags, flagLines(s))
			assert.Equal(t, test.unsure, s.Unsure)
			assert.Equal(t, test.restart, strings.Join(s.Restart().Argv, " "))
			assert.Equal(t, test.init == "rootless", s.Rootless)
		})
	}
}

// Of several dockerds the one at the other end of a socket is the one that is
// judged, by its own unit, flags and files.
// What follows was compared with what sh does.
func TestScriptsThatAShellReadsOtherwise(t *testing.T) {
	for _, tt := range []struct{ name, script, want, unsure string }{
		{"unset", ". /etc/default/docker\nunset OPTS\ndockerd $OPTS", "--debug", "init.d/docker:3: what OPTS is"},
		{"read", ". /etc/default/docker\nread OPTS </x\ndockerd $OPTS", "--debug", "init.d/docker:3: what OPTS is"},
		{"a loop", ". /etc/default/docker\nfor OPTS in --ipv6 --icc; do :; done\ndockerd $OPTS", "--debug", "init.d/docker:3: what OPTS is"},
		{"a shell of its own", "(. /etc/default/docker; X=--icc)\ndockerd --ipv6 $OPTS $X", "--ipv6", ""},
		{"a default for nothing", ": ${OPTS:=--ipv6}\ndockerd $OPTS", "--ipv6", ""},
		{"a default beside a value", ". /etc/default/docker\n: \"${OPTS:=--ipv6}\"\ndockerd $OPTS", "--debug", ""},
		{"a default under a condition", "[ -e /x ] && : ${OPTS:=--ipv6}\ndockerd $OPTS", "", "init.d/docker:2: what OPTS is"},
		{"arguments of a function", "d() { dockerd --ipv6 \"$@\"; }\nd --debug", "--ipv6", "init.d/docker:2: the flags depend"},
		{"a file by a name that the shell makes", "name=${0##*/}\n. /etc/default/$name\ndockerd $OPTS", "", "init.d/docker:3: which file is read here"},
		{"a directory for a file", ". /etc/default\ndockerd --ipv6", "--ipv6", "/etc/default: a shell that reads it stops"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.Tree(t, "-- etc/init.d/docker --\n#!/bin/sh\n"+tt.script+"\n-- etc/default/docker --\nOPTS=--debug\n")
			assertStart(t, h, tt.want, tt.unsure)
		})
	}
}

func TestStartupOfAProcess(t *testing.T) {
	const (
		unitA  = "-- etc/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd --userns-remap=default\n"
		unitB  = "-- etc/systemd/system/docker-b.service --\n[Service]\nExecStart=/usr/bin/dockerd --config-file=/etc/b.json --data-root=/srv/b\n"
		ofA    = "-- proc/77/comm --\ndockerd\n-- proc/77/cmdline --\n/usr/bin/dockerd\x00--userns-remap=default\x00-- proc/77/cgroup --\n0::/system.slice/docker.service\n"
		ofB    = "-- proc/88/comm --\ndockerd\n-- proc/88/cmdline --\n/usr/bin/dockerd\x00--config-file=/etc/b.json\x00--data-root=/srv/b\x00-- proc/88/cgroup --\n0::/system.slice/docker-b.service\n"
		byHand = "-- proc/99/comm --\ndockerd\n-- proc/99/cmdline --\ndockerd\x00--data-root\x00/srv/c\x00--pidfile\x00/run/c.pid\x00-- proc/99/cgroup --\n0::/user.slice\n"
		inside = "-- proc/55/comm --\ndockerd\n-- proc/55/cmdline --\ndockerd\x00-- proc/55/cgroup --\n0::/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/system.slice/docker.service\n"
		initd  = "-- etc/init.d/docker --\n#!/bin/sh\nDOCKER_OPTS=--userns-remap=default\ndockerd -p /var/run/docker.pid $DOCKER_OPTS\n"
		proxy  = "-- proc/66/comm --\nsocat\n"
	)
	for _, test := range []struct {
		name, tree         string
		choice             dockerd.Choice
		init, config, root string
		pid                int
		others, unsure     []string
	}{
		{"the first of two units", unitA + unitB + ofA + ofB, dockerd.Choice{PID: 77}, "systemd", "/etc/docker/daemon.json", "/var/lib/docker", 77, []string{"docker-b.service", "/proc/88"}, nil},
		{"the second of two units", unitA + unitB + ofA + ofB, dockerd.Choice{PID: 88}, "systemd", "/etc/b.json", "/srv/b", 88, []string{"docker.service", "/proc/77"}, nil},
		{"one by hand beside a unit", unitA + ofA + byHand, dockerd.Choice{PID: 99}, "process", "/etc/docker/daemon.json", "/srv/c", 99, []string{"docker.service", "/proc/77"}, nil},
		{"the unit beside one by hand", unitA + ofA + byHand, dockerd.Choice{PID: 77}, "systemd", "/etc/docker/daemon.json", "/var/lib/docker", 77, []string{"/proc/99"}, nil},
		{"by the script whose pidfile it writes", initd + ofA + byHand, dockerd.Choice{PID: 77}, "sysvinit", "/etc/docker/daemon.json", "/var/lib/docker", 77, []string{"/proc/99"}, nil},
		{"by hand beside a script", initd + ofA + byHand, dockerd.Choice{PID: 99}, "process", "/etc/docker/daemon.json", "/srv/c", 99, []string{"/etc/init.d/docker", "/proc/77"}, nil},
		{"none is named", unitA + ofA + byHand, dockerd.Choice{}, "systemd", "/etc/docker/daemon.json", "/var/lib/docker", 77, []string{"/proc/99"}, nil},
		{"a unit goes before the process", unitA + unitB + ofA + ofB, dockerd.Choice{Unit: "docker-b", PID: 77}, "systemd", "/etc/b.json", "/srv/b", 88, []string{"docker.service", "/proc/77"}, nil},
		{"a file goes before the process's", unitA + unitB + ofA + ofB, dockerd.Choice{ConfigFile: "/etc/x.json", PID: 88}, "systemd", "/etc/x.json", "/srv/b", 88, []string{"docker.service", "/proc/77"}, nil},
		{
			"one in a container that has systemd too", unitA + inside, dockerd.Choice{PID: 55}, "process", "/etc/docker/daemon.json", "/var/lib/docker", 55, []string{"docker.service"}, nil,
		},
		{
			"a process that passes the socket on is not one", unitA + unitB + ofA + ofB + proxy, dockerd.Choice{PID: 66}, "systemd", "/etc/docker/daemon.json", "/var/lib/docker", 77, []string{"docker-b.service", "/proc/88"},
			[]string{"docker.service, docker-b.service: each of them starts a dockerd, and which one is meant cannot be told"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := test.choice.Read(t.Context(), hosttest.Tree(t, strings.ReplaceAll(test.tree, "\x00-- ", "\x00\n-- ")))
			require.NoError(t, err)
			assert.Equal(t, test.init, s.Init.String())
			assert.Equal(t, test.config, s.ConfigFile)
			assert.Equal(t, test.root, s.DataRoot)
			assert.Equal(t, test.pid, s.PID)
			assert.Equal(t, test.others, s.Others)
			assert.Len(t, s.OtherPIDs, strings.Count(strings.Join(s.Others, " "), "/proc/"))
			assert.Equal(t, test.unsure, s.Unsure)
		})
	}
}

// What systemctl prints of ExecStart has lost its quotes: only the names of
// the files are taken from it.
func TestStartupAsksSystemdWhichFilesCount(t *testing.T) {
	h := hosttest.Tree(t, `
-- etc/systemd/system/docker.service --
[Service]
ExecStart=/usr/bin/dockerd --log-level=not-loaded
-- run/systemd/generator/docker.service --
[Service]
ExecStart=/usr/bin/dockerd "--label=a b" '--log-opt=env=x'
-- etc/systemd/system/docker.service.d/x.conf --
[Service]
Environment=UNUSED=1
`)
	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		if strings.Join(argv, " ") != "systemctl show docker.service -p LoadState,ActiveState,FragmentPath,DropInPaths,MainPID,NeedDaemonReload" {
			return nil, errors.New("no such program")
		}
		return []byte("MainPID=4711\nFragmentPath=/run/systemd/generator/docker.service\nDropInPaths=/etc/systemd/system/docker.service.d/x.conf\n"), nil
	}
	s, err := dockerd.Read(t.Context(), h)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"/run/systemd/generator/docker.service:2: label=a b",
		"/run/systemd/generator/docker.service:2: log-opt=env=x",
	}, flagLines(s))
	assert.Equal(t, 4711, s.PID)
	assert.Equal(t, []string{"/run/systemd/generator/docker.service", "/etc/systemd/system/docker.service.d/x.conf"}, s.Files)
}

func TestStartupReportsAFileThatNoShellReads(t *testing.T) {
	_, err := dockerd.Read(t.Context(), hosttest.Tree(t, "-- etc/init.d/docker --\n#!/bin/sh\n. /etc/default/docker\n-- etc/default/docker --\nA=1\nDOCKER_OPTS=\"--debug\n"))
	require.EqualError(t, err, "/etc/default/docker:2:13: no shell can read this file: reached EOF without closing quote `\"`")
}

// Debian's init-functions read hooks in a loop, which made every start unsure.
func TestTheFunctionsOfADistributionStartNoDockerd(t *testing.T) {
	s, err := dockerd.Read(t.Context(), hosttest.Tree(t, `
-- etc/init.d/docker --
#!/bin/sh
DOCKER_OPTS=
. /lib/lsb/init-functions
start-stop-daemon --start --exec /usr/bin/dockerd -- -p /run/docker.pid $DOCKER_OPTS
-- lib/lsb/init-functions --
for hook in $(run-parts --list /lib/lsb/init-functions.d); do
	[ -r $hook ] && . $hook || true
done
`))
	require.NoError(t, err)
	assert.Empty(t, s.Unsure)
	assert.Equal(t, dockerd.InitSysV, s.Init)
}

func TestFlagsAsPflagReadsThem(t *testing.T) {
	for in, want := range map[string][]string{
		"-H fd:// -H=tcp://x -Hunix://y":         {"host=fd://", "host=tcp://x", "host=unix://y"},
		"-Dl debug --tls":                        {"debug=true", "log-level=debug", "tls=true"},
		"--debug false":                          {"debug=true", "refused: false"},
		"--debug=false --icc":                    {"debug=false", "icc=true"},
		"--userns-remap --debug":                 {"userns-remap=--debug"},
		"--userns-remap= --config-file /x y":     {"userns-remap=", "config-file=/x", "refused: y"},
		"--some-new-flag x --other-new --label=": {"some-new-flag=x", "other-new=", "label="},
		"--a -- --b":                             {"a=", "refused: --b"},
		"-g /x -s overlay2 -p /pid -z -":         {"graph=/x", "storage-driver=overlay2", "pidfile=/pid", "refused: -z", "refused: -"},
	} {
		var got []string
		for _, f := range dockerd.FlagsOf("[Service]\nExecStart=/usr/bin/dockerd "+in+"\n", "") {
			if f.Name == "" {
				got = append(got, "refused: "+f.Spelled)
				continue
			}
			got = append(got, f.Name+"="+f.Value)
		}
		assert.Equal(t, want, got, in)
	}
}

// What cannot be listed may hold the drop-in that sets userns-remap.
func TestAUnitThatCannotBeReadWholeIsAnError(t *testing.T) {
	const unit = "-- lib/systemd/system/docker.service --\n[Service]\nExecStart=/usr/bin/dockerd\n"
	for name, tree := range map[string]string{
		"its drop-ins":         unit + "-- etc/systemd/system/docker.service.d -> docker.service.d --\n",
		"those of all units":   unit + "-- etc/systemd/system/service.d -> service.d --\n",
		"a directory of units": unit + "-- etc/systemd/system -> system --\n",
		"the init scripts":     "-- etc/init.d -> init.d --\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := dockerd.Read(t.Context(), hosttest.Tree(t, tree))
			assert.ErrorIs(t, err, syscall.ELOOP)
		})
	}
}
