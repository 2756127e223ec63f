package subid

import (
	"bufio"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
)

// asDockerd runs the parser that dockerd runs. That passes entries to its
// filter in the order of the lines that are not blank, which gives their numbers.
func (f *File) asDockerd(o Owner) ([]Reading, error) {
	var list []Reading
	number, rest := 0, f.text
	_, err := user.ParseSubIDFilter(strings.NewReader(f.text), func(entry user.SubID) bool {
		for blank := true; blank; number++ {
			var text string
			text, rest, _ = strings.Cut(rest, "\n")
			blank = strings.TrimSpace(text) == ""
		}
		if o.is(entry.Name) {
			list = append(list, Reading{Line: number, Start: entry.SubID, Count: entry.Count})
		}
		return false
	})
	if err != nil {
		return nil, f.refuse(Dockerd, f.longLine(), err.Error())
	}
	return list, nil
}

// asDockerd27 looks for the UID first, then for the name.
func (f *File) asDockerd27(o Owner) ([]Reading, error) {
	for _, owner := range []string{o.uid(), o.Name} {
		if owner == "" {
			continue
		}
		list, err := f.scanGo(Dockerd27, func(field string) bool { return field == owner })
		if len(list) > 0 || err != nil {
			return list, err
		}
	}
	return nil, nil
}

// asContainersStorage sorts by start: the file's order does not count there.
func (f *File) asContainersStorage(o Owner) ([]Reading, error) {
	list, err := f.scanGo(ContainersStorage, o.is)
	slices.SortStableFunc(list, func(a, b Reading) int { return cmp.Compare(a.Start, b.Start) })
	return list, err
}

// scanGo is the loop that both strict readers written in Go have.
func (f *File) scanGo(r Reader, match func(owner string) bool) ([]Reading, error) {
	var list []Reading
	number, lines := 0, bufio.NewScanner(strings.NewReader(f.text))
	for lines.Scan() {
		number++
		owner, n, err := goEntry(lines.Text(), match)
		if err != nil {
			return nil, f.refuse(r, number, err.Error())
		}
		if owner != "" {
			n.Line = number
			list = append(list, n)
		}
	}
	if err := lines.Err(); err != nil && r == Dockerd27 {
		// containers/storage takes what it has so far for the whole file.
		return nil, f.refuse(r, number+1, err.Error())
	}
	return list, nil
}

var errFields = errors.New("not three fields")

// goEntry reads a line strictly: three fields, and plain numbers where the
// line is one of those asked for. Comments and blank lines have no owner.
func goEntry(text string, match func(owner string) bool) (owner string, n Reading, err error) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return "", n, nil
	}
	fields := strings.Split(text, ":")
	if len(fields) != 3 {
		return "", n, errFields
	}
	if !match(fields[0]) {
		return "", n, nil
	}
	if n.Start, err = strconv.ParseInt(fields[1], 10, 64); err == nil {
		n.Count, err = strconv.ParseInt(fields[2], 10, 64)
	}
	return fields[0], n, err
}

// longLine returns the first line that does not fit into a bufio.Scanner, or 0.
// From the start of a line it goes to that of the last one that starts in the
// size of the buffer: no line between can be too long.
func (f *File) longLine() int {
	at := 0
	for at+bufio.MaxScanTokenSize <= len(f.text) {
		last := strings.LastIndexByte(f.text[at:at+bufio.MaxScanTokenSize], '\n')
		if last < 0 {
			return strings.Count(f.text[:at], "\n") + 1
		}
		at += last + 1
	}
	return 0
}
