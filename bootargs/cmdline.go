package bootargs

import "iter"

// A Cmdline is one kernel command line. It is the text itself: what an edit
// does not have to change stays as it was, blanks and quotes included.
type Cmdline struct{ text string }

// Parse takes any text for a command line, as the kernel does: nothing is an
// error, and String returns the text.
//
// The grammar is that of next_arg() in the kernel's lib/cmdline.c. Blanks (the
// byte 0xA0 too) part arguments; '"' is the only quote, opens and closes
// anywhere, and cannot be escaped; the first '=' after the first byte parts
// name and value. A bare "--" ends the kernel's part.
func Parse(s string) Cmdline { return Cmdline{s} }

// String returns the text.
func (c Cmdline) String() string { return c.text }

// Args yields the arguments that the kernel reads, in order: those before "--".
func (c Cmdline) Args() iter.Seq[Arg] {
	return func(yield func(Arg) bool) {
		for t, ok := next(c.text, 0); ok && !t.ends(); t, ok = next(c.text, t.to) {
			if !yield(t.Arg) {
				return
			}
		}
	}
}

// InitArgs returns the text that the kernel hands to init: what follows the
// first bare "--".
func (c Cmdline) InitArgs() string {
	for t, ok := next(c.text, 0); ok; t, ok = next(c.text, t.to) {
		if t.ends() {
			return c.text[t.to:]
		}
	}
	return ""
}

// Effective returns the last argument of that name, which for a name that does
// not accumulate is the one in force. "-" and "_" are the same in names.
func (c Cmdline) Effective(name string) (last Arg, ok bool) {
	for a := range c.Args() {
		if sameName(a.Name, name) {
			last, ok = a, true
		}
	}
	return last, ok
}

// Equal reports whether both lines mean the same to the kernel and to init:
// the same names and values in the same order. Quoting and blanks do not
// count; GRUB writes foo="a b" back as "foo=a b".
func (c Cmdline) Equal(d Cmdline) bool {
	init := false
	t, more := next(c.text, 0)
	u, moreD := next(d.text, 0)
	for more && moreD {
		if !t.Arg.equal(u.Arg) || init && t.Name != u.Name {
			return false
		}
		init = init || t.ends()
		t, more = next(c.text, t.to)
		u, moreD = next(d.text, u.to)
	}
	return more == moreD
}

// A token is an argument and the place of its raw bytes in the line.
type token struct {
	from, to int
	open     bool // a quote was not closed: the line ends inside it
	Arg
}

// ends reports whether t ends the kernel's part. Quotes do not hide it.
func (t token) ends() bool { return !t.HasValue && t.Name == "--" }

// next returns the first token at or after pos. Between two tokens there is
// always a blank.
func next(s string, pos int) (token, bool) {
	for pos < len(s) && blank(s[pos]) {
		pos++
	}
	if pos == len(s) {
		return token{}, false
	}
	name := pos // where the name begins: past a quote that opens the token
	quoted := s[pos] == '"'
	if quoted {
		name++
	}
	equals, open, end := 0, quoted, name
	for ; end < len(s); end++ {
		switch b := s[end]; {
		case b > ' ' && b != '"' && b != '=' && b != 0xA0: // by far the most
		case b == '"':
			open = !open
		case b == '=' && equals == 0 && end > name:
			equals = end
		case blank(b) && !open:
			return cut(s, pos, name, equals, end, quoted, open), true
		}
	}
	return cut(s, pos, name, equals, end, quoted, open), true
}

// cut takes the two pairs of quotes off that the kernel takes off: around the
// whole token, and around the value.
func cut(s string, pos, name, equals, end int, quoted, open bool) token {
	t := token{from: pos, to: end, open: open}
	last := end
	if quoted && last > name && s[last-1] == '"' {
		last--
	}
	if equals == 0 {
		t.Arg = Arg{Name: s[name:last]}
		return t
	}
	value := equals + 1
	if value < end && s[value] == '"' {
		value++
		if s[end-1] == '"' {
			last = end - 1
		}
	}
	t.Arg = Arg{Name: s[name:equals], Value: s[value:max(value, last)], HasValue: true}
	return t
}

// blank is isspace() of the kernel, whose table is Latin-1.
func blank(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' || b == 0xA0 }
