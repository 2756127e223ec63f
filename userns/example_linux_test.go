package userns_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit/userns"
)

// exampleProc makes a /proc of init and a process in a container, as a tree of
// files and links.
func exampleProc() (userns.FS, func()) {
	dir, err := os.MkdirTemp("", "")
	must(err)
	for _, p := range []fakeProc{{pid: 1}, {pid: 70, user: 1, mnt: 1, uidMap: "0 100000 65536\n", ids: "100033\t100033\t100033\t100033", cgroup: "0::/docker/" + idA + "\n"}} {
		for name, f := range p.files() {
			must(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			if f.link {
				must(os.Symlink(f.text, filepath.Join(dir, name)))
				continue
			}
			must(os.WriteFile(filepath.Join(dir, name), []byte(f.text), 0o644))
		}
	}
	must(os.Symlink("1", filepath.Join(dir, "self")))
	return userns.FS{Root: dir}, func() { os.RemoveAll(dir) }
}

func ExampleFS_Processes() {
	proc, remove := exampleProc() // var proc userns.FS, to read the running system's
	defer remove()
	var seen userns.Coverage
	for p, err := range proc.Processes(context.Background(), userns.Options{Coverage: &seen}) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		inside, _ := p.Mapping.UID.ToContainer(p.UID[1])
		fmt.Printf("process %d in %s container %.12s: user %d, on the host %d\n", p.PID, p.Runtime, p.ContainerID, inside, p.UID[1])
	}
	fmt.Println(seen.Seen, "processes seen, gaps:", seen.Gaps())
	// Output:
	// process 70 in docker container a1a1a1a1a1a1: user 33, on the host 100033
	// 2 processes seen, gaps: []
}

func ExampleFS_Mapping() {
	proc, remove := exampleProc()
	defer remove()
	m, err := proc.Mapping(70)
	fmt.Println(m, err)
	// Output: 0 100000 65536 <nil>
}
