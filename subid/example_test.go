package subid_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

// exampleHost is an image with these two files.
func exampleHost(subuid, subgid string) (usernskit.Host, func()) {
	root, err := os.MkdirTemp("", "subid")
	if err != nil {
		panic(err)
	}
	for path, text := range map[string]string{subid.UIDFile: subuid, subid.GIDFile: subgid,
		"/etc/passwd": "root:x:0:0::/root:/bin/sh\ndockremap:x:990:990::/:/bin/false\n"} {
		if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(root+path, []byte(text), 0o644); err != nil {
			panic(err)
		}
	}
	return usernskit.Host{Root: root}, func() { os.RemoveAll(root) }
}

func ExampleParse() {
	f := subid.Parse("/etc/subuid", []byte("# users\nalice:100000:65536\nbob: 0x30d40:65536\n"))
	for c := range f.Ranges() {
		fmt.Println(c.Line, c.Owner, c.Range.Start, c.Range.Last())
	}
	fmt.Println(f.Add("carl", subid.Range{Start: 165000, Count: 65536}))
	fmt.Println(f.Add("carl", subid.Range{Start: 300000, Count: 65536}))
	fmt.Printf("%s", f.Bytes())
	// Output:
	// 2 alice 100000 165535
	// /etc/subuid:2: carl:165000:65536 overlaps alice:100000:65536
	// <nil>
	// # users
	// alice:100000:65536
	// bob: 0x30d40:65536
	// carl:300000:65536
}

func ExampleFile_RangesOf() {
	f := subid.Parse("/etc/subuid", []byte("alice:100000:65536\nmalice:165536:65536\nalice:231072:65536\n"))
	for c := range f.RangesOf("alice") {
		fmt.Println(c.Line, c.Range)
	}
	// Output:
	// 1 100000:65536
	// 3 231072:65536
}

// Bytes that are at hand already are enough to find a range that is free in
// both files. Accounts and limits of the host are then not known.
func ExampleSet_Find() {
	uids, gids := []byte("alice:100000:65536\n"), []byte("bob:165536:1000\n")
	set := subid.Set{UID: subid.Parse(subid.UIDFile, uids), GID: subid.Parse(subid.GIDFile, gids)}
	grant, _, err := set.Find(subid.Request{})
	fmt.Println(grant.UID, grant.GID, err)
	// Output:
	// 166536:65536 166536:65536 <nil>
}

func ExampleSet_Problems() {
	text := []byte("alice:100000:65536\nbob:120000:65536\nbad line\n")
	set := subid.Set{UID: subid.Parse(subid.UIDFile, text), GID: subid.Parse(subid.GIDFile, []byte("alice:100000:65536\nbob:120000:65536\n"))}
	problems, err := set.Problems(context.Background())
	if err != nil {
		fmt.Println(err)
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	// Output:
	// /etc/subuid:2: overlap: bob:120000:65536 overlaps alice:100000:65536 of line 1
	// /etc/subuid:3: readers-differ: "bad line" is not read alike: all shadow-utils ignore it; dockerd 27 and earlier and podman and CRI-O refuse the whole file because of it; dockerd 28 and later read 0:0
	// /etc/subgid:2: overlap: bob:120000:65536 overlaps alice:100000:65536 of line 1
}

func ExamplePlan() {
	host, done := exampleHost("alice:100000:65536\n", "")
	defer done()
	grant, plan, err := subid.Plan(context.Background(), host, subid.Request{Owner: "dockremap"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(grant.Owner, grant.UID, grant.GID)
	fmt.Print(plan.Diff())
	// Output:
	// dockremap 165536:65536 165536:65536
	// --- /etc/subuid
	// +++ /etc/subuid
	// @@ -1 +1,2 @@
	//  alice:100000:65536
	// +dockremap:165536:65536
	// --- /etc/subgid
	// +++ /etc/subgid
	// @@ -0,0 +1 @@
	// +dockremap:165536:65536
}

func ExampleSet_PlanRelease() {
	host, done := exampleHost("alice:100000:65536\n990:165536:65536\n", "dockremap:165536:65536\n")
	defer done()
	set, err := subid.Read(context.Background(), host)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := set.PlanRelease("dockremap")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(plan.Diff())
	// Output:
	// --- /etc/subuid
	// +++ /etc/subuid
	// @@ -1,2 +1 @@
	//  alice:100000:65536
	// -990:165536:65536
	// --- /etc/subgid
	// +++ /etc/subgid
	// @@ -1 +0,0 @@
	// -dockremap:165536:65536
}

func ExampleSet_Owners() {
	host, done := exampleHost("alice:100000:65536\n", "")
	defer done()
	set, err := subid.Read(context.Background(), host)
	if err != nil {
		fmt.Println(err)
		return
	}
	list, err := set.Owners(context.Background(), 100999)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range list {
		fmt.Printf("%s:%d: %s has %v\n", c.File, c.Line, c.Owner, c.Range)
	}
	// Output:
	// /etc/subuid:1: alice has 100000:65536
}
