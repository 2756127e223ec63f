package peerbench

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/sys/user"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

// A host is a tree with the two files and what else is read to choose from them.
type host struct {
	root string
	held []subid.Range // by both files alike
}

func (h host) path(p string) string { return filepath.Join(h.root, p) }

// FindRows looks for 65,536 IDs that are free in both files. Small ranges lie
// behind the first of them, as an installer or an administrator leaves them.
func FindRows(dir string, sizes ...int) ([]Row, error) {
	var rows []Row
	for _, n := range sizes {
		h, err := newHost(filepath.Join(dir, fmt.Sprint("find-", n)), crowded(n))
		if err != nil {
			return nil, err
		}
		rows = append(rows, Row{
			Work: "find a free range", Size: size(n, "ranges"), Units: n, Target: 5,
			Sides: []Side{
				side("usernskit", h.findOurs, h.overlap),
				side("moby/sys/user and a sort", h.findMoby, h.overlap),
				side("containers/storage", h.findStorage, h.overlap),
				{Name: "reading the files", Floor: true, Run: h.readAll},
			},
		})
	}
	return rows, nil
}

// FindInMemoryRows is FindRows for callers that have read the two files: what
// it takes to open files and to look at the rest of a host is left out.
// containers/storage reads from a path only, so it cannot be asked.
func FindInMemoryRows(sizes ...int) []Row {
	var rows []Row
	for _, n := range sizes {
		h := host{held: crowded(n)}
		uids, gids := h.uids(), h.gids()
		rows = append(rows, Row{
			Work: "find a free range, files in memory", Size: size(n, "ranges"), Units: n, Target: 5,
			Sides: []Side{
				side("usernskit", func() (uint32, error) {
					set := subid.Set{UID: subid.Parse(subid.UIDFile, uids), GID: subid.Parse(subid.GIDFile, gids)}
					grant, _, err := set.Find(subid.Request{})
					return grant.UID.Start, err
				}, h.overlap),
				side("moby/sys/user and a sort", func() (uint32, error) {
					list, err1 := user.ParseSubID(bytes.NewReader(uids))
					more, err2 := user.ParseSubID(bytes.NewReader(gids))
					return firstGap(append(list, more...)), errors.Join(err1, err2)
				}, h.overlap),
			},
		})
	}
	return rows
}

// crowded makes ranges side by side from the first ID on, then 1000 free IDs,
// then a small range.
func crowded(n int) []subid.Range {
	var list []subid.Range
	const count = 8192
	for i := range n - 1 {
		list = append(list, subid.Range{Start: uint32(firstID + i*count), Count: count})
	}
	return append(list, subid.Range{Start: uint32(firstID + (n-1)*count + 1000), Count: 1000})
}

func newHost(root string, held []subid.Range) (host, error) {
	h := host{root, held}
	files := map[string]string{
		"/etc/subuid":        string(h.uids()),
		"/etc/subgid":        string(h.gids()),
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		"/etc/group":         "root:x:0:\nnogroup:x:65534:\n",
		"/etc/login.defs":    "SUB_UID_MIN 100000\nSUB_UID_MAX 600100000\nSUB_UID_COUNT 65536\nSUB_GID_MIN 100000\nSUB_GID_MAX 600100000\nSUB_GID_COUNT 65536\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\n",
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(h.path(path)), 0o755); err != nil {
			return host{}, err
		}
		if err := os.WriteFile(h.path(path), []byte(text), 0o644); err != nil {
			return host{}, err
		}
	}
	return h, nil
}

// uids and gids are what the two files hold: the same ranges, but the last has
// another owner. Of two equal texts usernskit would read one only.
func (h host) uids() []byte { return h.file("alice") }
func (h host) gids() []byte { return h.file("staff") }

func (h host) file(last string) []byte {
	var b bytes.Buffer
	for i, r := range h.held[:len(h.held)-1] {
		fmt.Fprintf(&b, "user%d:%v\n", i, r)
	}
	fmt.Fprintf(&b, "%s:%v\n", last, h.held[len(h.held)-1])
	return b.Bytes()
}

// overlap compares a range of 65,536 IDs with every one there is.
func (h host) overlap(start uint32) string {
	for _, r := range h.held {
		if r.Overlaps(subid.Range{Start: start, Count: 65536}) {
			return fmt.Sprintf("gives %d:65536, but %v is somebody's", start, r)
		}
	}
	return ""
}

func (h host) findOurs() (uint32, error) {
	s, err := subid.Read(context.Background(), usernskit.Host{Root: h.root})
	if err != nil {
		return 0, err
	}
	grant, _, err := s.Find(subid.Request{})
	return grant.UID.Start, err
}

// readAll reads what findOurs has to read.
func (h host) readAll() error {
	var failed error
	for _, path := range []string{"/etc/subuid", "/etc/subgid", "/etc/passwd", "/etc/group", "/etc/login.defs", "/etc/nsswitch.conf"} {
		_, err := os.ReadFile(h.path(path))
		failed = errors.Join(failed, err)
	}
	return failed
}

// findMoby is the straight use of moby/sys/user: read all, sort, take the
// first gap that is wide enough. Reserved IDs and accounts are not looked at.
func (h host) findMoby() (uint32, error) {
	uids, err1 := user.ParseSubIDFile(h.path(subid.UIDFile))
	gids, err2 := user.ParseSubIDFile(h.path(subid.GIDFile))
	return firstGap(append(uids, gids...)), errors.Join(err1, err2)
}

// firstGap sorts the ranges and returns where 65,536 IDs are free.
func firstGap(list []user.SubID) uint32 {
	slices.SortFunc(list, func(a, b user.SubID) int { return cmp.Compare(a.SubID, b.SubID) })
	start := int64(firstID)
	for _, s := range list {
		if s.SubID >= start+65536 {
			break
		}
		start = max(start, s.SubID+s.Count)
	}
	return uint32(start)
}

// findStorage does what containers/storage does when it makes a user, first in
// the one file and then in the other, without making it.
func (h host) findStorage() (uint32, error) {
	var starts [2]int
	for i, path := range []string{subid.UIDFile, subid.GIDFile} {
		list, err := storageParse(h.path(path), "ALL")
		if err != nil {
			return 0, err
		}
		slices.SortFunc(list, func(a, b storageRange) int { return cmp.Compare(a.Start, b.Start) })
		if starts[i], err = storageFindStart(list); err != nil {
			return 0, err
		}
	}
	return uint32(starts[0]), nil
}
