package docker

import (
	"net"
	"syscall"
)

// peerPID returns the process that listens on the other end of a unix socket,
// by SO_PEERCRED of unix(7): 0 where it is in another PID namespace.
func peerPID(conn net.Conn) (pid int) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid
}
