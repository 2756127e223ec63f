package idspace

import (
	"fmt"
	"strings"
)

// svgHead begins a document: width, height, both again for the view box, the
// title, and the style.
const svgHead = `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" role="img" style="max-width:100%%;height:auto">
<title>%s</title>
<style>%s</style>
<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch" width="7" height="7"/><line class="hatch" y2="7"/></pattern></defs>
<rect class="paper" width="100%%" height="100%%"/>
`

// svgStyle has the colours, those of a dark page where the reader wants one, and
// ink on white paper.
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
rect.both{fill:url(#hatch)}rect.hatch{fill:var(--clash);fill-opacity:.25;stroke:none}line.hatch{stroke:var(--clash);stroke-width:4}
`

// svgLegend explains the colours that occur.
func svgLegend(rows []row, y float64) string {
	var used [Live + 1]bool
	red := false
	for _, r := range rows {
		used[r.Kind] = used[r.Kind] || !r.gap
		red = red || r.red
	}
	var b strings.Builder
	x := 60
	entry := func(class, title string) {
		fmt.Fprintf(&b, "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"12\" height=\"12\"/><text x=\"%d\" y=\"%.1f\">%s</text>\n",
			class, x, y-11, x+18, y, escape(title))
		x += 44 + 7*len(title)
	}
	for k := Account; k <= Live; k++ {
		if used[k] {
			entry(k.String(), k.title())
		}
	}
	if red {
		entry("both", "overlap")
	}
	return b.String()
}
