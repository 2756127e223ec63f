package usernskit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

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
	fmt.Println("undone", host.Undo(context.Background(), receipt.ID, nil))
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

// Each run of the plan sees what was written last, by any program.
func ExampleHost_Update() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		panic(err)
	}
	host := usernskit.Host{Root: root}
	count := func() (usernskit.Plan, error) {
		now, err := host.ReadFile("/etc/count")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return usernskit.Plan{}, err
		}
		after := append(now[:len(now):len(now)], 'x')
		return usernskit.Plan{Title: "count", Changes: []usernskit.Change{{Path: "/etc/count", Before: now, After: after, Mode: 0o644}}}, nil
	}
	for range 3 {
		if _, err := host.Update(context.Background(), count); err != nil {
			fmt.Println(err)
		}
	}
	data, _ := host.ReadFile("/etc/count")
	receipts, _ := host.Receipts()
	fmt.Printf("%s, %d receipts\n", data, len(receipts))
	// Output: xxx, 3 receipts
}

func ExampleMerge() {
	file := usernskit.Change{Path: "/etc/subuid", After: []byte("dockremap:100000:65536\n")}
	one := usernskit.Plan{Title: "ranges for docker", Changes: []usernskit.Change{file}}
	two := usernskit.Plan{Title: "ranges for podman", Changes: []usernskit.Change{file}}
	_, err := usernskit.Merge(one, two)
	fmt.Println(err)
	// Output: /etc/subuid: changed by two plans ("ranges for docker" and "ranges for podman")
}

// Others have edited the file since: undo takes out what the plan wrote, and
// nothing else. Where that is no longer as it was written, it says so.
func ExampleHost_Undo() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	edit := func(text string) {
		if err := os.WriteFile(filepath.Join(root, "subuid"), []byte(text), 0o644); err != nil {
			panic(err)
		}
	}
	edit("alice:100000:65536\n")
	host := usernskit.Host{Root: root}
	receipt, err := host.Apply(context.Background(), usernskit.Plan{Changes: []usernskit.Change{{
		Path: "/subuid", Before: []byte("alice:100000:65536\n"), After: []byte("alice:100000:65536\ndockremap:165536:65536\n"),
	}}})
	if err != nil {
		panic(err)
	}
	edit("alice:100000:65536\ndockremap:300000:65536\neve:165536:65536\n")
	fmt.Println(host.Undo(context.Background(), receipt.ID, nil))
	edit("alice:100000:65536\ndockremap:165536:65536\neve:231072:65536\n")
	fmt.Println(host.Undo(context.Background(), receipt.ID, nil))
	data, _ := host.ReadFile("/subuid")
	fmt.Print(string(data))
	// Output:
	// /subuid: changed since: not as it was written: line 2, "dockremap:165536:65536"
	// <nil>
	// alice:100000:65536
	// eve:231072:65536
}

// A plan that was cancelled changes nothing, and one that is cancelled while it is
// applied is taken back.
func ExampleHost_Apply_cancel() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(root)
	ctx, cancel := context.WithCancel(context.Background()) // or signal.NotifyContext
	host := usernskit.Host{Root: root}
	_, err = host.Update(ctx, func() (usernskit.Plan, error) {
		cancel() // Ctrl-C, while a slow account database is asked
		return usernskit.Plan{Changes: []usernskit.Change{{Path: "/etc/x", After: []byte("x")}}}, nil
	})
	fmt.Println(errors.Is(err, context.Canceled))
	_, err = host.Stat("/etc")
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// true
	// true
}

// An image has no running host: what is to be run goes to its first boot, what
// can be run inside the tree is run there.
func ExampleAction() {
	plan := usernskit.Plan{Actions: []usernskit.Action{
		{Why: "grub.cfg is generated", Argv: []string{"update-grub"}, Where: usernskit.WhereTree},
		{Why: "dockerd reads its file when it starts", Argv: []string{"systemctl", "restart", "docker"},
			Where: usernskit.WhereBoot, Kind: usernskit.ActionRestartDocker},
	}}
	for _, a := range plan.Actions {
		switch {
		case a.Where == usernskit.WhereTree:
			fmt.Println("chroot /mnt/image", strings.Join(a.Argv, " "))
		case a.Kind == usernskit.ActionRestartDocker:
			fmt.Println("nothing to do: docker is not running in an image")
		default:
			fmt.Println("at first boot:", strings.Join(a.Argv, " "))
		}
	}
	// Output:
	// chroot /mnt/image update-grub
	// nothing to do: docker is not running in an image
}

// A plan is stored as JSON and applied later, where the files are still the same.
func ExamplePlan_json() {
	before := []byte("alice:100000:65536\n")
	plan := usernskit.Plan{Title: "grant", Changes: []usernskit.Change{{
		Path: "/etc/subuid", Before: before, After: []byte("alice:100000:65536\nbob:165536:65536\n"), Shadow: true,
	}}}
	text, err := json.Marshal(plan)
	if err != nil {
		panic(err)
	}
	var back usernskit.Plan
	if err := json.Unmarshal(text, &back); err != nil {
		panic(err)
	}
	fmt.Print(back.Diff())
	// Output:
	// --- /etc/subuid
	// +++ /etc/subuid
	// @@ -1 +1,2 @@
	//  alice:100000:65536
	// +bob:165536:65536
}
