package accounts

import (
	"math"
	"strconv"
	"strings"
)

// parse reads passwd or group lines. A line without a name or a number is left
// out. The file is "" for getent's output.
func parse(db DB, file, text string) []Account {
	list := make([]Account, 0, strings.Count(text, "\n")+1)
	number := 0
	for line := range strings.Lines(text) {
		number++
		fields := strings.Split(strings.TrimRight(strings.TrimLeft(line, blanks), "\r\n"), ":")
		if len(fields) < 3 || fields[0] == "" || strings.IndexByte("#+-", fields[0][0]) >= 0 {
			continue
		}
		id, ok := parseID(fields[2])
		if !ok {
			continue
		}
		a := Account{Name: fields[0], ID: id, File: file, Line: number}
		if file == "" {
			a.Line = 0
		}
		switch {
		case len(fields) < 4:
		case db == Passwd:
			a.GID, _ = parseID(fields[3])
		case fields[3] != "":
			a.Members = strings.Split(fields[3], ",")
		}
		list = append(list, a)
	}
	return list
}

// blanks are what isspace(3) takes for white space.
const blanks = " \t\v\f\r\n"

// parseID reads a number as the C library does in these files, with strtoul(3)
// and base 10: " 01000" and "+1000" are 1000 to getpwnam(3). 4294967295 is
// (uid_t)-1 and not an ID.
func parseID(s string) (uint32, bool) {
	s = strings.TrimPrefix(strings.TrimLeft(s, blanks), "+")
	if s == "" || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n < math.MaxUint32
}
