package idspace

import (
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/usernskit/usernskit/internal/text"
)

// Text configures [Space.WriteText]. The zero Text draws for 80 columns with
// line-drawing characters and no colour.
type Text struct {
	Width int  // in columns; 0 is 80, and less than 40 is 40
	Whole bool // break no line at the width, as for a file
	ASCII bool // only ASCII characters
	Color bool // with the escape sequences of a terminal
	// Caption says of which host the picture is and when it was drawn. It may be
	// empty.
	Caption string
}

// WriteText draws the space for a terminal, from ID 0 downwards. There is one
// line for each interval; gaps are one line whatever their size, so the axis is
// not to scale, and accounts or reserved ranges that follow one another share a
// line. The length of a bar is the logarithm of the number of IDs. What the IDs
// are inside of namespaces is at the right. Overlaps are marked on the lines
// of both, which are red in colour, and explained below the second. A line that
// is too long is broken.
func (s Space) WriteText(w io.Writer, t Text) error {
	if t.Width == 0 {
		t.Width = 80
	}
	t.Width = max(t.Width, 40)
	d := drawing{Text: t, out: bufio.NewWriter(w), used: map[Kind]bool{}}
	d.bar = min(max((t.Width-32)/4, 3), 24)
	rows := s.rows()
	head := textLine{color: "1", number: "host " + s.IDs.String(), axis: " "}
	if slices.ContainsFunc(rows, func(r row) bool { return len(r.Uses) > 0 }) {
		head.right = "inside"
	}
	d.add(head)
	for _, r := range rows {
		d.row(r)
	}
	if t.Caption != "" {
		for _, line := range wrap(d.plain(s.IDs.String()+" space of "+t.Caption), t.Width) {
			d.out.WriteString(d.paint("1", line) + "\n")
		}
		d.out.WriteString("\n")
	}
	d.write()
	d.legend()
	return d.out.Flush()
}

type drawing struct {
	Text
	out    *bufio.Writer
	bar    int // columns of the longest bar
	used   map[Kind]bool
	hasRed bool
	lines  []textLine
}

// A textLine is a line of a text picture, before it is broken where it is too
// long: right is what the IDs are inside of namespaces.
type textLine struct{ color, number, axis, bar, left, right string }

// numbers is how many columns the longest ID takes.
const numbers = 10

func (d *drawing) row(r row) {
	if r.gap {
		d.add(textLine{color: "2", axis: d.glyph("┊", ":"), left: r.gapWords()})
		return
	}
	d.used[r.Kind] = true
	color, axis := kindColors[r.Kind], d.glyph("┤", "|")
	if r.red {
		d.hasRed = true
		color, axis = clashColor, d.glyph("✗", "x")
	}
	bar := strings.Repeat(d.glyph(kindBars[r.Kind], kindASCII[r.Kind]), 1+(d.bar-1)*bits.Len64(r.ids-1)/32)
	bar += strings.Repeat(" ", d.bar-runewidth.StringWidth(bar))
	d.add(textLine{color, strconv.FormatUint(uint64(r.Start), 10), axis, bar, d.label(r), d.uses(r)})
	for _, o := range r.clashes {
		d.add(textLine{color: clashColor, axis: axis, left: clashWords(o)})
	}
}

// gapWords describes a gap.
func (r row) gapWords() string {
	text := grouped(uint64(r.Count)) + " free"
	if r.purpose != "" {
		text += " for " + r.purpose
	}
	return text
}

func clashWords(o Overlap) string {
	shared := span(o.Start, o.Count)
	switch o.A.Kind {
	case KindReserved:
		return shared + " reserved: " + o.A.who()
	case KindLive:
		return shared + " also in the map of " + o.A.who()
	}
	return shared + " also of " + o.A.who()
}

// label says who holds the IDs of a row, how many and by which line.
func (d *drawing) label(r row) string {
	room := d.room() - d.bar
	if d.Whole {
		room = max(room, 60)
	}
	switch {
	case r.Kind == KindLive:
		return some(r.Names, room/2)
	case len(r.Names) > 1:
		return some(r.Names, room)
	}
	words := text.Visible(r.Names[0])
	if r.ids > 1 {
		words += "  " + grouped(r.ids)
	}
	if r.Kind == KindOwner || r.Kind == KindRemap {
		words += "  " + r.place()
	}
	return words
}

// uses says what the IDs of a row are inside.
func (d *drawing) uses(r row) string {
	var list []string
	for _, u := range r.Uses {
		text := span(u.ID, r.Count)
		switch {
		case len(u.Names) == 0:
			text = "container " + text
		case r.Kind != KindLive || len(r.Uses) > 1:
			text += " in " + some(u.Names, (d.room()-d.bar)/3)
		}
		list = append(list, text)
	}
	if list == nil {
		return ""
	}
	return d.glyph("← ", "<- ") + strings.Join(list, "; ")
}

// room is how many columns there are to the right of the axis.
func (d *drawing) room() int { return d.Width - numbers - 2 }

// add appends a line, in the characters that the drawing may have.
func (d *drawing) add(l textLine) {
	l.left, l.right = d.plain(l.left), d.plain(l.right)
	d.lines = append(d.lines, l)
}

func (t Text) plain(s string) string {
	if !t.ASCII {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, s)
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
	if !d.Whole {
		column = min(column, d.room())
	}
	for _, l := range d.lines {
		indent := max(runewidth.StringWidth(l.bar), 2) + 1 // of what does not fit in the first line
		left, right := []string{l.left}, []string{l.right}
		if !d.Whole && runewidth.StringWidth(l.bar+l.left)+1 > d.room() {
			left = wrap(l.left, d.room()-indent)
		}
		if !d.Whole {
			right = wrap(l.right, d.room()-indent)
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
			if l.axis != d.glyph("┊", ":") {
				l.axis = d.glyph("│", "|")
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
func (d *drawing) legend() {
	d.out.WriteString("\n")
	column := 0
	entry := func(color, text string) {
		width := runewidth.StringWidth(text)
		switch {
		case column == 0:
		case column+2+width > d.Width:
			d.out.WriteString("\n")
			column = 0
		default:
			d.out.WriteString("  ")
			column += 2
		}
		column += width
		d.out.WriteString(d.paint(color, text))
	}
	for k, title := range kindTitles {
		if d.used[Kind(k)] {
			entry(kindColors[k], d.glyph(kindBars[k], kindASCII[k])+" "+title)
		}
	}
	if d.hasRed {
		entry(clashColor, d.glyph("✗", "x")+" overlap")
	}
	d.out.WriteString("\n")
}

// What a text picture is drawn with.

var (
	kindBars   = [...]string{"▓", "░", "▒", "█", "◆"}
	kindASCII  = [...]string{"+", ".", "=", "#", "%"}
	kindColors = [...]string{"36", "2", "33", "32", "35"} // SGR parameters of ECMA-48
	kindTitles = [...]string{"account", "reserved", "subordinate range", "dockerd's range", "in use"}
)

const clashColor = "1;31"

// glyph returns the second form where only ASCII may be written.
func (t Text) glyph(unicode, ascii string) string {
	if t.ASCII {
		return ascii
	}
	return unicode
}

func (t Text) paint(color, text string) string {
	if !t.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}
