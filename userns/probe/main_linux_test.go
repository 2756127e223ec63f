package probe_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
)

// helper is this test program's, as a program of its own would have it.
var helper probe.Helper

// TestMain lets the test program also be the child that probes.
func TestMain(m *testing.M) {
	helper = probe.Main()
	if len(os.Args) > 1 && os.Args[0] == "probe-test-child" {
		if err := childMain(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "probe-test-child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	hosttest.Alone()
	os.Exit(m.Run())
}

// childMain prints what a probe says in circumstances that are the child's alone.
func childMain(what, dir string) error {
	base := uint32(0)
	var err error
	switch what {
	case "no more namespaces":
		err = os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0) // of this namespace only
	case "IDs that we lack":
		base = 100000
	case "chroot":
		if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err = unix.Mount("/", dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
		err = unix.Chroot(dir)
	}
	if err != nil {
		return err
	}
	m, err := userns.NewMap(userns.Extent{ID: 0, HostID: base, Count: 100})
	if err != nil {
		return err
	}
	fmt.Println(probe.Mapping(context.Background(), userns.Mapping{UID: m, GID: m}))
	return nil
}

// ask returns what the child says.
func ask(t *testing.T, attr *syscall.SysProcAttr, what string) string {
	t.Helper()
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"probe-test-child", what, t.TempDir()}, Stderr: os.Stderr, SysProcAttr: attr}
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

func mustMap(t testing.TB, extents ...userns.Extent) userns.Map {
	t.Helper()
	m, err := userns.NewMap(extents...)
	require.NoError(t, err)
	return m
}

// needNamespaces skips where the kernel lets this user make no user namespace.
func needNamespaces(t testing.TB) {
	t.Helper()
	f, err := probe.Namespace(t.Context(), ownMapping(t))
	if err == nil {
		f.Close()
		return
	}
	if os.Getenv("USERNSKIT_E2E") == "require" {
		t.Fatal("no user namespace can be made here, and USERNSKIT_E2E=require: ", err)
	}
	t.Skip("no user namespace can be made here: ", err)
}
