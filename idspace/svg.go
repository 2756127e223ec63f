package idspace

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sort"
	"strings"

	"github.com/mattn/go-runewidth"

	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
)

// The measures of an SVG, in pixels.
const (
	svgMargin = 20
	svgTop    = 76  // where the axes begin
	svgRibbon = 200 // from the axis of the namespaces to that of the host
	svgBar    = 18  // the width of an interval
	svgLane   = 22  // from one lane to the next
	svgLabel  = 18  // the height of a line of text
	svgQuiet  = 15  // the same for what nobody uses
	svgWords  = 72  // the most columns of a line of a label
	svgSmall  = 104 // the same in the smaller font
	svgLeast  = 640 // a page narrower than this scrolls, so that the text stays legible
)

// WriteSVG draws the space as an SVG document: at the right the axis of the host,
// at the left that of the namespaces, and a ribbon from each extent to its IDs on
// the host. Overlaps are red, hatched and labelled. Neither axis is to scale.
func (s Space) WriteSVG(w io.Writer) error {
	rows := s.rows()
	d := &svg{axis: newAxis(rows), ids: s.IDs, host: svgMargin}
	d.setLanes(rows)
	d.text(svgMargin, 28, "start", "caption", s.title())
	bottom := max(d.namespaces(d.insides(rows)), d.axis.end)
	d.intervals(rows)
	d.legend(rows, bottom+34)
	_, err := fmt.Fprintf(w, svgHead+"%s</svg>\n", d.width, bottom+56, d.width, bottom+56, min(d.width, svgLeast),
		escape(s.title()), svgStyle, d.out.String())
	return err
}

type svg struct {
	out          strings.Builder
	axis         axis
	ids          IDs
	inside, host float64 // where the axes are
	width        float64
	lanes        int
	lane         map[int]int // the lane of a row, by its index
}

// An inside is the use of rows by a namespace, or by several together.
type inside struct {
	label   []string
	extents []extent
}

type extent struct {
	id uint32 // the first
	on row
}

// insides collects the namespaces of the rows, in the order of their first host
// ID, each with its extents in the order of its own.
func (d *svg) insides(rows []row) []*inside {
	byName := map[string]*inside{}
	var list []*inside
	for _, r := range rows {
		for _, u := range r.Uses {
			key := strings.Join(u.Names, "\x00")
			in := byName[key]
			if in == nil {
				names := joinNames(u.Names)
				if len(u.Names) > 3 {
					names = some(u.Names, 24)
				}
				in = &inside{label: wrap(cmp.Or(names, "containers to come"), svgWords/2)}
				byName[key], list = in, append(list, in)
			}
			in.extents = append(in.extents, extent{u.ID, r})
		}
	}
	for _, in := range list {
		slices.SortFunc(in.extents, func(a, b extent) int { return cmp.Compare(a.id, b.id) })
	}
	return list
}

// namespaces draws the left axis and the ribbons, and returns where the axis
// ends.
func (d *svg) namespaces(list []*inside) float64 {
	if len(list) == 0 {
		return svgTop
	}
	const heading = "inside a namespace"
	d.inside = svgMargin + textWidth("head", heading) - svgBar
	for _, in := range list {
		for _, line := range in.label {
			d.inside = max(d.inside, svgMargin+textWidth("name", line)+10)
		}
		for _, e := range in.extents {
			d.inside = max(d.inside, svgMargin+textWidth("", d.extent(e))+10)
		}
	}
	d.host = d.inside + svgBar + svgRibbon
	y := float64(svgTop)
	d.text(d.inside+svgBar, svgTop-18, "end", "head", heading)
	for _, in := range list {
		y = max(y, min(d.axis.at(uint64(in.extents[0].on.Start)), y+160))
		for _, line := range in.label {
			d.text(d.inside-10, y+13, "end", "name", line)
			y += svgLabel
		}
		for _, e := range in.extents {
			tall := max(svgLabel, 2.2*float64(bits.Len32(e.on.Count)))
			d.text(d.inside-10, y+13, "end", "", d.extent(e))
			title := fmt.Sprintf("%s %s in %s", d.ids, text.Span(e.id, e.on.Count), strings.Join(in.label, " "))
			d.rect(d.inside, y, svgBar, tall, e.on.class(), title)
			d.ribbon(y, y+tall, e.on)
			y += tall + 4
		}
		y += 14
	}
	return y
}

// extent returns the label of an extent.
func (d *svg) extent(e extent) string { return d.ids.String() + " " + text.IDs(e.id, e.on.Count) }

// intervals draws the right axis with its labels.
func (d *svg) intervals(rows []row) {
	d.text(d.host, svgTop-18, "start", "head", "on the host")
	labels := d.laneAt(d.lanes) + 8
	used := map[uint32]float64{} // the height of the labels at an ID so far
	for _, r := range rows {
		top, bottom := d.axis.of(r.Range)
		if r.gap {
			fmt.Fprintf(&d.out, "<line class=\"gap\" x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\"/>\n", d.host+svgBar/2, top+2, d.host+svgBar/2, bottom-2)
		} else {
			left, bar := d.laneAt(d.lane[r.index]), float64(svgBar)
			if r.Kind == KindReserved && !r.red {
				left, bar = left+svgBar/3, svgBar/3
			}
			d.rect(left, top, bar, bottom-top, r.class(), text.IDs(r.Start, r.Count)+"  "+joinNames(r.Names))
			for _, o := range r.clashes {
				d.both(r, o)
			}
		}
		for _, l := range r.label() {
			d.text(labels, top+used[r.Start]+r.tall()-4, "start", l.class, l.text)
			used[r.Start] += r.tall()
		}
	}
}

// A labelLine is a line of a row's label.
type labelLine struct{ class, text string }

// label returns what is beside a row on the host's axis.
func (r row) label() (list []labelLine) {
	width := svgWords
	if r.tall() == svgQuiet {
		width = svgSmall
	}
	add := func(class, text string) {
		for _, line := range wrap(text, width) {
			list = append(list, labelLine{class, line})
		}
	}
	if r.gap {
		add("free", r.gapWords())
		return list
	}
	words := text.IDs(r.Start, r.Count) + "  " + some(r.Names, 3*svgWords)
	if r.subordinate() {
		words += " (" + r.place() + ")"
	}
	add(r.class(), words)
	for _, o := range r.clashes {
		add("clash", "✗ overlap: "+o.words())
	}
	return list
}

// laneAt returns the left edge of a lane.
func (d *svg) laneAt(lane int) float64 { return d.host + float64(svgLane*lane) }

// both marks the IDs that two rows share, across the lanes from one to the other.
func (d *svg) both(r row, o other) {
	a, b := d.lane[r.index], d.lane[r.index]
	if n, ok := d.lane[o.index]; ok { // else it is not drawn
		a, b = min(a, n), max(b, n)
	}
	left, right := d.laneAt(a), d.laneAt(b)+svgBar
	top, bottom := d.axis.of(o.shared)
	d.rect(left, top, right-left, bottom-top, "both", o.words())
}

// class returns the CSS class of a row.
func (r row) class() string {
	if r.red {
		return r.Kind.String() + " clash"
	}
	return r.Kind.String()
}

// ribbon draws a ribbon from y0 and y1 on the left axis to the row on the right.
func (d *svg) ribbon(y0, y1 float64, r row) {
	x0 := d.inside + svgBar
	mid := (x0 + d.host) / 2
	class := r.class()
	if r.background() {
		class += " background"
	}
	x1 := d.laneAt(d.lane[r.index])
	z0, z1 := d.axis.of(r.Range)
	fmt.Fprintf(&d.out, "<path class=\"ribbon %s\" d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1fH%.1fV%.1fH%.1fC%.1f %.1f %.1f %.1f %.1f %.1fZ\"/>\n",
		class, x0, y0, mid, y0, mid, z0, d.host, z0, x1, z1, d.host, mid, z1, mid, y1, x0, y1)
}

func (d *svg) rect(x, y, width, tall float64, class, title string) {
	fmt.Fprintf(&d.out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%s</title></rect>\n",
		class, x, y, width, max(tall, 2), escape(title))
}

func (d *svg) text(x, y float64, anchor, class, text string) {
	if anchor == "start" {
		d.width = max(d.width, x+textWidth(class, text)+svgMargin)
	}
	fmt.Fprintf(&d.out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", class, x, y, anchor, escape(text))
}

// textWidth returns a width that is enough for a text in the fonts of svgStyle.
func textWidth(class, text string) float64 {
	em := 0.64 * 13
	switch class {
	case "free", "reserved":
		em = 0.62 * 11
	case "caption":
		em = 0.7 * 16
	case "head", "name", "owner", "remap", "live", "owner clash", "remap clash", "live clash":
		em = 0.7 * 13
	}
	return em * float64(runewidth.StringWidth(text))
}

// escape makes any text fit for XML.
func escape(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a Builder never fails
	return b.String()
}

// svgHead begins a document: width, height, both again for the view box, the
// least width, the title, and the style.
const svgHead = `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" style="max-width:100%%;min-width:%.0fpx;height:auto">
<title>%s</title>
<style>%s</style>
<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch" width="7" height="7"/><line class="hatch" y2="7"/></pattern></defs>
<rect class="paper" width="100%%" height="100%%"/>
`

// svgStyle has the colours for light and dark pages, and for paper.
const svgStyle = `
svg{--ink:#1f2937;--faint:#6b7280;--paper:#fff;--account:#0e7490;--reserved:#c8cdd5;--owner:#c2790a;--remap:#15803d;--live:#7e22ce;--clash:#dc2626}
@media(prefers-color-scheme:dark){svg{--ink:#e5e7eb;--faint:#9ca3af;--paper:#111827;--account:#22b8cf;--reserved:#4b5563;--owner:#f0b04c;--remap:#4ade80;--live:#c084fc;--clash:#f87171}}
@media print{svg{--ink:#000;--faint:#555;--paper:#fff;--account:#0e7490;--reserved:#bbb;--owner:#c2790a;--remap:#15803d;--live:#7e22ce;--clash:#dc2626}}
text{font:13px system-ui,"DejaVu Sans",sans-serif;fill:var(--ink)}
rect.both{stroke:none}.head{font-weight:600;fill:var(--faint)}.name{font-weight:600}.paper{fill:var(--paper)}
text.free,text.reserved{fill:var(--faint);font-size:11px}text.reserved.clash,text.clash{fill:var(--clash);font-size:13px}
text.owner,text.remap,text.live{font-weight:600}.caption{font-size:16px;font-weight:600}
.gap{stroke:var(--faint);stroke-width:2;stroke-dasharray:2 4}
rect.account{fill:var(--account)}rect.reserved{fill:var(--reserved)}rect.owner{fill:var(--owner)}rect.remap{fill:var(--remap)}rect.live{fill:var(--live)}
path.account{fill:var(--account)}path.owner{fill:var(--owner)}path.remap{fill:var(--remap)}path.live{fill:var(--live)}
rect.clash{stroke:var(--clash);stroke-width:2}
.ribbon{fill-opacity:.28}.background{fill-opacity:.1}rect{stroke:var(--paper)}path.clash{stroke:var(--clash);stroke-opacity:.6}
rect.both{fill:url(#hatch)}rect.hatch{fill:var(--clash);fill-opacity:.15;stroke:none}line.hatch{stroke:var(--clash);stroke-width:3}
`

// legend explains the colours that occur.
func (d *svg) legend(rows []row, y float64) {
	x := float64(svgMargin)
	entry := func(class, title string) {
		d.rect(x, y-11, 12, 12, class, title)
		d.text(x+18, y, "start", "", title)
		x += 38 + textWidth("", title)
	}
	kinds, red := legend(rows)
	for _, k := range kinds {
		entry(k.String(), kindTitles[k])
	}
	if red {
		entry("both", "overlap")
	}
}

// An axis places IDs from top to bottom. It is cut into pieces where intervals
// begin or end, each with its own scale, because a linear axis would show only
// gaps.
type axis struct {
	pieces []piece
	end    float64 // of the last piece
}

// A piece of an axis has the IDs from first to before end.
type piece struct {
	first, end uint64
	top, tall  float64
}

// newAxis cuts the IDs at the borders of the rows and gives each piece room for
// the labels of the rows that begin in it.
func newAxis(rows []row) axis {
	labels := map[uint64]float64{} // the height of those of rows that begin at an ID
	holders := map[uint64]int{}    // how many begin at an ID, less how many end
	ranges := 0
	var cuts []uint64
	for _, r := range rows {
		first, end := uint64(r.Start), end(r.Range)
		cuts = append(cuts, first, end)
		labels[first] += r.tall() * float64(len(r.label()))
		if !r.gap && !r.background() && r.Kind != KindReserved {
			holders[first]++
			holders[end]--
			ranges++
		}
	}
	scale := min(2.8, max(1.2, 45/float64(ranges+1))) // of the logarithm; smaller if there are many
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	a := axis{end: svgTop}
	held := 0
	for i := 0; i+1 < len(cuts); i++ {
		p := piece{first: cuts[i], end: cuts[i+1], top: a.end}
		held += holders[p.first]
		p.tall = max(labels[p.first], 4)
		if held > 0 && p.end-p.first > 1 {
			p.tall = max(p.tall, scale*float64(bits.Len64(p.end-p.first)))
		}
		a.pieces = append(a.pieces, p)
		a.end += p.tall
	}
	return a
}

// tall returns the height of a line of a row's label, larger for used IDs.
func (r row) tall() float64 {
	if r.gap || r.Kind == KindReserved && !r.red {
		return svgQuiet
	}
	return svgLabel
}

// at returns where the edge before an ID is.
func (a axis) at(id uint64) float64 {
	i := sort.Search(len(a.pieces), func(i int) bool { return a.pieces[i].end > id })
	if i == len(a.pieces) {
		return a.end
	}
	p := a.pieces[i]
	return p.top + p.tall*float64(id-min(id, p.first))/float64(p.end-p.first)
}

// of returns where a range begins and ends.
func (a axis) of(r subid.Range) (top, bottom float64) {
	return a.at(uint64(r.Start)), a.at(end(r))
}

// maxLanes is how many overlapping rows are drawn side by side. Where more
// overlap, they share the last lane.
const maxLanes = 8

// setLanes gives each row the first lane that is free. The namespaces that have
// the host's IDs come last, since they overlap everything.
func (d *svg) setLanes(rows []row) {
	d.lane = map[int]int{}
	var free []uint64 // the first ID from which each lane is free
	for _, r := range rows {
		if r.gap || r.background() {
			continue
		}
		n := slices.IndexFunc(free, func(id uint64) bool { return id <= uint64(r.Start) })
		if n < 0 {
			n = min(len(free), maxLanes-1)
		}
		if n == len(free) {
			free = append(free, 0)
		}
		free[n] = max(free[n], end(r.Range))
		d.lane[r.index] = n
	}
	d.lanes = max(len(free), 1)
	for _, r := range rows {
		if !r.gap && r.background() {
			d.lane[r.index] = d.lanes
			d.lanes++
		}
	}
}
