//go:build linux

package machine

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// long reports whether the tests that a nightly run has time for run too.
func long() bool { return os.Getenv("USERNSKIT_LONG") != "" }

// A scenario is what one user does on a machine that nobody used before.
type scenario struct {
	name string
	run  func(t *testing.T, m *Machine)
	more func(t *testing.T) []string // of Boot
}

var scenarios = []scenario{
	{name: "the steps of the README", run: readme},
	{name: "a container has the 123000 that was asked for", run: range123000},
	{name: "enable, disable and undo restart docker", run: restarts},
	{name: "a start that fails with remapping is taken back", run: takenBack},
	{name: "a start that fails either way is reported", run: brokenUnit},
	{name: "a masked docker is left running", run: masked},
	{name: "Ctrl-C while docker starts takes everything back", run: interrupted},
	{name: "killed while docker starts, undo takes everything back", run: killed},
	{name: "a container that outlives the restart is not called remapped", run: orphan},
	{name: "a docker that was stopped stays stopped", run: stopped},
	{name: "looking does not start docker", run: lookingStartsNothing},
	{name: "a drop-in that systemd has not loaded is noticed", run: notLoaded},
	{name: "a user who came in between keeps her range", run: userBetween},
	{name: "each of two dockers is judged by its own unit", run: twoUnits},
	{name: "a new user follows the README and the walk-through", run: newUser, more: sources},
}

func TestMachine(t *testing.T) {
	on := func(name string, suite Suite, list []scenario) {
		for _, s := range list {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				var more []string
				if s.more != nil {
					more = s.more(t)
				}
				s.run(t, Boot(t, suite, more...))
			})
		}
	}
	on("debian 13", Debian13, scenarios)
	if long() {
		on("debian 12", Debian12, scenarios)
	}
	on("current engine", Debian13, []scenario{
		{name: "the steps of the README", run: current(readme), more: engine},
		{name: "a container has the 123000 that was asked for", run: current(range123000), more: engine},
		{name: "enable, disable and undo restart docker", run: current(restarts), more: engine},
		{name: "a start that fails with remapping is taken back", run: current(takenBack), more: engine},
		{name: "a container that outlives the restart is not called remapped", run: current(orphan), more: engine},
	})
}

// engine shows a machine the dockerd and runc of USERNSKIT_DOCKERD and
// USERNSKIT_RUNC.
func engine(t *testing.T) []string {
	dockerd, runc := os.Getenv("USERNSKIT_DOCKERD"), os.Getenv("USERNSKIT_RUNC")
	if dockerd == "" || runc == "" {
		t.Skip("USERNSKIT_DOCKERD and USERNSKIT_RUNC are not set")
	}
	return append(program(t), "--bind-ro="+dockerd+":/opt/dockerd", "--bind-ro="+runc+":/opt/runc")
}

// current is a scenario with that engine in the place of Debian's. It is copied:
// runc executes itself again through an overlay of its directory, in which a
// file that is mounted over another does not show.
func current(run func(*testing.T, *Machine)) func(*testing.T, *Machine) {
	return func(t *testing.T, m *Machine) {
		m.Must(`systemctl stop docker.socket docker.service
install /opt/dockerd /usr/sbin/dockerd
install /opt/runc /usr/sbin/runc
[ "$(command -v runc)" = /usr/sbin/runc ]
systemctl start docker.socket docker.service
systemctl reset-failed docker.service`) // systemd counts the starts of a minute
		run(t, m)
	}
}

// box imports an image of busybox.
const box = `mkdir -p /tmp/box/bin && cp /bin/busybox /tmp/box/bin
for a in sh cat sleep touch true; do ln -sf busybox /tmp/box/bin/$a; done
tar -C /tmp/box -c . | docker import - box >/dev/null
`

// dropIn is a script that adds lines to docker.service.
func dropIn(lines string) string {
	return "mkdir -p /etc/systemd/system/docker.service.d\ncat >/etc/systemd/system/docker.service.d/test.conf <<'E'\n[Service]\n" + lines + "\nE\n"
}

// files are those that a plan changes, with owner and mode.
func (m *Machine) files() string {
	m.t.Helper()
	return m.look("sh", "-c", `cd /etc; for f in docker/daemon.json subuid subgid; do
	if [ -e $f ]; then stat -c '%n %a %u:%g' $f; cat $f; else echo no $f; fi; done`)
}

// state is what systemd says of a unit: "active", "inactive", "failed"...
func (m *Machine) state(unit string) string {
	m.t.Helper()
	return m.look("systemctl", "show", "--property=ActiveState", "--value", unit)
}

// remapped reports what the running daemon says of itself.
func (m *Machine) remapped() bool {
	m.t.Helper()
	return strings.Contains(m.look("docker", "info", "--format", "{{.SecurityOptions}}"), "name=userns")
}

// A finding is one of remapctl verify --json.
type finding struct{ Check, Verdict, Subject, Text string }

// verify returns the findings, and the checks that have one with verdict.
func (m *Machine) verify(verdict string) (all []finding, checks []string) {
	m.t.Helper()
	var report struct{ Findings []finding }
	out, _ := m.command("remapctl", "verify", "--json").Output() // its exit code is a finding too
	require.NoError(m.t, json.Unmarshal(out, &report), "%s", out)
	for _, f := range report.Findings {
		if f.Verdict != "pass" && f.Verdict != "skip" {
			m.t.Logf("verify: %s %s %s: %s", f.Check, f.Verdict, f.Subject, f.Text)
		}
		if f.Verdict == verdict && !slices.Contains(checks, f.Check) {
			checks = append(checks, f.Check)
		}
	}
	return report.Findings, checks
}

func readme(t *testing.T, m *Machine) {
	before := m.files()
	plan := m.Run("remapctl plan")
	assert.Equal(t, 1, plan.Code, "there are differences")
	assert.Equal(t, before, m.files(), "plan only looks")
	m.Must("remapctl enable --yes && systemctl restart docker")
	m.Must(box + "docker run --detach --name one --network none box sleep 600")
	findings, unknown := m.verify("unknown")
	assert.ElementsMatch(t, []string{"I08", "I11", "D07", "C01", "C02", "C03", "C07", "C08", "C10", "C13"}, unknown, "the checks that look at every process")
	for _, f := range findings {
		assert.NotEqual(t, "fail", f.Verdict, "%v", f)
		if f.Verdict == "unknown" {
			assert.Contains(t, f.Text, "PID namespace")
		}
	}
	m.Must("docker rm --force one && remapctl undo --yes && systemctl restart docker")
	assert.False(t, m.remapped())
	assert.Equal(t, before, m.files())
}

func range123000(t *testing.T, m *Machine) {
	m.Must("remapctl enable --yes --restart --start 123000")
	assert.Equal(t, []string{"0", "123000", "65536"}, strings.Fields(m.Must(box+"docker run --rm --network none box cat /proc/self/uid_map")))
	assert.Equal(t, "123000:123000", m.Must(`docker run --name one --network none --volume data:/data box touch /data/f
stat -c %u:%g "$(docker volume inspect --format '{{.Mountpoint}}' data)/f"`))
}

func restarts(t *testing.T, m *Machine) {
	for _, back := range []string{"disable", "undo"} {
		m.Must("remapctl enable --yes --restart")
		assert.True(t, m.remapped())
		m.Must("remapctl " + back + " --yes && systemctl reset-failed docker && systemctl restart docker")
		assert.False(t, m.remapped())
	}
	assert.NotContains(t, m.files(), "userns-remap")
}

func takenBack(t *testing.T, m *Machine) {
	before := m.files()
	for name, lines := range map[string]string{
		"ExecStartPre fails": "ExecStartPre=/bin/sh -c '! grep userns-remap /etc/docker/daemon.json'",
		"time-out":           "TimeoutStartSec=4\nExecStartPre=/bin/sh -c 'grep userns-remap /etc/docker/daemon.json && sleep 600 || true'",
	} {
		m.Must(dropIn(lines) + "systemctl daemon-reload && systemctl reset-failed && systemctl restart docker")
		r := m.Run("remapctl enable --yes --restart --json")
		assert.Equal(t, 2, r.Code, name)
		assert.Regexp(t, `^\{\s*"schema": 1,\s*"error": \{[^{}]*\}\s*\}\s*$`, r.Out, "one object, and no receipt of what is undone")
		assert.Equal(t, before, m.files(), name)
		assert.Equal(t, "active", m.state("docker.service"), name)
		assert.False(t, m.remapped(), name)
	}
}

func brokenUnit(t *testing.T, m *Machine) {
	before := m.files()
	m.Must(dropIn("ExecStartPre=/bin/false") + "systemctl daemon-reload")
	r := m.Run("remapctl enable --yes --restart")
	assert.Equal(t, before, m.files())
	assert.NotEqual(t, "active", m.state("docker.service"))
	assert.Equal(t, 4, r.Code)
	assert.Contains(t, r.Err, "not running")
}

func masked(t *testing.T, m *Machine) {
	before := m.files()
	m.Must("systemctl mask docker.service")
	for _, command := range []string{"remapctl enable --yes --restart", "remapctl enable --yes --restart --accept-risk startup-unsure"} {
		r := m.Run(command)
		assert.Equal(t, 2, r.Code)
		assert.NotContains(t, r.Err, "not running")
		assert.Equal(t, before, m.files())
		assert.Equal(t, "active", m.state("docker.service"))
		assert.False(t, m.remapped())
	}
}

// slowStart makes a start with remapping take longer than a test waits, and
// starts one in the background.
const slowStart = `systemctl daemon-reload
env --default-signal=INT remapctl enable --yes --restart & pid=$!
for i in $(seq 100); do
	[ "$(systemctl show --property=ActiveState --value docker.service)" != activating ] || break
	sleep 0.1
done
sleep 0.5
`

const slow = "TimeoutStartSec=60\nExecStartPre=/bin/sh -c 'grep userns-remap /etc/docker/daemon.json && sleep 30 || true'"

func interrupted(t *testing.T, m *Machine) {
	before := m.files()
	r := m.Run(dropIn(slow) + slowStart + "kill -INT $pid; wait $pid")
	assert.Equal(t, 130, r.Code)
	assert.Equal(t, before, m.files())
	assert.Equal(t, "active", m.state("docker.service"))
	assert.False(t, m.remapped())
}

func killed(t *testing.T, m *Machine) {
	before := m.files()
	r := m.Run(dropIn(slow) + slowStart + "kill -KILL $pid; wait $pid")
	assert.Equal(t, 137, r.Code)
	assert.Contains(t, m.files(), "userns-remap", "the files were complete before docker was restarted")
	m.Must("remapctl undo --yes && systemctl restart docker")
	assert.Equal(t, before, m.files())
	assert.False(t, m.remapped())
}

func orphan(t *testing.T, m *Machine) {
	m.Must(`echo '{"live-restore": true}' >/etc/docker/daemon.json; systemctl restart docker` + "\n" +
		box + "docker run --detach --name old --network none box sleep 600")
	pid := m.Must("docker inspect --format '{{.State.Pid}}' old")
	assert.Equal(t, 2, m.Run("remapctl enable --yes --restart").Code, "a risk")
	m.Must("remapctl enable --yes --restart --accept-risk live-restore")
	require.True(t, m.remapped())
	m.Must("test -e /proc/" + pid)
	r := m.Run("remapctl verify")
	assert.Equal(t, 1, r.Code)
	assert.Contains(t, r.Out, pid)
}

func stopped(t *testing.T, m *Machine) {
	before := m.files()
	m.Must(dropIn("ExecStartPre=/bin/sh -c '! grep userns-remap /etc/docker/daemon.json'") + "systemctl daemon-reload")
	for units, socket := range map[string]string{"docker.socket docker.service": "inactive", "docker.service": "active"} {
		m.Must("systemctl start docker.socket && systemctl stop " + units)
		r := m.Run("remapctl enable --yes --restart")
		assert.Equal(t, 2, r.Code)
		assert.Equal(t, before, m.files())
		assert.Equal(t, "inactive", m.state("docker.service"))
		assert.Equal(t, socket, m.state("docker.socket"), units)
	}
	m.Must("rm -r /etc/systemd/system/docker.service.d; systemctl daemon-reload; remapctl enable --yes --restart")
	assert.True(t, m.remapped())
}

func lookingStartsNothing(t *testing.T, m *Machine) {
	m.Must("systemctl stop docker.service && systemctl is-active docker.socket")
	for _, look := range []string{"plan", "verify", "preflight", "ps", "map", "daemon get /", "enable --dry-run"} {
		m.Run("remapctl " + look)
		require.Equal(t, "inactive", m.state("docker.service"), "after remapctl %s", look)
	}
}

func notLoaded(t *testing.T, m *Machine) {
	before := m.files()
	m.Must(dropIn("ExecStart=\nExecStart=/usr/sbin/dockerd -H fd:// --userns-remap=default"))
	require.Equal(t, "yes", m.Must("systemctl show --property=NeedDaemonReload --value docker.service"))
	r := m.Run("remapctl enable --yes --restart")
	assert.Equal(t, 2, r.Code)
	assert.Contains(t, r.Err, "daemon-reload")
	assert.Equal(t, before, m.files())
	_, pass := m.verify("pass")
	assert.NotContains(t, pass, "D02")
}

// systemd has the socket of the one, and the other its own.
func twoUnits(t *testing.T, m *Machine) {
	m.Must("remapctl enable --yes --restart; systemctl is-active docker.socket")
	// The script is a unit itself, and must not look like one that starts a dockerd.
	m.Must(`useradd --create-home eve
echo '{"userns-remap": "eve", "data-root": "/var/lib/b"}' >/etc/docker/b.json
cat >/etc/systemd/system/docker-b.service <<'E'
[Service]
ExecStart=/usr/sbin/DOCKERd --config-file=/etc/docker/b.json --exec-root=/run/b --pidfile=/run/b.pid -H unix:///run/b.sock --bridge=none --iptables=false
E
sed -i s/DOCKER/docker/ /etc/systemd/system/docker-b.service
systemctl daemon-reload; systemctl start docker-b
for i in $(seq 60); do docker -H unix:///run/b.sock info >/dev/null 2>&1 && exit; sleep 0.5; done
journalctl --no-pager -u docker-b | tail -30 >&2; exit 1`)
	for host, file := range map[string]string{"/var/run/docker.sock": "/etc/docker/daemon.json:2", "/run/b.sock": "/etc/docker/b.json:1"} {
		r := m.Run("DOCKER_HOST=unix://" + host + " remapctl verify --all D01 D02 D05 D06")
		assert.Equal(t, 0, r.Code, "%s\n%s", r.Out, r.Err)
		assert.Contains(t, r.Out, file)
	}
}

func userBetween(t *testing.T, m *Machine) {
	m.Must("remapctl enable --yes && useradd --create-home eve && grep eve /etc/subuid && grep eve /etc/subgid")
	m.Must("remapctl undo --yes")
	files := m.files()
	assert.Equal(t, 2, strings.Count(files+"\n", "\neve:165536:65536\n"), files)
	assert.NotContains(t, files, "dockremap")
	assert.NotContains(t, files, "userns-remap")
}
