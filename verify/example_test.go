package verify_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
)

// image writes the files of a host that is prepared in a directory.
func image(daemonJSON string) usernskit.Host {
	root, err := os.MkdirTemp("", "image")
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		panic(err)
	}
	for name, text := range map[string]string{
		"etc/passwd":             "root:x:0:0::/root:/bin/sh\ndockremap:x:998:998::/:/bin/false\n",
		"etc/group":              "root:x:0:\ndockremap:x:998:\n",
		"etc/subuid":             "dockremap:165536:65536\n",
		"etc/subgid":             "dockremap:165536:65536\n",
		"etc/docker/daemon.json": daemonJSON,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			panic(err)
		}
	}
	return usernskit.Host{Root: root}
}

// An image is checked before it is ever started: what only a kernel can answer
// is skipped, and the report does not call it remapped.
func ExampleRun() {
	host := image(`{"userns-remap": "root"}`)
	defer os.RemoveAll(host.Root)

	report, err := verify.Run(context.Background(), verify.Options{Host: host})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = format.Text(os.Stdout, report, format.Options{})
	// Output:
	// fail    I06 critical  /etc/docker/daemon.json:1  userns-remap is "root": dockerd starts and does not remap
	// 4 passed, 1 failed, 0 warnings, 0 unknown, 39 skipped
	// remapped: not asked, this is not a running host
}

func ExampleExplain() {
	check, err := verify.Explain("K04")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(check)
	// Output:
	// K04 userns-clone (info)
	// How unprivileged user namespaces are restricted.
	//
	// For information: these restrictions do not reach a daemon that runs as root, and remapping needs none of them lifted.
	//
	// Reads: kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns. Skipped where the kernel has neither.
}
