// Libcontainer is a program that still uses the types of runc's
// libcontainer/user, as runc 1.0 to 1.3 have them, and passes them to usernskit
// as they are. It reads an owner's subordinate IDs with runc's functions and prints
// what an ID of the container is on the host.
//
//	libcontainer dockremap 33 </etc/subuid
//
// Since runc 1.2 the types are aliases of those in github.com/moby/sys/user, which
// usernskit uses; runc 1.4 removed the package. This is a module of its own
// because one that imports it cannot be built together with runc 1.4.
package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/opencontainers/runc/libcontainer/user"

	"github.com/usernskit/usernskit/userns"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "libcontainer:", err)
		os.Exit(2)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: libcontainer OWNER ID <FILE")
	}
	id, err := strconv.ParseUint(args[1], 10, 32)
	if err != nil {
		return err
	}
	ranges, err := user.ParseSubIDFilter(in, func(s user.SubID) bool { return s.Name == args[0] })
	if err != nil {
		return err
	}
	m, err := userns.FromIDMaps(idMaps(ranges))
	if err != nil {
		return fmt.Errorf("the ranges of %s: %w", args[0], err)
	}
	host, ok := m.ToHost(uint32(id))
	if !ok {
		return fmt.Errorf("%d is not mapped by %v", id, m)
	}
	fmt.Fprintf(out, "%d is %d on the host\n", id, host)
	return nil
}

// idMaps lays the ranges out in a row, as dockerd does.
func idMaps(ranges []user.SubID) []user.IDMap {
	var maps []user.IDMap
	next := int64(0)
	for _, r := range ranges {
		maps = append(maps, user.IDMap{ID: next, ParentID: r.SubID, Count: r.Count})
		next += r.Count
	}
	return maps
}
