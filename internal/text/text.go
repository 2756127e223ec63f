// Package text makes what others wrote safe to print, and puts numbers into words.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Visible returns s as it can be shown to a person: control characters, bytes
// that are not UTF-8 and characters that change the direction or the place of
// text become Go escapes (\x1b, \n, \u202e), so that a name in a file cannot
// move a cursor or hide a line. All other characters stay as they are.
func Visible(s string) string {
	clean := true
	for i, r := range s {
		if !shown(s[i:], r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case shown(s[i:], r):
			b.WriteRune(r)
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		default:
			quoted := strconv.QuoteRuneToGraphic(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// VisibleLines is [Visible] for a text of several lines: line feeds and tabs
// stay as they are.
func VisibleLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		words := strings.Split(line, "\t")
		for j, word := range words {
			words[j] = Visible(word)
		}
		lines[i] = strings.Join(words, "\t")
	}
	return strings.Join(lines, "\n")
}

// shown reports whether r, which rest begins with, is shown as it is.
func shown(rest string, r rune) bool {
	if r == utf8.RuneError && !strings.HasPrefix(rest, "\uFFFD") {
		return false // a byte that is not UTF-8
	}
	return strconv.IsGraphic(r)
}

// Count is a number of things: "1 image", "2 images".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Bytes prints a size as docker(1) does, in powers of ten.
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
