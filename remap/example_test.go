package remap_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/verify/engine"
)

// image makes a small tree of a host for the examples.
func image() usernskit.Host {
	root, err := os.MkdirTemp("", "image")
	if err != nil {
		panic(err)
	}
	for name, text := range map[string]string{
		"etc/os-release": "ID=debian\nVERSION_ID=12\n",
		"etc/passwd":     "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
		"etc/group":      "root:x:0:\nalice:x:1000:\n",
		"etc/subuid":     "alice:100000:65536\n",
		"etc/subgid":     "alice:100000:65536\n",
	} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			panic(err)
		}
	}
	return usernskit.Host{Root: root}
}

// The ranges go in before the setting, so that dockerd never looks for one.
func ExamplePlanEnable() {
	host := image()
	defer os.RemoveAll(host.Root)
	on, err := remap.PlanEnable(context.Background(), host, remap.Request{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range on.Plan.Changes {
		fmt.Println(c.Path)
	}
	fmt.Println(on.Remap, on.Grant.UID, on.Store())
	_, err = host.Apply(context.Background(), on.Plan)
	fmt.Println(err)
	// Output:
	// /etc/subuid
	// /etc/subgid
	// /etc/docker/daemon.json
	// default 165536:65536 165536.165536
	// <nil>
}

func ExamplePlanDisable() {
	host := image()
	defer os.RemoveAll(host.Root)
	on, err := remap.PlanEnable(context.Background(), host, remap.Request{Start: 300000})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := host.Apply(context.Background(), on.Plan); err != nil {
		fmt.Println(err)
		return
	}
	off, err := remap.PlanDisable(context.Background(), host, remap.Disable{Release: true}) // and give the ranges back
	fmt.Print(off.Diff(), err, "\n")
	// Output:
	// --- /etc/docker/daemon.json
	// +++ /etc/docker/daemon.json
	// @@ -1,3 +1,2 @@
	//  {
	// -  "userns-remap": "default"
	//  }
	// --- /etc/subuid
	// +++ /etc/subuid
	// @@ -1,2 +1 @@
	//  alice:100000:65536
	// -dockremap:300000:65536
	// --- /etc/subgid
	// +++ /etc/subgid
	// @@ -1,2 +1 @@
	//  alice:100000:65536
	// -dockremap:300000:65536
	// <nil>
}

// A daemon that comes back without remapping is put back as it was.
func ExampleRestart_Run() {
	host := image()
	defer os.RemoveAll(host.Root)
	host.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		fmt.Println("run:", strings.Join(argv, " "))
		return nil, nil
	}
	receipt, err := host.Apply(context.Background(), usernskit.Plan{
		Changes: []usernskit.Change{{Path: "/etc/docker/daemon.json", After: []byte("{\"userns-remap\":\"default\"}\n"), Mode: 0o644}},
		Actions: []usernskit.Action{{Why: "dockerd reads it when it starts", Argv: []string{"systemctl", "restart", "docker"}, Kind: usernskit.ActionRestartDocker}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = remap.Restart{
		Host: host, Receipt: receipt, Store: "165536.165536",
		Ask: func(context.Context) (*engine.Engine, error) { return &engine.Engine{RootDir: "/var/lib/docker"}, nil },
	}.Run(context.Background())
	fmt.Println(err)
	// Output:
	// run: systemctl show docker.service docker.socket -p Id,ActiveState
	// run: systemctl restart docker
	// run: journalctl --unit docker.service --lines 20 --no-pager --output cat
	// run: systemctl reset-failed docker.service
	// run: systemctl restart docker
	// docker did not come back as wanted: it does not say that it is remapped (no name=userns); the files are as they were, and docker was restarted with them
}

// The volumes that a dockerd has had before remapping was turned on.
func ExamplePlanMigrate() {
	ctx, host := context.Background(), image()
	defer os.RemoveAll(host.Root)
	for name, text := range map[string]string{
		"etc/subuid":                            "dockremap:100000:65536\n",
		"etc/subgid":                            "dockremap:100000:65536\n",
		"etc/docker/daemon.json":                `{"userns-remap": "default"}`,
		"usr/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd\n",
		"var/lib/docker/volumes/db/_data/table": "rows\n",
	} {
		path := filepath.Join(host.Root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			panic(err)
		}
	}
	m, err := remap.PlanMigrate(ctx, host, remap.Migrate{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range m.Volumes {
		fmt.Println(v.State, v.Name, v.Target)
	}
	// m.Run(ctx, nil) copies them, where the program may, and gives the receipt.
	// Output:
	// copy db /var/lib/docker/100000.100000/volumes/db/_data
}
