package usernskit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit"
)

// A plan is a value: look at it, apply it, take it back.
func Example() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	if err := os.MkdirAll(filepath.Join(root, "etc/docker"), 0o755); err != nil {
		panic(err)
	}
	host := usernskit.Host{Root: root}
	plan := usernskit.Plan{Title: "remap", Changes: []usernskit.Change{{
		Path: "/etc/docker/daemon.json", After: []byte("{\n  \"userns-remap\": \"default\"\n}\n"), Mode: 0o644,
	}}}
	fmt.Print(plan.Diff())

	receipt, err := host.Apply(context.Background(), plan)
	fmt.Println("receipt", receipt.ID, err)
	fmt.Println("undone", host.Undo(context.Background(), receipt.ID))
	_, err = host.ReadFile("/etc/docker/daemon.json")
	fmt.Println(err)
	// Output:
	// --- /dev/null
	// +++ /etc/docker/daemon.json
	// @@ -0,0 +1,3 @@
	// +{
	// +  "userns-remap": "default"
	// +}
	// receipt 1 <nil>
	// undone <nil>
	// open /etc/docker/daemon.json: no such file or directory
}
