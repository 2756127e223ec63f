package reader

import (
	"bufio"
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/user"
)

// readDockerd runs dockerd's own parser. It passes entries to its filter in the
// order of the lines that are not blank, which gives their numbers.
func readDockerd(text string, o Owner) (list []Reading, bad refusal) {
	number, rest := 0, text
	_, err := user.ParseSubIDFilter(strings.NewReader(text), func(entry user.SubID) bool {
		for blank := true; blank; number++ {
			var line string
			line, rest, _ = strings.Cut(rest, "\n")
			blank = strings.TrimSpace(line) == ""
		}
		if o.is(entry.Name) {
			list = append(list, Reading{Line: number, Start: entry.SubID, Count: entry.Count})
		}
		return false
	})
	if err != nil {
		return nil, refusal{LongLine(text), err.Error()}
	}
	return list, refusal{}
}

// dockerdEntry reads one line as that parser does, without its allocations. A
// number that it cannot read is 0; one that is too large is the largest int64.
func dockerdEntry(text string) (owner string, n Reading, ok bool) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) >= bufio.MaxScanTokenSize {
		return "", n, false
	}
	owner, rest, _ := strings.Cut(text, ":")
	start, rest, _ := strings.Cut(rest, ":")
	count, _, _ := strings.Cut(rest, ":")
	n.Start, _ = strconv.ParseInt(start, 10, 64)
	n.Count, _ = strconv.ParseInt(count, 10, 64)
	return owner, n, true
}

// readDockerd27 looks for the UID first, then for the name.
func readDockerd27(text string, o Owner) (list []Reading, bad refusal) {
	for _, owner := range []string{o.uid(), o.Name} {
		if owner == "" {
			continue
		}
		list, bad = readStrict(Dockerd27, text, func(field string) bool { return field == owner })
		if len(list) > 0 || bad.why != "" {
			return list, bad
		}
	}
	return nil, refusal{}
}

// readContainersStorage sorts by start: the file's order does not count there.
func readContainersStorage(text string, o Owner) ([]Reading, refusal) {
	list, bad := readStrict(ContainersStorage, text, o.is)
	slices.SortStableFunc(list, func(a, b Reading) int { return cmp.Compare(a.Start, b.Start) })
	return list, bad
}

// readStrict is the loop of both strict readers.
func readStrict(p Program, text string, match func(owner string) bool) (list []Reading, bad refusal) {
	number, lines := 0, bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		number++
		owner, n, err := strictEntry(lines.Text(), match)
		if err != nil {
			return nil, refusal{number, err.Error()}
		}
		if owner != "" {
			n.Line = number
			list = append(list, n)
		}
	}
	if err := lines.Err(); err != nil && p == Dockerd27 {
		// containers/storage uses the lines before it.
		return nil, refusal{number + 1, err.Error()}
	}
	return list, refusal{}
}

var errFields = errors.New("not three fields")

// strictEntry reads a line strictly: three fields, and plain numbers on the
// owner's lines. Comments and blank lines have no owner.
func strictEntry(text string, match func(owner string) bool) (owner string, n Reading, err error) {
	text = strings.TrimSpace(text)
	if text == "" || text[0] == '#' {
		return "", n, nil
	}
	owner, rest, _ := strings.Cut(text, ":")
	start, count, ok := strings.Cut(rest, ":")
	if !ok || strings.Contains(count, ":") {
		return "", n, errFields
	}
	if !match(owner) {
		return "", n, nil
	}
	if n.Start, err = strconv.ParseInt(start, 10, 64); err == nil {
		n.Count, err = strconv.ParseInt(count, 10, 64)
	}
	return owner, n, err
}

// RefusesFile reports whether strict readers refuse the whole file for a line,
// for every owner.
func RefusesFile(text string) bool {
	_, _, err := strictEntry(text, func(string) bool { return false })
	return err != nil
}

// LongLine returns the number of the first line that is too long for [Dockerd],
// which then refuses the whole file, or 0.
func LongLine(text string) int {
	if len(text) < bufio.MaxScanTokenSize {
		return 0
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		if len(strings.TrimSuffix(line, "\n")) >= bufio.MaxScanTokenSize {
			return number
		}
	}
	return 0
}
