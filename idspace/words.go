package idspace

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// printable returns a name fit for a terminal: an owner field can hold any byte
// but ":" and "\n", escape sequences too.
func printable(name string) string {
	var b strings.Builder
	for len(name) > 0 {
		r, n := utf8.DecodeRuneInString(name)
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(name[0])|0x100, 16)[1:])
		case strconv.IsPrint(r):
			b.WriteString(name[:n])
		default:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
		name = name[n:]
	}
	return b.String()
}

func printables(names []string) []string {
	list := slices.Clone(names)
	for i, name := range list {
		list[i] = printable(name)
	}
	return list
}

// span writes the first and the last ID of a run.
func span(first, count uint32) string {
	s := strconv.FormatUint(uint64(first), 10)
	if count > 1 {
		s += "-" + strconv.FormatUint(uint64(first)+uint64(count)-1, 10)
	}
	return s
}

// ids is span with the number of IDs.
func ids(first, count uint32) string {
	if count == 1 {
		return span(first, count)
	}
	return fmt.Sprintf("%s (%d IDs)", span(first, count), count)
}

// grouped writes a number with a comma at every third place.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// some names a few of a list: those that fit in width columns, and how many more
// there are.
func some(names []string, width int) string {
	names = printables(names)
	for n := len(names); n > 0; n-- {
		text := strings.Join(names[:n], ", ")
		if more := len(names) - n; more > 0 {
			text += " and " + strconv.Itoa(more) + " more"
		}
		if utf8.RuneCountInString(text) <= width || n == 1 {
			return text
		}
	}
	return ""
}
