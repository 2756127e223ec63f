package daemoncfg

import "strings"

// splitWords splits as systemd does (systemd.syntax(7), "Quoting"): at white
// space, with "..." and '...' around words or parts of them, and with C escapes
// where escapes is set. An escape that C does not know stays as it is.
func splitWords(s string, escapes bool) []string {
	var (
		words []string
		b     strings.Builder
		quote byte
		open  bool // a word has begun, if only by a quote
	)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && escapes && i+1 < len(s):
			open = true
			i++
			if n := strings.IndexByte(`abfnrtvs\"'`, s[i]); n >= 0 {
				b.WriteByte("\a\b\f\n\r\t\v \\\"'"[n])
			} else {
				b.WriteString(s[i-1 : i+1])
			}
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote, open = c, true
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if open {
				words = append(words, b.String())
				b.Reset()
			}
			open = false
		default:
			open = true
			b.WriteByte(c)
		}
	}
	if open {
		words = append(words, b.String())
	}
	return words
}
