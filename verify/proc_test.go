package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

const good, idWeb, idOld = hosttest.Good, hosttest.Web, hosttest.Old

var with, unreadable, storeTree = hosttest.With, hosttest.Unreadable, hosttest.Store

const hostNS = userns.InitialUserNS

func procAt(h usernskit.Host) userns.FS { return userns.FS{Root: filepath.Join(h.Root, "proc")} }

func refusing(context.Context) (*engine.Engine, error) { return nil, errors.New("permission denied") }

func answering(e engine.Engine) func(context.Context) (*engine.Engine, error) {
	return func(context.Context) (*engine.Engine, error) { return &e, nil }
}

// A proc is a process of a fixture: what it leaves empty is as on a host where
// container processes are remapped to 165536.
type proc struct {
	pid, nspid int
	command    string
	userNS     uint64
	uids, gids string
	groups     string
	maps       string // uid_map, or uid_map "|" gid_map
	container  string // 64 digits
	argv       string // of a shim
}

// writeProc makes a /proc of plain files and links below the host.
func writeProc(t *testing.T, h usernskit.Host, list ...proc) {
	t.Helper()
	root := filepath.Join(h.Root, "proc")
	write := func(name, text string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	link := func(name, target string) {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.Symlink(target, path))
	}
	write("sys/user/max_user_namespaces", "15000\n")
	write("self/mountinfo", "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n")
	list = append([]proc{{pid: 1, command: "systemd", userNS: hostNS, uids: "0 0 0 0", gids: "0 0 0 0", groups: " ", maps: "0 0 4294967295"}}, list...)
	for _, p := range list {
		dir := fmt.Sprint(p.pid) + "/"
		def := func(s *string, v string) {
			if *s == "" {
				*s = v
			}
		}
		def(&p.command, "sleep")
		def(&p.uids, "165536 165536 165536 165536")
		def(&p.gids, p.uids)
		def(&p.maps, "0 165536 65536")
		uid, gid, two := strings.Cut(p.maps, "|")
		if !two {
			gid = uid
		}
		if p.userNS == 0 {
			p.userNS = 4026532000 + uint64(p.pid)
		}
		if p.nspid == 0 {
			p.nspid = 1
		}
		nspid := fmt.Sprint(p.pid)
		cgroup := "0::/system.slice\n"
		mnt := uint64(4026531841)
		if p.container != "" {
			nspid += fmt.Sprintf("\t%d", p.nspid)
			cgroup = "0::/system.slice/docker-" + p.container + ".scope\n"
			mnt += 1000
		}
		write(dir+"status", fmt.Sprintf("Name:\t%s\nState:\tS (sleeping)\nTgid:\t%d\nPid:\t%[2]d\nPPid:\t1\nUid:\t%s\nGid:\t%s\nGroups:\t%s\nNSpid:\t%s\nThreads:\t1\n",
			p.command, p.pid, strings.ReplaceAll(p.uids, " ", "\t"), strings.ReplaceAll(p.gids, " ", "\t"), strings.TrimSpace(p.groups), nspid))
		write(dir+"comm", p.command+"\n")
		write(dir+"cgroup", cgroup)
		write(dir+"uid_map", uid+"\n")
		write(dir+"gid_map", gid+"\n")
		write(dir+"cmdline", strings.ReplaceAll(p.argv, " ", "\x00"))
		write(dir+"mountinfo", "1 1 0:50 / / rw - overlay overlay rw\n")
		write(dir+fmt.Sprintf("task/%d/children", p.pid), "")
		link(dir+"ns/user", fmt.Sprintf("user:[%d]", p.userNS))
		link(dir+"ns/mnt", fmt.Sprintf("mnt:[%d]", mnt))
		link(dir+"ns/pid", fmt.Sprintf("pid:[%d]", userns.InitialPIDNS))
	}
	link("self/ns/user", fmt.Sprintf("user:[%d]", hostNS))
	link("self/ns/mnt", "mnt:[4026531841]")
	link("self/ns/pid", fmt.Sprintf("pid:[%d]", userns.InitialPIDNS))
}

func shim(pid int, namespace, id, address string) proc {
	return proc{pid: pid, command: "containerd-shim", userNS: hostNS, uids: "0 0 0 0", maps: "0 0 4294967295",
		argv: fmt.Sprintf("/usr/bin/containerd-shim-runc-v2 -namespace %s -id %s -address %s", namespace, id, address)}
}
