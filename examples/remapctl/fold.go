package main

import (
	"strings"
	"unicode/utf8"
)

// fold breaks text into lines of at most width columns where it has blanks.
// Lines after the first are indented by that many columns.
func fold(text string, indent, width int) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case column+1+n > width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
