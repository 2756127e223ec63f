package idspace

import (
	"fmt"
	"strings"
)

// svgHead begins a document: width, height, both again for the view box, which
// IDs, and the style.
const svgHead = `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %d %.0f" role="img">
<title>%s space of the host</title>
<style>%s</style>
<rect class="paper" width="100%%" height="100%%"/>
`

// svgStyle has the colours, those of a dark page where the reader wants one.
const svgStyle = `
svg{--ink:#1f2937;--faint:#6b7280;--paper:#fff;--account:#0e7490;--reserved:#9ca3af;--owner:#c2790a;--remap:#15803d;--live:#7e22ce;--clash:#dc2626}
@media(prefers-color-scheme:dark){svg{--ink:#e5e7eb;--faint:#9ca3af;--paper:#111827;--account:#22b8cf;--reserved:#6b7280;--owner:#f0b04c;--remap:#4ade80;--live:#c084fc;--clash:#f87171}}
text{font:13px system-ui,"DejaVu Sans",sans-serif;fill:var(--ink)}
rect.both{stroke:none}.head{font-weight:600;fill:var(--faint)}.name{font-weight:600}.paper{fill:var(--paper)}
text.free,text.reserved{fill:var(--faint)}text.clash{fill:var(--clash)}
.gap{stroke:var(--faint);stroke-width:2;stroke-dasharray:2 4}
rect.account{fill:var(--account)}rect.reserved{fill:var(--reserved)}rect.owner{fill:var(--owner)}rect.remap{fill:var(--remap)}rect.live{fill:var(--live)}
path.account{fill:var(--account)}path.owner{fill:var(--owner)}path.remap{fill:var(--remap)}path.live{fill:var(--live)}
rect.clash{stroke:var(--clash);stroke-width:2}
.ribbon{fill-opacity:.28}.background{fill-opacity:.1}rect{stroke:var(--paper)}path.clash{stroke:var(--clash);stroke-opacity:.6}
rect.both{fill:var(--clash);fill-opacity:.45}
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
