//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// tricks are ways in which something may run as the host's root and not look
// like it, and some that look like it and are fine.
var tricks = []state{
	{name: "userns=host, and its processes are called runc", do: func(h *stage) {
		h.Container("web")
		h.Run("run", "--detach", "--name", "out", "--userns=host", "--network", "none", "busybox:test", "sh", "-c",
			"busybox cp /bin/busybox /runc; while :; do /runc sleep 0.02; done")
	}, exposed: true, want: "C01 fail, C04 fail", remapped: "fail"},
	{name: "userns=host, restarting without end", do: func(h *stage) {
		h.Container("web")
		h.run("out", "--userns=host --restart always", "sleep 0.1")
	}, exposed: true, want: "C01 fail, C04 fail", remapped: "fail"},
	{name: "userns=host, paused", do: func(h *stage) {
		h.Container("web", "--userns=host")
		h.Run("pause", "web")
	}, exposed: true, want: "C01 fail, C04 fail", remapped: "fail"},
	{name: "userns=host, and its first thread has ended", do: func(h *stage) {
		h.Container("web")
		dir := h.program("leader")
		h.Run("run", "--detach", "--name", "out", "--userns=host", "--network", "none", "--volume", dir+":/x", "busybox:test", "/x/leader")
		pid := h.pid("out")
		h.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // runc takes it for ended, and docker rm leaves it running
		time.Sleep(300 * time.Millisecond)
	}, exposed: true, want: "C01 fail, C04 fail", remapped: "fail"},
	{name: "userns=host, and it has left its control group", do: func(h *stage) {
		h.Container("web")
		h.toCgroup(h.Container("out", "--userns=host"), 1)
	}, exposed: true, want: "C01 unknown, C04 fail", remapped: "unknown"},
	{name: "userns=host, and a child of it has left its control group", do: func(h *stage) {
		h.Container("out", "--userns=host")
		h.Run("exec", "--detach", "out", "sleep", "601")
		h.toCgroup(h.process601(), 1)
	}, exposed: true, want: "C01 fail, C04 fail", remapped: "fail"},
	{name: "joins the processes of a userns=host container", do: func(h *stage) {
		h.Container("opted-out", "--userns=host")
		_, err := h.Try("run", "--detach", "--name", "joined", "--pid", "container:opted-out", "--network", "none", "busybox:test", "sleep", "60")
		h.Logf("joining: %v", err)
	}, exposed: true, want: "C01 fail, C04 fail, C05 fail", remapped: "fail"},
	{name: "userns=host, and it has entered the host's mounts", do: func(h *stage) {
		h.Container("web")
		h.run("out", "--userns=host --pid=host --cap-add=SYS_ADMIN --cap-add=SYS_PTRACE", fmt.Sprintf("busybox nsenter -t %d -m sleep 601", h.PID()))
		h.process601()
	}, exposed: true, want: "C01 unknown, C04 fail, C06 fail", remapped: "unknown"},
	{name: "a process of the host in a container's control group", do: func(h *stage) {
		h.toCgroup(h.process(exec.Command("sleep", "600")).Process.Pid, h.Container("web")) // all of its namespaces are the host's
	}},
	{name: "a user namespace with the host's root in a container's control group", do: func(h *stage) {
		h.toCgroup(h.unshare(0, 65536).Process.Pid, h.Container("web"))
	}, exposed: true, want: "C01 fail, C02 fail", remapped: "fail"},
	{name: "a user namespace with the host's root in a container's mounts", do: func(h *stage) {
		h.process(exec.Command("nsenter", "--target", fmt.Sprint(h.Container("web")), "--mount", "--pid", "/bin/busybox", "unshare", "-U", "-r", "sleep", "601"))
		h.process601()
	}, exposed: true, want: "C01 fail, C02 fail", remapped: "fail"},
	{name: "remapped, and it has left its control group", do: func(h *stage) {
		h.toCgroup(h.Container("web"), 1)
	}, want: "C01 unknown, C02 unknown", remapped: "unknown"},
	{name: "the daemon's socket has another name", do: func(h *stage) {
		h.Container("web")
		socket := strings.TrimPrefix(h.Host, "unix://")
		require.NoError(h, os.Rename(socket, socket+".moved"))
		h.Cleanup(func() { _ = os.Rename(socket+".moved", socket) })
		h.host = h.Host + ".moved"
	}},
	{name: "a remapped container of containerd", do: func(h *stage) {
		h.Container("web")
		h.ctr("theirs", "--config", h.spec("", 1_700_000_000))
	}},
	{name: "a remapped container with podman's cgroup", do: func(h *stage) {
		h.Container("web")
		h.runcWith(h.spec("/libpod_parent/libpod-"+newID(), 1_700_000_000))
	}},
}

// runtimes are containers whose runtime does something else than dockerd says.
var runtimes = []state{
	{name: "its runtime remaps to a map of its own", alone: true, do: func(h *stage) {
		h.runtime(`s/"hostID":165536/"hostID":1700000000/g`)
	}, want: "C02 warn", remapped: "warn"},
	{name: "its runtime does not remap", alone: true, do: func(h *stage) {
		h.runtime(`s/"uidMappings":\[[^]]*\],//; s/"gidMappings":\[[^]]*\],//; s/{"type":"user"},//; s/,{"type":"user"}//`)
	}, exposed: true, want: "C01 fail, C02 fail", remapped: "fail"},
	{name: "its runtime remaps to the host's own IDs", alone: true, do: func(h *stage) {
		h.runtime(`s/"hostID":165536/"hostID":0/g`)
	}, exposed: true, want: "C01 fail, C02 fail, D07 fail", remapped: "fail"},
}

// runtime starts a daemon and a container of a runtime that changes what dockerd
// wants with a line of sed, as sysbox or a wrapper do.
func (h *stage) runtime(sed string) {
	h.Helper()
	runc := os.Getenv("USERNSKIT_RUNC")
	if runc == "" {
		var err error
		runc, err = exec.LookPath("runc")
		require.NoError(h, err)
	}
	script := filepath.Join(h.TempDir(), "own")
	write(h, script, `#!/bin/sh
bundle=
for word; do
	[ "$last" = --bundle ] && bundle=$word
	last=$word
done
case " $* " in
*" create "*)
	sed -i '`+sed+`' "$bundle/config.json"
	# the way to its root directory is open to dockerd's own map alone
	dir=$(sed 's/.*"root":{"path":"\([^"]*\)".*/\1/' "$bundle/config.json")
	while [ "$dir" != / ]; do chmod o+x "$dir"; dir=$(dirname "$dir"); done
	;;
esac
exec `+runc+` "$@"
`)
	require.NoError(h, os.Chmod(script, 0o755))
	h.Docker = hosttest.NewDocker(h, "--add-runtime", "own="+script)
	h.start()
	h.Container("web", "--runtime", "own")
}

// toCgroup moves a process into the control groups that another one is in.
func (h *stage) toCgroup(pid, of int) {
	h.Helper()
	for line := range strings.Lines(read(h, fmt.Sprintf("/proc/%d/cgroup", of))) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		dir := filepath.Join("/sys/fs/cgroup", strings.TrimPrefix(parts[1], "name="))
		if _, err := os.Stat("/sys/fs/cgroup/unified"); err == nil && parts[0] == "0" {
			dir = "/sys/fs/cgroup/unified"
		}
		err := os.WriteFile(filepath.Join(dir, parts[2], "cgroup.procs"), []byte(fmt.Sprint(pid)), 0o644)
		require.NoError(h, err, "%s", line)
	}
}

// process601 returns the process that sleeps for 601 seconds.
func (h *stage) process601() (pid int) {
	h.Helper()
	require.Eventually(h, func() bool {
		out, err := exec.Command("pgrep", "-f", "^sleep 601$").Output()
		_, bad := fmt.Sscan(string(out), &pid)
		return err == nil && bad == nil
	}, 10*time.Second, 50*time.Millisecond)
	return pid
}

// program builds a program of testdata and returns the directory with it.
func (h *stage) program(name string) string {
	h.Helper()
	dir, err := os.MkdirTemp("", name)
	require.NoError(h, err)
	h.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(h, os.Chmod(dir, 0o755))
	build := exec.Command("go", "build", "-o", filepath.Join(dir, name), "./testdata/"+name)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(h, err, "%s", out)
	return dir
}

// spec writes the config.json of a container that sleeps, in a control group of
// that name, and returns the file. Root in it is the host ID start, and the host's
// own where that is 0.
func (h *stage) spec(cgroup string, start uint32) string {
	h.Helper()
	dir := h.TempDir()
	cmd := exec.Command("runc", "spec")
	cmd.Dir = dir
	require.NoError(h, cmd.Run())
	file := dir + "/config.json"
	var spec map[string]any
	require.NoError(h, json.Unmarshal([]byte(read(h, file)), &spec))
	spec["root"] = map[string]any{"path": h.rootfs(), "readonly": true}
	process := spec["process"].(map[string]any)
	process["terminal"], process["args"] = false, []string{"/bin/sleep", "600"}
	linux := spec["linux"].(map[string]any)
	if cgroup != "" {
		linux["cgroupsPath"] = cgroup
	}
	if start != 0 {
		for _, name := range []string{"proc", "sys", "dev"} { // which its root may not make
			require.NoError(h, os.MkdirAll(filepath.Join(h.rootfs(), name), 0o755))
		}
		ids := []map[string]any{{"containerID": 0, "hostID": start, "size": 65536}}
		linux["uidMappings"], linux["gidMappings"] = ids, ids
		linux["namespaces"] = append(linux["namespaces"].([]any), map[string]any{"type": "user"})
	}
	data, err := json.Marshal(spec)
	require.NoError(h, err)
	write(h, file, string(data))
	return file
}

// runcWith runs a container without any daemon.
func (h *stage) runcWith(config string) {
	h.Helper()
	dir := filepath.Dir(config)
	runc := os.Getenv("USERNSKIT_RUNC")
	if runc == "" {
		runc = "runc"
	}
	do := func(args ...string) {
		cmd := exec.Command(runc, append([]string{"--root", dir + "/state"}, args...)...)
		cmd.Dir = dir
		require.NoError(h, cmd.Run(), "runc %v", args)
	}
	do("run", "--detach", "foreign")
	h.Cleanup(func() { do("delete", "--force", "foreign") })
}
