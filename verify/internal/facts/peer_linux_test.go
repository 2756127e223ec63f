package facts

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// Where systemd listens, the daemon that is judged is the one that holds the
// socket, and not the first one in /proc.
func TestPeer(t *testing.T) {
	root, err := os.MkdirTemp("", "peer") // a socket's path has 107 bytes
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	for _, dir := range []string{"run", "proc/1/net", "proc/60/fd", "proc/61/fd"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(text), 0o644))
	}
	socket := filepath.Join(root, "run/docker.sock")
	for _, name := range []string{socket, filepath.Join(root, "run/b.sock")} {
		l, err := net.Listen("unix", name)
		require.NoError(t, err)
		t.Cleanup(func() { l.Close() })
	}
	write("proc/60/comm", "dockerd\n")
	write("proc/61/comm", "dockerd\n")
	write("proc/60/status", "Name:\tdockerd\nUid:\t0\t0\t0\t0\n")
	write("proc/61/status", "Name:\tdockerd\nUid:\t0\t0\t0\t0\n")
	const line = "0000000000000000: 00000002 00000000 %s 0001 01 %d %s\n"
	write("proc/1/net/unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"+
		fmt.Sprintf(line, "00010000", 700, "/run/b.sock")+fmt.Sprintf(line, "00000000", 701, "/run/docker.sock")+fmt.Sprintf(line, "00010000", 702, "/run/docker.sock"))
	require.NoError(t, os.Symlink("socket:[700]", filepath.Join(root, "proc/60/fd/3")))
	require.NoError(t, os.Symlink("socket:[701]", filepath.Join(root, "proc/60/fd/4")))
	require.NoError(t, os.Symlink("socket:[702]", filepath.Join(root, "proc/61/fd/3")))

	f := Facts{Options: Options{Host: usernskit.Host{Root: root}, Proc: userns.FS{Root: root + "/proc"}}, Engine: &engine.Engine{Source: "unix://" + socket, PeerPID: 1}}
	assert.Equal(t, 61, f.peer())
	f.readPeer(t.Context())
	assert.NoError(t, f.PeerErr, "the socket from systemd")
	f.Engine.PeerPID = 60
	assert.Equal(t, 60, f.peer(), "no need to look")
	f.Engine.PeerPID = 1
	require.NoError(t, os.Remove(filepath.Join(root, "proc/61/fd/3")))
	assert.Equal(t, 0, f.peer(), "held by none that is seen")
	f.readPeer(t.Context())
	assert.Error(t, f.PeerErr, "init may pass on what it gets")
	f.Engine.Source = "tcp://127.0.0.1:2375"
	assert.Equal(t, 0, f.peer())
}

// Anybody can call a process dockerd, and let it listen and answer.
func TestAPeerOfAnotherUserIsNotBelieved(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "60"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "60/comm"), []byte("dockerd\n"), 0o644))
	for ids, believed := range map[string]bool{"0\t0\t0\t0": true, "1000\t1000\t1000\t1000": false, "0\t0\t0\t1000": false} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "60/status"), []byte("Name:\tdockerd\nUid:\t"+ids+"\nGid:\t0\t0\t0\t0\n"), 0o644))
		f := &Facts{Options: Options{Proc: userns.FS{Root: root}}, Engine: &engine.Engine{Source: "unix:///run/docker.sock", PeerPID: 60}}
		f.readPeer(t.Context())
		assert.Equal(t, believed, f.PeerErr == nil, "%q: %v", ids, f.PeerErr)
	}
}
