// Uidwho prints what a user ID of the host is inside containers: which container,
// which user in it and which of its processes run as that user now.
//
//	uidwho 100033
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/usernskit/usernskit/userns"
)

func main() {
	proc := flag.String("proc", "/proc", "the /proc to look at")
	flag.Parse()
	uid, err := strconv.ParseUint(flag.Arg(0), 10, 32)
	if err != nil || flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: uidwho [-proc DIR] UID")
		os.Exit(2)
	}
	os.Exit(who(userns.FS{Root: *proc}, uint32(uid)))
}

// who prints a line for each namespace that has the ID and for each process that
// runs as it. It returns the exit code: 1 if there is none, 3 if it may have missed
// some.
func who(fs userns.FS, uid uint32) int {
	found, seen, shown := 1, userns.Coverage{}, map[string]bool{}
	for p, err := range fs.Processes(context.Background(), userns.Options{Coverage: &seen}) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "uidwho:", err)
			continue
		}
		inside, mapped := p.Mapping.UID.ToContainer(uid)
		name := p.ContainerID
		if name == "" {
			name = fmt.Sprintf("namespace %d", p.UserNS)
		}
		if mapped && !shown[name] {
			shown[name], found = true, 0
			fmt.Printf("%d is user %d of %s (%s)\n", uid, inside, name, p.Mapping.UID)
		}
		if mapped && slices.Contains(p.UID[:], uid) {
			fmt.Printf("  process %d, %s\n", p.PID, strconv.QuoteToGraphic(p.Command))
		}
	}
	for _, gap := range seen.Gaps() {
		fmt.Fprintln(os.Stderr, "uidwho: not seen:", gap)
		found = 3
	}
	return found
}
