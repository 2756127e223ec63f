package userns_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
)

// TestMain lets the test program also be what its tests start: see childMain.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[0] == "userns-test-child" {
		childMain(os.Args[1], os.Args[2:])
		os.Exit(0)
	}
	hosttest.Alone()
	os.Exit(m.Run())
}

// A layer is one user namespace of a nest.
type layer struct {
	UID, GID [][3]int // extents: inside, outside, count
	As       uint32   // who the process in it is
}

func (l layer) attr() *syscall.SysProcAttr {
	extents := func(list [][3]int) (out []syscall.SysProcIDMap) {
		for _, e := range list {
			out = append(out, syscall.SysProcIDMap{ContainerID: e[0], HostID: e[1], Size: e[2]})
		}
		return out
	}
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: extents(l.UID), GidMappings: extents(l.GID), GidMappingsEnableSetgroups: os.Geteuid() == 0,
		Credential: &syscall.Credential{Uid: l.As, Gid: l.As, NoSetGroups: os.Geteuid() != 0},
		Pdeathsig:  syscall.SIGKILL,
	}
}

// childMain is what a child does; each prints a line when it is ready.
func childMain(what string, args []string) {
	switch what {
	case "wait": // be there until stdin ends
		fmt.Println(os.Getpid())
		io.Copy(io.Discard, os.Stdin)
	case "thread": // be there, with a thread that is another user
		uid, err := strconv.Atoi(args[0])
		must(err)
		var become func()
		become = func() {
			runtime.LockOSThread()
			if unix.Gettid() == os.Getpid() { // not the first thread: keep it, take another
				go become()
				select {}
			}
			if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
				must(errno)
			}
			fmt.Println(os.Getpid())
			select {}
		}
		go become()
		io.Copy(io.Discard, os.Stdin)
	case "nest": // be there, with a child in the first of the layers, and so on
		var layers []layer
		must(json.Unmarshal([]byte(args[0]), &layers))
		fmt.Println(os.Getpid())
		if len(layers) == 0 {
			io.Copy(io.Discard, os.Stdin)
			return
		}
		rest, err := json.Marshal(layers[1:])
		must(err)
		cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"userns-test-child", "nest", string(rest)},
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, SysProcAttr: layers[0].attr()}
		must(cmd.Run())
	case "stat": // who owns the files that are open from descriptor 3 on
		n, err := strconv.Atoi(args[0])
		must(err)
		for fd := range n {
			var st unix.Stat_t
			must(unix.Fstat(3+fd, &st))
			fmt.Println(st.Uid, st.Gid)
		}
	case "scan": // what a scan finds here
		var out scanned
		for p, err := range (userns.FS{Root: args[0]}).Processes(context.Background(), userns.Options{Coverage: &out.Coverage}) {
			must(err)
			out.Processes = append(out.Processes, p.PID)
		}
		must(json.NewEncoder(os.Stdout).Encode(out))
	case "hidepid": // scan as nobody a /proc that hides things from nobody
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("proc", args[0], "proc", 0, "hidepid="+args[1]))
		cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"userns-test-child", "scan", args[0]}, Stdout: os.Stdout, Stderr: os.Stderr,
			SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}}
		must(cmd.Run())
	case "reuse": // whether a directory of a PID's first owner leads to the second
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("proc", "/proc", "proc", 0, ""))
		first := exec.Command("sleep", "60")
		must(first.Start())
		pid := first.Process.Pid
		f, err := proc.Follow(pid)
		must(err)
		must(first.Process.Kill())
		first.Wait()
		must(os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(pid-1)), 0)) // of this namespace only
		second := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"userns-test-child", "wait"}}
		must(second.Start())
		_, err, vanished := f.Read()
		fmt.Println(second.Process.Pid == pid, vanished, err != nil)
		second.Wait()
	default:
		panic("BUG: no such child: " + what)
	}
}

// scanned is what the child "scan" prints.
type scanned struct {
	Processes []int
	Coverage  userns.Coverage
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "userns-test-child:", err)
		os.Exit(1)
	}
}

// child is this test program started as one of the above.
func child(attr *syscall.SysProcAttr, what string, args ...string) *exec.Cmd {
	return &exec.Cmd{Path: "/proc/self/exe", Args: append([]string{"userns-test-child", what}, args...), Stderr: os.Stderr, SysProcAttr: attr}
}

// start starts cmd, returns the first n lines that it prints, and ends it with
// the test.
func start(t testing.TB, cmd *exec.Cmd, n int) []string {
	t.Helper()
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	var lines []string
	scanner := bufio.NewScanner(out)
	for len(lines) < n && scanner.Scan() {
		lines = append(lines, strings.TrimSpace(scanner.Text()))
	}
	require.Len(t, lines, n, "the child ended early")
	return lines
}

// ownLayer maps only ourselves, which every user may do.
func ownLayer() layer {
	return layer{UID: [][3]int{{0, os.Geteuid(), 1}}, GID: [][3]int{{0, os.Getegid(), 1}}}
}

// needNamespaces skips where the kernel lets this user make no user namespace.
func needNamespaces(t testing.TB) {
	t.Helper()
	cmd := child(ownLayer().attr(), "wait")
	if err := cmd.Run(); err != nil {
		if os.Getenv("USERNSKIT_E2E") == "require" {
			t.Fatal("no user namespace can be made here, and USERNSKIT_E2E=require: ", err)
		}
		t.Skip("no user namespace can be made here: ", err)
	}
}
