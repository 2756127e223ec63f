package userns_test

import (
	"context"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
)

// Requests of include/uapi/linux/pidfd.h. The first version of struct pidfd_info
// is two numbers of 64 bits and twelve of 32.
const (
	pidfdGetUserNS = 0xFF09     // _IO(PIDFS_IOCTL_MAGIC, 9), Linux 6.11
	pidfdGetInfo   = 0xC040FF0B // _IOWR(PIDFS_IOCTL_MAGIC, 11, 64 bytes), Linux 6.13
)

// A pidfd and an open /proc/PID both stay with one process. What the kernel says
// through the one, in numbers, is what we read through the other, in text.
func TestAScanAgreesWithPidfds(t *testing.T) {
	hosttest.Need(t)
	needNamespaces(t)
	many := 2000
	if raceDetector {
		many = 100
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	const nobodys = 1_700_000_000 // from here on no account and no other test has IDs
	fds := map[int]int{}
	for range many {
		cmd := exec.Command("sleep", "300")
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
			Credential: &syscall.Credential{Uid: nobodys + rnd.Uint32N(60000), Gid: nobodys + rnd.Uint32N(60000)}}
		if rnd.IntN(4) == 0 {
			ids := []syscall.SysProcIDMap{{ContainerID: nobodys, HostID: nobodys + rnd.IntN(1<<28), Size: 60000}}
			cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings, cmd.SysProcAttr.GidMappingsEnableSetgroups = ids, ids, true
		}
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
		fd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
		require.NoError(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		fds[cmd.Process.Pid] = fd
	}
	compared, remapped := 0, 0
	for p, err := range proc.Processes(context.Background(), userns.Options{All: true}) {
		fd, ours := fds[p.PID]
		if !ours {
			continue
		}
		require.NoError(t, err)
		info := [16]uint32{3} // the mask: IDs and the control group
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), pidfdGetInfo, uintptr(unsafe.Pointer(&info))); errno != 0 {
			t.Skipf("this kernel has no PIDFD_GET_INFO (Linux 6.13): %v", errno)
		}
		// pid, tgid and ppid, then real, effective, saved and file system IDs, users and groups in turn.
		assert.Equal(t, []uint32{uint32(p.PID), uint32(p.PID)}, info[4:6])
		for i := range 4 {
			assert.Equal(t, [2]uint32{p.UID[i], p.GID[i]}, [2]uint32(info[7+2*i:]), "process %d, IDs %d", p.PID, i)
		}
		ns, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), pidfdGetUserNS, 0)
		require.Zero(t, errno)
		var st unix.Stat_t
		require.NoError(t, unix.Fstat(int(ns), &st))
		unix.Close(int(ns))
		assert.Equal(t, st.Ino, p.UserNS)
		compared++
		if p.UserNS != userns.InitialUserNS {
			remapped++
		}
	}
	assert.Equal(t, many, compared)
	assert.Greater(t, remapped, many/8)
}
