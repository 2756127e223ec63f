package main

import (
	"fmt"
	"strings"
)

// help is what --help prints: a screen of 80 columns and 24 lines, and so
// without the frame that the cli package puts around each part.
func (n node) help() string {
	const width = 80
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", fold(n.full+" - "+n.Usage, 4, width))
	fmt.Fprintf(&b, "Usage: %s\n", n.synopsis())
	text, example := n.description()
	if text != "" {
		fmt.Fprintf(&b, "\n%s\n", text)
	}
	if example != "" {
		fmt.Fprintf(&b, "\nExample: %s\n", example)
	}
	var names, texts []string
	for _, sub := range n.below() {
		names, texts = append(names, sub.Name), append(texts, sub.Usage)
	}
	columns(&b, names, texts, width)
	names, texts = nil, nil
	for _, d := range n.flags() {
		if d.repeated && !strings.Contains(d.text, "repeated") {
			d.text += "; may be repeated"
		}
		names, texts = append(names, d.spelled()), append(texts, d.text)
	}
	columns(&b, names, texts, width)
	if !n.root {
		b.WriteString("\nOf every command: --root DIR, --json, --color WHEN, --help; see remapctl --help\n")
	}
	return b.String()
}

// columns writes names and what they are beside one another, each text folded in
// its own column.
func columns(b *strings.Builder, names, texts []string, width int) {
	left := 0
	for _, name := range names {
		left = max(left, len(name)+4)
	}
	for i, name := range names {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "  %-*s%s\n", left-2, name, strings.ReplaceAll(fold(texts[i], 0, width-left), "\n", "\n"+strings.Repeat(" ", left)))
	}
}
