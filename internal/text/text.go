// Package text makes foreign text safe to print, and prints counts, ranges of IDs and sizes.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Visible returns s in a form that is safe to show: control characters, bytes
// that are not UTF-8 and characters that change the direction or the place of
// text become Go escapes (\x1b, \n, \u202e), so that a name in a file cannot
// move a cursor or hide a line. All other characters stay as they are.
func Visible(s string) string { return visible(s, "") }

// VisibleLines is [Visible] for a text of several lines: line feeds and tabs
// stay as they are.
func VisibleLines(s string) string { return visible(s, "\n\t") }

func visible(s, keep string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"): // a byte that is not UTF-8
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case strconv.IsGraphic(r), strings.ContainsRune(keep, r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToGraphic(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// Count returns a number with its noun: "1 image", "2 images".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// IDs returns IDs with their number: "100000-165535 (65536 IDs)", or one ID.
func IDs(first, count uint32) string {
	if count == 1 {
		return Span(first, count)
	}
	return fmt.Sprintf("%s (%d IDs)", Span(first, count), count)
}

// Span returns the first and the last of some IDs: "100000-165535", or one ID.
func Span(first, count uint32) string {
	s := strconv.FormatUint(uint64(first), 10)
	if count > 1 {
		s += "-" + strconv.FormatUint(uint64(first)+uint64(count)-1, 10)
	}
	return s
}

// Spans returns the spans of several runs of IDs, with commas between them.
func Spans[T any](list []T, run func(T) (first, count uint32)) string {
	spans := make([]string, len(list))
	for i, r := range list {
		spans[i] = Span(run(r))
	}
	return strings.Join(spans, ", ")
}

// Bytes returns a size of n bytes as docker(1) prints it, in powers of 1000.
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n), -1
	for value >= 1000 && unit < 4 {
		value /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", value, "kMGTP"[unit])
}
