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
	"strconv"
	"strings"

	"github.com/moby/sys/user"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

// subidFile makes a subuid file of well-formed lines, one for each owner, which
// all peers read alike.
func subidFile(lines int) []byte {
	var b bytes.Buffer
	for i := range lines {
		b.Write(subidLine(i, "user"+strconv.Itoa(i)))
	}
	return b.Bytes()
}

const (
	firstID = 100000
	perLine = 600 // IDs: a million lines fit into 32 bits
)

func subidLine(i int, owner string) []byte {
	return fmt.Appendf(nil, "%s:%d:%d\n", owner, firstID+i*perLine, perLine)
}

// A tally sums up what was read, so that a line left out or misread shows. Of an
// owner it has the length of the name.
type tally struct{ ranges, owners, starts, counts uint64 }

func (t *tally) add(owner string, start, count uint64) {
	t.ranges++
	t.owners += uint64(len(owner))
	t.starts += start
	t.counts += count
}

// count adds a line. As a filter it returns false, so that moby/sys/user makes no
// list.
func (t *tally) count(s user.SubID) bool {
	t.add(s.Name, uint64(s.SubID), uint64(s.Count))
	return false
}

// tallyOf returns the tally of subidFile.
func tallyOf(lines int) (t tally) {
	for i := range lines {
		t.add("user"+strconv.Itoa(i), uint64(firstID+i*perLine), perLine)
	}
	return t
}

const tellsNoOwners = "does not tell whose a range is"

// ParseRows makes rows that read every range of a file with its owner. Sizes are
// in lines.
func ParseRows(dir string, sizes ...int) ([]Row, error) {
	var rows []Row
	for _, n := range sizes {
		path := filepath.Join(dir, fmt.Sprint("subuid-", n))
		if err := os.WriteFile(path, subidFile(n), 0o644); err != nil {
			return nil, err
		}
		all := tallyOf(n)
		noOwners := all
		noOwners.owners = 0
		rows = append(rows, Row{
			Work: "parse subuid", Size: size(n, "lines"), Target: 5,
			Sides: []Side{
				side("usernskit", func() (tally, error) { return parseOurs(path) }, equals(all)),
				side("moby/sys/user", func() (tally, error) { return parseMoby(path) }, equals(all)),
				side("containers/storage", func() (tally, error) { return parseStorage(path, "ALL") }, func(got tally) string {
					if why := equals(noOwners)(got); why != "" {
						return why
					}
					return tellsNoOwners
				}),
				{Name: "reading the file", Floor: true, Run: func() error { _, err := os.ReadFile(path); return err }},
			},
		})
	}
	return rows, nil
}

func parseOurs(path string) (t tally, err error) {
	data, err := os.ReadFile(path)
	for c := range subid.Parse(path, data).Ranges() {
		t.add(c.Owner, uint64(c.Range.Start), uint64(c.Range.Count))
	}
	return t, err
}

func parseMoby(path string) (t tally, err error) {
	_, err = user.ParseSubIDFileFilter(path, t.count)
	return t, err
}

func parseStorage(path, owner string) (t tally, err error) {
	list, err := storageParse(path, owner)
	for _, r := range list {
		t.add("", uint64(r.Start), uint64(r.Length))
	}
	return t, err
}

// OwnerRows makes rows that read the ranges of one owner, who has the last line of
// the file. Sizes are in lines.
func OwnerRows(dir string, sizes ...int) ([]Row, error) {
	var rows []Row
	const owner = "dockremap"
	for _, n := range sizes {
		path := filepath.Join(dir, fmt.Sprint("subuid-owner-", n))
		data := append(subidFile(n-1), subidLine(n-1, owner)...)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return nil, err
		}
		var want tally
		want.add("", uint64(firstID+(n-1)*perLine), perLine)
		rows = append(rows, Row{
			Work: "ranges of one owner", Size: size(n, "lines"), Target: 5,
			Sides: []Side{
				side("usernskit", func() (tally, error) { return ownerOurs(path, owner) }, equals(want)),
				side("moby/sys/user", func() (tally, error) { return ownerMoby(path, owner) }, equals(want)),
				side("containers/storage", func() (tally, error) { return parseStorage(path, owner) }, equals(want)),
				side("rootlesskit", func() (tally, error) { return ownerRootlesskit(path, owner) }, equals(want)),
			},
		})
	}
	return rows, nil
}

func ownerOurs(path, owner string) (t tally, err error) {
	data, err := os.ReadFile(path)
	for c := range subid.Parse(path, data).RangesOf(owner) {
		t.add("", uint64(c.Range.Start), uint64(c.Range.Count))
	}
	return t, err
}

func ownerMoby(path, owner string) (t tally, err error) {
	list, err := user.ParseSubIDFileFilter(path, func(s user.SubID) bool { return s.Name == owner })
	for _, s := range list {
		t.add("", uint64(s.SubID), uint64(s.Count))
	}
	return t, err
}

func ownerRootlesskit(path, owner string) (t tally, err error) {
	list, err := rootlesskitParse(path, -1, owner)
	for _, r := range list {
		t.add("", uint64(r.Start), uint64(r.Length))
	}
	return t, err
}

// size prints a number as people say it: 1000 is "1e3".
func size(n int, unit string) string {
	if n == 1 {
		return "1 " + strings.TrimSuffix(unit, "s")
	}
	for _, e := range []struct {
		of   int
		name string
	}{{1e6, "e6"}, {1e3, "e3"}} {
		if n >= e.of && n%e.of == 0 {
			return fmt.Sprint(n/e.of, e.name, " ", unit)
		}
	}
	return fmt.Sprint(n, " ", unit)
}

// A host is a tree with both files and the others that a search for a free range
// reads.
type host struct {
	root string
	held []subid.Range // the ranges in both files
}

func (h host) path(p string) string { return filepath.Join(h.root, p) }

// FindRows makes rows that look for 65,536 IDs that are free in both files. Sizes
// are in ranges; see crowded.
func FindRows(dir string, sizes ...int) ([]Row, error) {
	var rows []Row
	for _, n := range sizes {
		h, err := newHost(filepath.Join(dir, fmt.Sprint("find-", n)), crowded(n))
		if err != nil {
			return nil, err
		}
		rows = append(rows, Row{
			Work: "find a free range", Size: size(n, "ranges"), Target: 5,
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

// crowded makes n ranges: all but one side by side from the first ID on, then,
// after 1000 free IDs, a small one, as an installer or an administrator leaves it.
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
	return h, h.write(map[string]string{
		"/etc/subuid":        string(h.uids()),
		"/etc/subgid":        string(h.gids()),
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		"/etc/group":         "root:x:0:\nnogroup:x:65534:\n",
		"/etc/login.defs":    "SUB_UID_MIN 100000\nSUB_UID_MAX 600100000\nSUB_UID_COUNT 65536\nSUB_GID_MIN 100000\nSUB_GID_MAX 600100000\nSUB_GID_COUNT 65536\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\n",
	})
}

// write writes files of the tree, and makes their directories.
func (h host) write(files map[string]string) error {
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(h.path(path)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(h.path(path), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// uids and gids return the contents of the two files: the same ranges, but the last
// has another owner. Of two equal files usernskit would parse only one.
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

// overlap reports a held range that 65,536 IDs from start overlap, or "".
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
// first gap that is wide enough. It ignores reserved IDs and accounts.
func (h host) findMoby() (uint32, error) {
	uids, err1 := user.ParseSubIDFile(h.path(subid.UIDFile))
	gids, err2 := user.ParseSubIDFile(h.path(subid.GIDFile))
	list := append(uids, gids...)
	slices.SortFunc(list, func(a, b user.SubID) int { return cmp.Compare(a.SubID, b.SubID) })
	start := int64(firstID)
	for _, s := range list {
		if s.SubID >= start+65536 {
			break
		}
		start = max(start, s.SubID+s.Count)
	}
	return uint32(start), errors.Join(err1, err2)
}

// findStorage chooses a range as containers/storage does when it creates a user:
// in one file, then in the other.
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
