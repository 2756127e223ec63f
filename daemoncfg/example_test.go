package daemoncfg_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
)

func ExampleDocument_Set() {
	doc, err := daemoncfg.Parse("daemon.json", []byte("{\n    \"icc\" : false\n}\n"))
	if err != nil {
		log.Fatal(err)
	}
	if err := doc.Set([]string{"userns-remap"}, json.RawMessage(`"default"`)); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", doc.Bytes())
	// Output:
	// {
	//     "icc" : false,
	//     "userns-remap" : "default"
	// }
}

func ExampleParse() {
	_, err := daemoncfg.Parse("/etc/docker/daemon.json", []byte("{\n  \"debug\": true, // for now\n}\n"))
	fmt.Println(err)
	// Output:
	// /etc/docker/daemon.json:2:18: dockerd accepts no comments; no dockerd starts with one
}

func ExampleParsePointer() {
	path, err := daemoncfg.ParsePointer("/runtimes/io.containerd~1x/path")
	fmt.Printf("%q %v\n", path, err)
	// Output:
	// ["runtimes" "io.containerd/x" "path"] <nil>
}

func ExampleDocument_Lint() {
	doc, err := daemoncfg.Parse("daemon.json", []byte(`{"security": {"userns-remap": "default"}, "log-opts": {"max-file": 3}}`))
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range doc.Lint() {
		fmt.Println(f.ID, f.Level, f)
	}
	// Output:
	// ignored-object note daemon.json:1:2: dockerd has no key "security" and ignores the object, although it checks the names in it
	// nested-remap note daemon.json:1:15: dockerd reads userns-remap only at the top of the document: this one does nothing
	// wrong-type fatal daemon.json:1:56: log-opts holds values, each of them a string, and no dockerd starts with 3
}

func ExampleParseRemap() {
	for _, s := range []string{"default", "alice:staff", "root"} {
		r, err := daemoncfg.ParseRemap(s)
		fmt.Println(r, errors.Is(err, daemoncfg.ErrFailOpen))
	}
	// Output:
	// default false
	// alice:staff false
	//  true
}

func ExampleRemap_Plan() {
	root, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(root)
	for name, text := range map[string]string{
		"usr/lib/systemd/system/docker.service": "[Service]\nEnvironmentFile=/etc/default/docker\nExecStart=/usr/sbin/dockerd $DOCKER_OPTS\n",
		"etc/passwd":                            "root:x:0:0::/root:/bin/sh\n",
		"etc/default/docker":                    "DOCKER_OPTS=\"--debug --userns-remap=default\"\n",
		"etc/docker/daemon.json":                "{\"icc\": false}\n",
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755)
		os.WriteFile(filepath.Join(root, name), []byte(text), 0o644)
	}
	host := usernskit.Host{Root: root}

	doc, err := daemoncfg.Read(context.Background(), host)
	if err != nil {
		log.Fatal(err)
	}
	now := doc.Setting()
	fmt.Println(now.Remap, "in", now.Place)
	plan, err := daemoncfg.Remap{User: "default"}.Plan(context.Background(), host)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan.Diff())
	// Output:
	// default in /etc/default/docker:1 (DOCKER_OPTS)
	// --- /etc/docker/daemon.json
	// +++ /etc/docker/daemon.json
	// @@ -1 +1 @@
	// -{"icc": false}
	// +{"icc": false, "userns-remap": "default"}
	// --- /etc/default/docker
	// +++ /etc/default/docker
	// @@ -1 +1 @@
	// -DOCKER_OPTS="--debug --userns-remap=default"
	// +DOCKER_OPTS="--debug"
}
