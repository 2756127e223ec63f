package idspace

import (
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"strconv"
	"strings"
	"unicode"

	"github.com/mattn/go-runewidth"

	"github.com/usernskit/usernskit/internal/text"
)

// Text says how [Space.WriteText] draws. The zero Text draws for 80 columns with
// line-drawing characters and no colour.
type Text struct {
	Width int  // in columns; 0 is 80, and less than 40 is 40
	Whole bool // cut nothing at the width, as for a file
	ASCII bool // no other characters than those
	Color bool // with the escape sequences of a terminal
}

// WriteText draws the space for a terminal, from ID 0 downwards. There is one
// line for each interval; gaps are one line whatever their size, so the axis is
// not to scale, and accounts or reserved ranges that follow one another share a
// line. The length of a bar is the logarithm of the number of IDs. What the IDs
// are inside of namespaces is at the right. Overlaps are marked on the lines
// of both, which are red in colour, and told below the second.
func (s Space) WriteText(w io.Writer, t Text) error {
	if t.Width == 0 {
		t.Width = 80
	}
	t.Width = max(t.Width, 40)
	d := drawing{Text: t, out: bufio.NewWriter(w), used: map[Kind]bool{}}
	d.bar = min(max((t.Width-32)/4, 3), 24)
	d.line("1", "host "+s.IDs.String(), " ", "", "inside")
	for _, r := range s.rows() {
		d.row(r)
	}
	d.legend()
	return d.out.Flush()
}

// A drawing is a text picture in the making.
type drawing struct {
	Text
	out    *bufio.Writer
	bar    int // columns of the longest bar
	used   map[Kind]bool
	hasRed bool
}

// numbers is how many columns the longest ID takes.
const numbers = 10

func (d *drawing) row(r row) {
	if r.gap {
		d.line("2", "", d.glyph("┊", ":"), " "+r.gapWords(), "")
		return
	}
	d.used[r.Kind] = true
	color, axis := r.Kind.color(), d.glyph("┤", "|")
	if r.red {
		d.hasRed = true
		color, axis = clashColor, d.glyph("✗", "x")
	}
	bar := strings.Repeat(r.Kind.glyph(d.ASCII), 1+(d.bar-1)*bits.Len64(r.ids-1)/32)
	bar += strings.Repeat(" ", d.bar-runewidth.StringWidth(bar))
	d.line(color, strconv.FormatUint(uint64(r.Start), 10), axis, bar+" "+d.label(r), d.uses(r))
	for _, o := range r.clashes {
		d.line(clashColor, "", axis, " "+clashWords(o), "")
	}
}

// gapWords says how large a gap is and what it is for.
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

// line writes a line: a number, the axis, and what is to be told to the left and
// to the right. The right part is cut to half of the room beside a bar where the
// left one needs the rest.
func (d *drawing) line(color, number, axis, left, right string) {
	room := d.room()
	if right != "" {
		right = " " + d.cut(right, max((room-d.bar)/2, room-1-runewidth.StringWidth(left)))
	}
	left = d.cut(left, room-runewidth.StringWidth(right))
	gap := strings.Repeat(" ", max(0, room-runewidth.StringWidth(left)-runewidth.StringWidth(right)))
	text := strings.TrimRight(fmt.Sprintf("%*s %s%s%s%s", numbers, number, axis, left, gap, right), " ")
	d.out.WriteString(d.paint(color, text) + "\n")
}

// cut shortens a text to a number of columns, in the characters that the drawing
// may have.
func (t Text) cut(s string, width int) string {
	if t.ASCII {
		s = strings.Map(func(r rune) rune {
			if r > unicode.MaxASCII {
				return '?'
			}
			return r
		}, s)
	}
	if t.Whole {
		return s
	}
	return runewidth.Truncate(s, max(width, 0), t.glyph("…", "..."))
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
	for _, k := range []Kind{KindAccount, KindReserved, KindOwner, KindRemap, KindLive} {
		if d.used[k] {
			entry(k.color(), k.glyph(d.ASCII)+" "+k.title())
		}
	}
	if d.hasRed {
		entry(clashColor, d.glyph("✗", "x")+" overlap")
	}
	d.out.WriteString("\n")
}

// What a text picture is drawn with.

// glyph returns what bars of the kind are made of.
func (k Kind) glyph(ascii bool) string {
	if ascii {
		return [...]string{"+", ".", "=", "#", "%"}[k]
	}
	return [...]string{"▓", "░", "▒", "█", "◆"}[k]
}

// color returns the color of the kind as an SGR parameter of ECMA-48.
func (k Kind) color() string { return [...]string{"36", "2", "33", "32", "35"}[k] }

const clashColor = "1;31"

// title says in the legend what the kind is.
func (k Kind) title() string {
	return [...]string{"account", "reserved", "subordinate range", "dockerd's range", "in use"}[k]
}

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
