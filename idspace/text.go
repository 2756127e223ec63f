package idspace

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/usernskit/usernskit/internal/text"
)

// Text configures [Space.WriteText]. The zero Text breaks no line, and draws with
// line-drawing characters and no colour, as for a file.
type Text struct {
	Width int  // in columns, at least 40; 0 breaks no line
	ASCII bool // only ASCII characters
	Color bool // with the escape sequences of a terminal
}

// WriteText draws the space for a terminal, from ID 0 downwards. There is one
// line for each interval; gaps are one line whatever their size, so the axis is
// not to scale, and accounts or reserved ranges that follow one another share a
// line. The length of a bar is the logarithm of the number of IDs. The IDs inside
// namespaces are at the right. An overlap is marked on the lines of both, which
// are red in colour, and explained below the second. A line that is too long is
// broken.
func (s Space) WriteText(w io.Writer, t Text) error {
	width := max(cmp.Or(t.Width, 80), 40)
	d := drawing{Text: t, out: bufio.NewWriter(w), room: width - numbers - 2, bar: min(max((width-32)/4, 3), 24)}
	d.most = d.room
	if t.Width == 0 {
		d.most = math.MaxInt32
	}
	rows := s.rows()
	head := textLine{color: "1", number: "host " + s.IDs.String(), axis: " "}
	if slices.ContainsFunc(rows, func(r row) bool { return len(r.Uses) > 0 }) {
		head.right = "inside"
	}
	d.add(head)
	for _, r := range rows {
		d.row(r)
	}
	if s.Caption != "" {
		for _, line := range wrap(d.plain(s.title()), d.most+numbers+2) {
			d.out.WriteString(d.paint("1", line) + "\n")
		}
		d.out.WriteString("\n")
	}
	d.write()
	d.legend(rows, width)
	return d.out.Flush()
}

type drawing struct {
	Text
	out   *bufio.Writer
	bar   int // columns of the longest bar
	room  int // columns to the right of the axis, for which names are chosen
	most  int // the same, at which lines are broken
	lines []textLine
}

// A textLine is a line of a text picture, before it is broken where it is too
// long. right has the IDs inside namespaces.
type textLine struct{ color, number, axis, bar, left, right string }

// numbers is how many columns the longest ID takes.
const numbers = 10

func (d *drawing) row(r row) {
	if r.gap {
		d.add(textLine{color: "2", axis: gapAxis, left: r.gapWords()})
		return
	}
	color, axis := kindColors[r.Kind], "┤"
	if r.red {
		color, axis = clashColor, "✗"
	}
	bar := strings.Repeat(kindBars[r.Kind], 1+(d.bar-1)*bits.Len64(r.ids-1)/32)
	bar = runewidth.FillRight(bar, d.bar)
	d.add(textLine{color, strconv.FormatUint(uint64(r.Start), 10), axis, bar, d.label(r), d.uses(r)})
	for _, o := range r.clashes {
		d.add(textLine{color: clashColor, axis: axis, left: o.words()})
	}
}

// label returns who holds the IDs of a row, how many and by which line.
func (d *drawing) label(r row) string {
	switch room := d.room - d.bar; {
	case r.Kind == KindLive:
		return some(r.Names, room/2)
	case len(r.Names) > 1:
		return some(r.Names, room)
	}
	words := joinNames(r.Names)
	if r.ids > 1 {
		words += "  " + grouped(r.ids)
	}
	if r.subordinate() {
		words += "  " + r.place()
	}
	return words
}

// uses returns the IDs of a row inside namespaces.
func (d *drawing) uses(r row) string {
	var list []string
	for _, u := range r.Uses {
		words := text.Span(u.ID, r.Count)
		switch {
		case len(u.Names) == 0:
			words = "container " + words
		case r.Kind != KindLive || len(r.Uses) > 1:
			words += " in " + some(u.Names, (d.room-d.bar)/3)
		}
		list = append(list, words)
	}
	if list == nil {
		return ""
	}
	return "← " + strings.Join(list, "; ")
}

// add appends a line, in the characters that the drawing may have.
func (d *drawing) add(l textLine) {
	l.axis, l.bar, l.left, l.right = d.plain(l.axis), d.plain(l.bar), d.plain(l.left), d.plain(l.right)
	d.lines = append(d.lines, l)
}

// plain replaces what is not ASCII, where nothing else may be written.
func (t Text) plain(s string) string {
	if !t.ASCII {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, asciiGlyphs.Replace(s))
}

// write writes the lines. The right column is no farther away than the longest
// line needs.
func (d *drawing) write() {
	column := 0
	for _, l := range d.lines {
		if l.right != "" {
			column = max(column, runewidth.StringWidth(l.bar+l.left+l.right)+4)
		}
	}
	column = min(column, d.most)
	for _, l := range d.lines {
		indent := max(runewidth.StringWidth(l.bar), 2) + 1 // of what does not fit in the first line
		left, right := []string{l.left}, wrap(l.right, d.most-indent)
		if runewidth.StringWidth(l.bar+l.left)+1 > d.most {
			left = wrap(l.left, d.most-indent)
		}
		last := len(left) - 1
		if gap := column - runewidth.StringWidth(l.bar+left[last]+right[0]) - 1; gap > 0 && len(right) == 1 {
			left[last] += strings.Repeat(" ", gap) + right[0]
		} else if l.right != "" {
			left = append(left, right...)
		}
		for _, text := range left {
			text = fmt.Sprintf("%*s %s%s %s", numbers, l.number, l.axis, l.bar, text)
			d.out.WriteString(d.paint(l.color, strings.TrimRight(text, " ")) + "\n")
			l.number, l.bar = "", strings.Repeat(" ", indent-1)
			if l.axis != d.plain(gapAxis) {
				l.axis = d.plain("│")
			}
		}
	}
}

// wrap breaks s at blanks, and within a word where that is longer than a line.
func wrap(s string, width int) (lines []string) {
	for runewidth.StringWidth(s) > width {
		head := runewidth.Truncate(s, max(width, 2), "")
		if i := strings.LastIndexByte(head, ' '); i > 0 && s[len(head)] != ' ' {
			head = head[:i]
		}
		lines = append(lines, strings.TrimRight(head, " "))
		s = strings.TrimLeft(s[len(head):], " ")
	}
	return append(lines, s)
}

// legend explains the bars that occur.
func (d *drawing) legend(rows []row, most int) {
	line, columns := "\n", 0
	entry := func(color, text string) {
		text = d.plain(text)
		width := runewidth.StringWidth(text)
		switch {
		case columns == 0:
		case columns+2+width > most:
			line, columns = line+"\n", 0
		default:
			line, columns = line+"  ", columns+2
		}
		line, columns = line+d.paint(color, text), columns+width
	}
	kinds, red := legend(rows)
	for _, k := range kinds {
		entry(kindColors[k], kindBars[k]+" "+kindTitles[k])
	}
	if red {
		entry(clashColor, "✗ overlap")
	}
	d.out.WriteString(line + "\n")
}

// What a text picture is drawn with.

var (
	kindBars    = [...]string{"▓", "░", "▒", "█", "◆"}
	kindColors  = [...]string{"36", "2", "33", "32", "35"} // SGR parameters of ECMA-48
	asciiGlyphs = strings.NewReplacer("▓", "+", "░", ".", "▒", "=", "█", "#", "◆", "%",
		"┤", "|", "│", "|", gapAxis, ":", "✗", "x", "←", "<-")
)

const (
	gapAxis    = "┊"
	clashColor = "1;31"
)

func (t Text) paint(color, text string) string {
	if !t.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
