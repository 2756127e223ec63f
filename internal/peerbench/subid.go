package peerbench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/user"

	"github.com/usernskit/usernskit/subid"
)

// subidFile makes a subuid file of well-formed lines, each owner with one,
// which all peers read alike.
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

// A tally sums up what was read: a line left out, or read as another number or
// owner, gives another tally.
type tally struct{ ranges, owners, starts, counts uint64 }

func (t *tally) add(owner string, start, count uint64) {
	t.ranges++
	t.owners += uint64(len(owner))
	t.starts += start
	t.counts += count
}

// count adds a line and spares moby/sys/user the list.
func (t *tally) count(s user.SubID) bool {
	t.add(s.Name, uint64(s.SubID), uint64(s.Count))
	return false
}

// tallyOf is that of subidFile.
func tallyOf(lines int) (t tally) {
	for i := range lines {
		t.add("user"+strconv.Itoa(i), uint64(firstID+i*perLine), perLine)
	}
	return t
}

// ParseTextRows reads every range of a text in memory, with its owner. Only
// moby/sys/user can be asked: the others read from a path.
func ParseTextRows(sizes ...int) []Row {
	var rows []Row
	for _, n := range sizes {
		text, all := subidFile(n), tallyOf(n)
		rows = append(rows, Row{
			Work: "parse subuid, text in memory", Size: size(n, "lines"), Units: n, Target: 5,
			Sides: []Side{
				side("usernskit", func() (t tally, err error) {
					for c := range subid.Parse(subid.UIDFile, []byte(text)).Ranges() {
						t.add(c.Owner, uint64(c.Range.Start), uint64(c.Range.Count))
					}
					return t, nil
				}, equals(all)),
				side("moby/sys/user", func() (t tally, err error) {
					_, err = user.ParseSubIDFilter(bytes.NewReader(text), t.count)
					return t, err
				}, equals(all)),
			},
		})
	}
	return rows
}

const tellsNoOwners = "does not tell whose a range is"

// ParseRows is ParseTextRows with the file on the disk.
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
			Work: "parse subuid", Size: size(n, "lines"), Units: n, Target: 5,
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

// OwnerRows reads the ranges of one owner, who has the last line of the file.
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
			Work: "ranges of one owner", Size: size(n, "lines"), Units: n, Target: 5,
			Sides: append([]Side{
				side("usernskit", func() (tally, error) { return ownerOurs(path, owner) }, equals(want)),
				side("moby/sys/user", func() (tally, error) { return ownerMoby(path, owner) }, equals(want)),
				side("containers/storage", func() (tally, error) { return parseStorage(path, owner) }, equals(want)),
				side("rootlesskit", func() (tally, error) { return ownerRootlesskit(path, owner) }, equals(want)),
			}, incusOwner(path, owner, want)...),
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
