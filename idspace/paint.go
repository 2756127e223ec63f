package idspace

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
