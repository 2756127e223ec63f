package verify_test

import (
	"context"
	"fmt"
	"os"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
)

// An image is checked before it is ever started: what only a kernel can answer
// is skipped, and the report does not call it remapped.
func ExampleRun() {
	host := hosttest.Image(`{"userns-remap": "root"}`)
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
