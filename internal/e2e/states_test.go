//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/idmap"
	"github.com/usernskit/usernskit/verify"
)

// containers returns a do that starts "web" with flags.
func containers(flags ...string) func(*stage) {
	return func(h *stage) { h.Container("web", flags...) }
}

// states are in an order in which those that share a daemon follow one another.
var states = []state{
	// one daemon that remaps, and what can run on it
	{name: "remapped and fine"},
	{name: "no container runs", do: func(*stage) {}},
	{name: "a container that has ended", do: func(h *stage) { h.Run("run", "--name", "done", "--network", "none", "busybox:test", "echo") }},
	{name: "a paused container", do: func(h *stage) { containers()(h); h.Run("pause", "web") }},
	{name: "a container of another user", do: containers("--user", "33:33")},
	{name: "read-only, host's uts and cgroup namespace", do: containers("--read-only", "--uts=host", "--cgroupns=host")},
	{name: "all capabilities", do: containers("--cap-add=ALL", "--security-opt", "seccomp=unconfined")},
	{name: "exec as root, as a user, privileged", do: func(h *stage) {
		h.Container("web")
		h.Run("exec", "--detach", "web", "sleep", "600")
		h.Run("exec", "--detach", "--user", "1000", "web", "sleep", "600")
		h.Run("exec", "--detach", "--privileged", "web", "sleep", "600")
	}},
	{name: "userns=host", do: containers("--userns=host"), exposed: true, want: "C01 fail, C04 fail", remapped: "fail"},
	{
		name: "userns=host, allowed", do: containers("--userns=host"), exposed: true,
		allow: []verify.Allowance{{What: verify.UsernsHost, Subject: "web", Reason: "reads every disk"}}, remapped: "warn",
	},
	{name: "userns=host that does not run", do: func(h *stage) { h.Run("create", "--userns=host", "busybox:test", "sleep", "1") }, want: "C04 fail"},
	{name: "userns=host, privileged", do: func(h *stage) {
		// runc 1.1 cannot start it where root lacks a capability
		if _, err := h.Try("run", "--detach", "--name", "all", "--userns=host", "--privileged", "--network", "none", "busybox:test", "sleep", "600"); err != nil {
			h.Log(err)
			h.Container("web", "--userns=host")
		}
	}, exposed: true, want: "C01 fail, C04 fail, C06 fail", remapped: "fail"},
	{name: "userns=host, host's network and processes", do: containers("--userns=host", "--network=host", "--pid=host"), exposed: true, want: "C01 fail, C04 fail, C06 fail", remapped: "fail"},
	{name: "userns=host as another user", do: containers("--userns=host", "--user", "12345:12345"), exposed: true, want: "C01 fail, C04 fail", remapped: "fail"},
	{
		name: "joins the network of a userns=host container",
		do: func(h *stage) {
			h.Container("opted-out", "--userns=host")
			_, err := h.Try("run", "--detach", "--name", "joined", "--network", "container:opted-out", "busybox:test", "sleep", "60")
			h.Logf("joining: %v", err) // runc cannot do it; the next one might
		},
		exposed: true, want: "C01 fail, C04 fail, C05 fail", remapped: "fail",
	},
	{name: "joins the network of another container", do: joins("--network")},
	{name: "joins the processes of another container", do: joins("--pid")},
	{name: "joins the IPC of another container", do: joins("--ipc")},
	{name: "a user namespace in a container", do: func(h *stage) {
		h.run("web", "--security-opt seccomp=unconfined", "busybox unshare -U -r sleep 600")
	}},
	{name: "user namespaces in user namespaces in a container", do: func(h *stage) {
		h.run("web", "--security-opt seccomp=unconfined", "busybox unshare -U -r busybox unshare -U -r busybox unshare -m -U -r sleep 600")
	}},
	{name: "a custom cgroup parent", do: containers("--cgroup-parent", "/usernskit-custom")},
	{name: "another container's cgroup as parent", do: func(h *stage) {
		h.Container("web")
		id := h.Run("inspect", "--format", "{{.Id}}", "web")
		h.Container("child", "--cgroup-parent", "/docker/"+id)
		h.Run("rm", "--force", "child") // the parent's group goes last
		h.Container("child", "--cgroup-parent", "/docker/"+id)
	}},
	{name: "200 containers", do: func(h *stage) {
		for i := 0; i < 200; i += 4 {
			done := make(chan error)
			for n := i; n < i+4; n++ {
				go func() {
					_, err := h.Try("run", "--detach", "--network", "none", "busybox:test", "sleep", "600")
					done <- err
				}()
			}
			for range 4 {
				require.NoError(h, <-done)
			}
		}
	}},

	// what comes and goes
	{name: "a zombie", do: func(h *stage) {
		// sleep, the first process, does not reap what the shell leaves behind
		h.Run("run", "--detach", "--name", "web", "--network", "none", "busybox:test", "sh", "-c", "sleep 0.1 & exec sleep 600")
		time.Sleep(300 * time.Millisecond)
	}},
	{name: "a first process that is an unreaped zombie", do: func(h *stage) {
		h.Container("web")
		_, shim := h.shim("web")
		require.NoError(h, syscall.Kill(shim, syscall.SIGSTOP))
		h.Cleanup(func() { _ = syscall.Kill(shim, syscall.SIGCONT) })
		require.NoError(h, syscall.Kill(h.pid("web"), syscall.SIGKILL))
		time.Sleep(200 * time.Millisecond)
	}},
	{name: "a shim that outlived its container", do: func(h *stage) {
		h.Container("web")
		id, shim := h.shim("web")
		argv, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", shim))
		require.NoError(h, err)
		h.Run("kill", "web")
		h.Run("wait", "web")
		words := strings.Split(strings.TrimRight(string(argv), "\x00"), "\x00")
		require.Contains(h, words, id)
		// a process with the shim's own name and arguments, which waits
		h.process(&exec.Cmd{Path: "/bin/sh", Args: append([]string{words[0], "-c", "read x <&3"}, words[1:]...), ExtraFiles: []*os.File{pipe(h)}})
	}},
	{name: "containers that restart without end", do: func(h *stage) {
		for i := range 3 {
			h.Run("run", "--detach", "--restart", "always", "--network", "none", "--name", fmt.Sprint("again", i), "busybox:test", "sh", "-c", "exit 1")
		}
	}},
	{name: "containers of a second", do: func(h *stage) {
		h.Container("web")
		h.loop(func() { _, _ = h.Try("run", "--rm", "--network", "none", "busybox:test", "echo") })
		time.Sleep(time.Second)
	}},
	{name: "a storm of exec", do: func(h *stage) {
		h.Container("web")
		for range 4 {
			h.loop(func() { _, _ = h.Try("exec", "web", "echo") })
		}
		time.Sleep(time.Second)
	}},

	// host root, and others than Docker
	{name: "nsenter into a container", do: nsenter("--mount", "--pid"), exposed: true, want: "C01 fail, C02 fail", remapped: "fail"},
	{name: "nsenter into a container's processes alone", do: nsenter("--pid"), exposed: true, want: "C01 fail, C02 fail", remapped: "fail"},
	{name: "nsenter into a container's network alone", do: nsenter("--net")},
	{name: "a managed plugin", do: func(h *stage) { h.Container("web"); h.plugin() }, exposed: true, want: "C01 fail, C12 warn", remapped: "fail"},
	{name: "a managed plugin that is disabled", do: func(h *stage) { h.Container("web"); h.plugin(); h.Run("plugin", "disable", "--force", "listens") }},
	{name: "a root container of containerd", do: func(h *stage) { h.Container("web"); h.ctr("other") }, exposed: true, want: "C03 warn", remapped: "warn"},
	{name: "a root container with podman's cgroup", do: func(h *stage) {
		h.Container("web")
		h.runcWith(h.spec("/libpod_parent/libpod-"+newID(), 0))
	}, exposed: true, want: "C03 warn", remapped: "warn"},
	{name: "a root container in Docker's cgroup that Docker does not know", do: func(h *stage) {
		h.Container("web")
		h.runcWith(h.spec("/docker/"+newID(), 0))
	}, exposed: true, want: "C01 fail, C02 fail, C03 fail", remapped: "fail"},
	{name: "a host process with IDs of the range", do: func(h *stage) {
		h.Container("web")
		h.process(&exec.Cmd{Path: "/bin/sleep", Args: []string{"sleep", "600"}, SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 170000, Gid: 170000}}})
	}, want: "I11 fail"},
	{name: "a host process with the whole identity map", do: func(h *stage) {
		h.Container("web")
		h.unshare(0, 4294967295)
	}},
	{name: "a user namespace of others that meets the range", do: func(h *stage) {
		h.Container("web")
		h.unshare(170000, 1000)
	}, want: "I08 fail"},
	{name: "an account within the range", do: func(h *stage) {
		passwd := read(h, "/etc/passwd")
		write(h, "/etc/passwd", passwd+"carol:x:170000:170000::/:/bin/sh\n")
		h.Cleanup(func() { write(h, "/etc/passwd", passwd) })
		h.Container("web", "--user", "4464")
	}, exposed: true, want: "C01 fail, I07 fail", remapped: "fail"},

	// mounts
	{name: "a directory that only host root may enter", do: func(h *stage) {
		dir := filepath.Join(h.TempDir(), "secret")
		require.NoError(h, os.Mkdir(dir, 0o700))
		h.Container("web", "--volume", dir+":/data")
	}, want: "C08 warn"},
	{name: "docker.sock", do: func(h *stage) {
		h.Container("web", "--volume", strings.TrimPrefix(h.Host, "unix://")+":/var/run/docker.sock")
	}, want: "C07 warn"},
	{name: "docker.sock through a parent directory", do: func(h *stage) {
		socket := strings.TrimPrefix(h.Host, "unix://")
		require.NoError(h, os.Chmod(socket, 0o666))
		h.Cleanup(func() { _ = os.Chmod(socket, 0o660) })
		h.Container("web", "--volume", filepath.Dir(socket)+":/host")
	}, want: "C07 fail, C08 warn"},
	{name: "a volume with files of the host's root", do: func(h *stage) {
		h.Container("web", "--volume", "data:/data")
		write(h, filepath.Join(h.Root, "165536.165536/volumes/data/_data/old"), "x")
	}, want: "C10 warn"},
	{name: "an idmapped mount", do: func(h *stage) {
		dir, err := os.MkdirTemp("", "idmapped") // where the container's root gets through
		require.NoError(h, err)
		require.NoError(h, os.Chmod(dir, 0o755))
		data, at := dir+"/data", dir+"/at"
		require.NoError(h, os.Mkdir(data, 0o700))
		require.NoError(h, os.Mkdir(at, 0o755))
		h.Cleanup(func() { _ = syscall.Unmount(at, syscall.MNT_DETACH); os.RemoveAll(dir) })
		m, err := userns.ParseMap("map", []byte("0 165536 65536\n"))
		require.NoError(h, err)
		tree, err := idmap.Clone(h.Context(), data, userns.Mapping{UID: m, GID: m})
		require.NoError(h, err)
		defer tree.Close()
		require.NoError(h, tree.Attach(at))
		h.Container("web", "--volume", at+":/data")
		h.Run("exec", "web", "touch", "/data/written")
	}},
	{name: "a setuid bit lost in a migration", do: func(h *stage) {
		h.Container("web", "--volume", "data:/data")
		// What cp and chown -R in a migration by hand make of a setuid program.
		for store, mode := range map[string]uint32{"": 0o4755, "165536.165536": 0o755} {
			sudo := filepath.Join(h.Root, store, "volumes/data/_data/sudo")
			require.NoError(h, os.MkdirAll(filepath.Dir(sudo), 0o755))
			write(h, sudo, "x")
			if store != "" {
				require.NoError(h, os.Chown(sudo, 165536, 165536))
			}
			require.NoError(h, syscall.Chmod(sudo, mode))
		}
		h.Cleanup(func() { os.RemoveAll(filepath.Join(h.Root, "volumes")) })
	}, deep: true, want: "C11 warn, D09 warn"},
	{name: "a stale store", do: func(h *stage) {
		stale := filepath.Join(h.Root, "300000.300000")
		require.NoError(h, os.MkdirAll(stale+"/image", 0o710))
		h.Cleanup(func() { os.RemoveAll(stale) })
		h.Container("web")
	}, want: "D09 warn"},
	{name: "user.max_user_namespaces is 0 at the next boot", do: func(h *stage) {
		write(h, "/etc/sysctl.d/90-stig.conf", "user.max_user_namespaces = 0\n")
		h.Cleanup(func() { os.Remove("/etc/sysctl.d/90-stig.conf") })
		h.Container("web")
	}, want: "K03 fail"},

	// builds
	{name: "a build", do: func(h *stage) { h.Container("web"); h.build(false) }},
	{name: "a BuildKit build", do: func(h *stage) { h.Container("web"); h.build(true) }},

	// other daemons
	{name: "a second daemon that does not remap", do: func(h *stage) {
		h.Container("web")
		h.second("").Container("theirs")
	}, exposed: true, want: "C01 fail, C03 warn", remapped: "fail"},
	{name: "a second daemon that remaps", do: func(h *stage) {
		h.Container("web")
		h.second(`"userns-remap": "alice"`).Container("theirs")
	}, want: "C03 warn", remapped: "warn"},
	{name: "a second daemon that remaps, and ours runs nothing", do: func(h *stage) {
		h.second(`"userns-remap": "alice"`).Container("theirs")
	}, want: "C03 warn", remapped: "warn"},
	{name: "the second daemon is asked", do: func(h *stage) {
		h.Container("web")
		two := h.second(`"userns-remap": "alice"`)
		two.Container("theirs")
		h.host = two.Host
	}, want: "C03 warn", remapped: "warn"},
	{name: "the socket of another process that passes it on", do: func(h *stage) {
		h.host = "unix://" + h.proxy("unix", filepath.Join(h.Dir, "p.sock"))
	}, want: "D05 unknown", remapped: "unknown"},
	{name: "a daemon behind tcp", do: func(h *stage) {
		h.host = "tcp://" + h.proxy("tcp", "127.0.0.1:0")
	}, want: "D05 unknown", remapped: "unknown"},
	{name: "a daemon behind tcp whose containers are here", do: func(h *stage) {
		h.Container("web")
		h.host = "tcp://" + h.proxy("tcp", "127.0.0.1:0")
	}},

	// daemons and files of their own
	{name: "not remapped", daemon: `"debug": false`, exposed: true, want: "C01 fail, C02 fail, D01 fail, D05 fail", remapped: "fail"},
	{name: "the range begins at 0", subuid: "alice:100000:65536\ndockremap:0:65536\n", exposed: true, want: "C01 fail, C02 fail, D05 fail, I05 fail, I07 fail", remapped: "fail"},
	{name: "userns-remap names root", daemon: `"userns-remap": "root"`, exposed: true, want: "C01 fail, C02 fail, D05 fail, I06 fail", remapped: "fail"},
	{name: "a login user comes first in the ranges", subuid: "dockremap:1000:1\ndockremap:100000:65536\nalice:200000:65536\n", exposed: true, want: "C01 fail, I07 fail, I09 warn, I10 warn", remapped: "fail"},
	{name: "a hexadecimal start", subuid: "alice:100000:65536\ndockremap:0x30d40:65536\n", refused: true, exposed: true, want: "C01 fail, C02 fail, D05 fail, I02 warn, I05 fail, I07 fail", remapped: "fail"},
	{name: "the range meets a rootless user's", subuid: "alice:200000:65536\ndockremap:165536:65536\n", want: "I08 fail"},
	{name: "a range of 1000 IDs", subuid: "dockremap:165536:1000\n", want: "I03 fail"},
	{name: "user and group IDs are shifted by different amounts", subuid: "dockremap:300000:65536\n", subgid: "dockremap:400000:65536\n", want: "I04 warn"},
	{name: "two ranges", subuid: "dockremap:300000:65536\ndockremap:400000:65536\n", want: "I10 warn"},
	{name: "a range that systemd keeps for itself", subuid: "dockremap:524288:65536\n", want: "I09 warn"},
	{name: "userns-remap by a flag", daemon: `"debug": false`, alone: true, do: func(h *stage) {
		h.Docker = hosttest.NewDocker(h, "--userns-remap=default")
		h.start()
		h.Container("web")
	}},
	{name: "a configuration file of another name", daemon: `"debug": false`, alone: true, do: func(h *stage) {
		h.Docker = h.second(remaps).Docker
		h.Container("web")
	}},
	{
		name: "live-restore left a container behind", daemon: `"live-restore": true`, alone: true,
		do: func(h *stage) {
			h.start()
			h.Container("old")
			daemonJSON(h, `"live-restore": true, `+remaps)
			h.Restart()
			h.Image()
			h.Container("web")
		},
		exposed: true, want: "C01 fail, C02 fail, C03 fail, D09 warn", remapped: "fail",
	},
	{
		name: "the daemon is down and containers run", daemon: `"live-restore": true, ` + remaps, alone: true,
		do: func(h *stage) {
			h.start()
			h.Container("web")
			h.Stop()
		},
		want: "C03 unknown, C04 unknown, C05 unknown, C06 unknown, C08 unknown, C09 unknown, C10 unknown, C12 unknown, D04 fail, D05 unknown, D06 unknown, D10 warn", remapped: "unknown",
	},
	{
		name: "configured and not restarted", daemon: `"debug": false`, alone: true,
		do: func(h *stage) {
			h.start()
			h.Container("web")
			aSecond()
			daemonJSON(h, remaps)
		},
		exposed: true, want: "C01 fail, C02 fail, D05 fail, D06 fail", remapped: "fail",
	},
	{
		name: "the files have changed since", alone: true,
		do: func(h *stage) {
			h.start()
			h.Container("web")
			aSecond()
			subids(h, "alice:100000:65536\ndockremap:300000:65536\n")
		},
		want: "D05 fail, D06 fail, D07 fail", remapped: "fail",
	},
	{name: "two daemons share a containerd", alone: true, do: shareContainerd(`"userns-remap": "alice"`), want: "C03 warn", remapped: "warn"},
	{name: "two daemons share a containerd, and one does not remap", alone: true, do: shareContainerd(""), exposed: true, want: "C01 fail, C03 warn", remapped: "fail"},
}

// shareContainerd returns a do that starts two daemons on one containerd. Before
// 28 they have their containers in the same namespace there, remapped or not.
func shareContainerd(second string) func(*stage) {
	return func(h *stage) {
		flags := h.ownContainerd()
		h.Docker = hosttest.NewDocker(h, flags...)
		h.start()
		h.Container("web")
		h.second(second, flags...).Container("theirs")
	}
}

// start starts the daemon and gives it the image.
func (h *stage) start() {
	h.Helper()
	h.Start()
	h.Image()
}

// joins returns a do that joins another container's namespace.
func joins(option string) func(*stage) {
	return func(h *stage) {
		h.Container("web", "--ipc", "shareable")
		h.Run("run", "--detach", "--name", "joined", option, "container:web", "busybox:test", "sleep", "600")
	}
}

// nsenter returns a do that has host root in namespaces of a container.
func nsenter(namespaces ...string) func(*stage) {
	return func(h *stage) {
		args := append([]string{"--target", strconv.Itoa(h.Container("web"))}, namespaces...)
		if slices.Contains(namespaces, "--mount") || !slices.Contains(namespaces, "--pid") {
			args = append(args, "--no-fork")
		}
		h.process(exec.Command("nsenter", append(args, "/bin/sleep", "600")...))
	}
}

// shim returns the ID of a container and the process of its shim.
func (h *stage) shim(name string) (id string, pid int) {
	h.Helper()
	id = h.Run("inspect", "--format", "{{.Id}}", name)
	for s, err := range (userns.FS{}).Shims(h.Context()) {
		if err == nil && s.ContainerID == id {
			return id, s.PID
		}
	}
	h.Fatalf("no shim of %s", name)
	return "", 0
}

// unshare starts a process in a user namespace with one extent from 0.
func (h *stage) unshare(start, count uint32) *exec.Cmd {
	h.Helper()
	extent := []syscall.SysProcIDMap{{ContainerID: 0, HostID: int(start), Size: int(count)}}
	return h.process(&exec.Cmd{Path: "/bin/sleep", Args: []string{"sleep", "600"}, SysProcAttr: &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, UidMappings: extent, GidMappings: extent, GidMappingsEnableSetgroups: true, Credential: &syscall.Credential{},
	}})
}

// pipe returns the end of a pipe on which nothing ever arrives.
func pipe(h *stage) *os.File {
	r, w, err := os.Pipe()
	require.NoError(h, err)
	h.Cleanup(func() { r.Close(); w.Close() })
	return r
}

// build has a build under way that waits in a RUN step.
func (h *stage) build(kit bool) {
	h.Helper()
	dir := h.TempDir()
	write(h, dir+"/Dockerfile", "FROM busybox:test\nRUN [\"/bin/sleep\", \"6\"]\n")
	cmd := exec.Command("/usr/bin/docker", "-H", h.Host, "build", "--no-cache", "--network", "none", dir)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT="+map[bool]string{false: "0", true: "1"}[kit])
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	done := make(chan error, 1)
	require.NoError(h, cmd.Start())
	go func() { done <- cmd.Wait() }()
	h.Cleanup(func() { require.NoError(h, <-done, out.String()) })
	require.Eventually(h, func() bool {
		list, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, name := range list {
			if data, err := os.ReadFile(name); err == nil && string(data) == "/bin/sleep\x006\x00" {
				return true
			}
		}
		return false
	}, 20*time.Second, 50*time.Millisecond, "no RUN step began")
}

// proxy passes connections on to the daemon and returns where it listens.
func (h *stage) proxy(network, at string) string {
	h.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), network, at)
	require.NoError(h, err)
	h.Cleanup(func() { l.Close() })
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", strings.TrimPrefix(h.Host, "unix://"))
			if err != nil {
				from.Close()
				continue
			}
			go func() { _, _ = io.Copy(to, from); to.Close() }()
			go func() { _, _ = io.Copy(from, to); from.Close() }()
		}
	}()
	return l.Addr().String()
}
