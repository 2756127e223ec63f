package daemoncfg

import (
	"bytes"
	"encoding/json"
	"strings"
)

// White space is copied from the nearest neighbour, by these rules alone: they
// look only at what is before the new member, so that Delete finds the same
// answers afterwards and can take back exactly what was put in.
//
// The one case that needs a trick is an object with nothing in it, inside of a
// document that has its members on lines: {} is opened over three lines, and
// Delete closes {\n    "k": 1\n  } to {} again. An object that was kept open,
// {\n  }, would come out the same, so it gets an empty line before the member.

// insertLast puts a new last item into the container that steps end in: rest
// is its name and those of further parents that are to be made.
func insertLast(text string, steps []step, rest []string, raw string) string {
	at := steps[len(steps)-1]
	style := styleOf(text, steps)
	if len(at.items) == 0 {
		inner := text[at.value.start+1 : at.value.end-1]
		before, after := open(text, steps, inner)
		style.line = before
		return splice(text, span{at.value.start + 1, at.value.end - 1},
			before+newItem(at.kind(text), rest, raw, style)+after)
	}
	last := at.items[len(at.items)-1]
	before, after := "", text[at.value.start+1:last.start()]
	if n := len(at.items); n > 1 {
		// A comma may lead its line, so what is before it counts as well.
		before, after, _ = strings.Cut(text[at.items[n-2].value.end:last.start()], ",")
	} else if after == "" {
		after = style.space()
	}
	if before, after = oneLine(before), oneLine(after); strings.Contains(after, "\n") {
		before = ""
	}
	style.line = after
	if strings.Contains(before, "\n") {
		style.line = before
	}
	end := span{last.value.end, last.value.end}
	return splice(text, end, before+","+after+newItem(at.kind(text), rest, raw, style))
}

// style is how new items are written.
type style struct {
	colon string // from the end of a key to its value
	line  string // the white space before the item
	unit  string // what one level is indented by
	pad   string // between bracket and item, where they share a line
}

// space is what separates items on one line: the space after the colon.
func (s style) space() string { return s.colon[strings.IndexByte(s.colon, ':')+1:] }

func styleOf(text string, steps []step) style {
	s := style{colon: ": ", unit: "  "}
	top, at := steps[0], steps[len(steps)-1]
	if members := top.items; len(members) > 0 {
		if c := colonOf(text, members[0]); c != "" {
			s.colon = c
		}
		lead := text[top.value.start+1 : members[0].start()]
		if i := strings.LastIndexByte(lead, '\n'); i >= 0 {
			if unit := strings.TrimPrefix(lead[i+1:], indentBefore(text, top.value.start)); unit != "" {
				s.unit = unit
			}
		}
	}
	if n := len(at.items); n > 0 {
		if c := colonOf(text, at.items[n-1]); c != "" {
			s.colon = c
		}
		if pad := text[at.value.start+1 : at.items[0].start()]; !strings.Contains(pad, "\n") {
			s.pad = pad
		}
	}
	return s
}

// colonOf returns the colon of a member with the space around it, or "" for an
// element of an array and for a value on a line of its own.
func colonOf(text string, it item) string {
	if it.key.end == 0 {
		return ""
	}
	if c := text[it.key.end:it.value.start]; !strings.Contains(c, "\n") {
		return c
	}
	return ""
}

// newItem writes an item: rest[0] is its key, unless it goes into an array, and
// the others are the keys of objects around raw.
func newItem(kind byte, rest []string, raw string, s style) string {
	value := raw
	if len(rest) > 1 {
		inner, outer := "{", "}"
		if rest[1] == "-" {
			inner, outer = "[", "]"
		}
		before, after := s.pad, s.pad
		if strings.Contains(s.line, "\n") && inner == "{" {
			after = s.line
			s.line += s.unit
			before = s.line
		}
		value = inner + before + newItem(inner[0], rest[1:], raw, s) + after + outer
	}
	if kind == '[' {
		return value
	}
	return quote(rest[0]) + s.colon + value
}

// open returns the white space to put before and after the first item of an
// empty object or array with inner in it.
func open(text string, steps []step, inner string) (before, after string) {
	at := steps[len(steps)-1]
	unit := styleOf(text, steps).unit
	line := lineBefore(text, steps) // "" in a document of one line
	switch {
	case strings.Contains(inner, "\n"):
		before = oneLine(inner) + unit
		if inner == line {
			before = newline(inner) + before
		}
		return before, inner
	case inner == "" && line != "" && at.kind(text) == '{':
		return line + unit, line
	}
	return inner, inner
}

// lineBefore returns the line break and indentation before the item that the
// last of steps is the value of, or "" where it does not start a line.
func lineBefore(text string, steps []step) string {
	if len(steps) < 2 {
		return ""
	}
	parent := steps[len(steps)-2]
	start := parent.items[parent.index].start()
	lead := text[len(strings.TrimRight(text[:start], " \t\r\n")):start]
	if !strings.Contains(lead, "\n") {
		return ""
	}
	return oneLine(lead)
}

// indentBefore returns the white space from the start of the line to offset.
func indentBefore(text string, offset int) string {
	line := text[strings.LastIndexByte(text[:offset], '\n')+1 : offset]
	if trim(line) != "" {
		return ""
	}
	return line
}

// oneLine cuts white space to its last line break and what follows, so that an
// empty line between two members is not taken for their style.
func oneLine(space string) string {
	i := strings.LastIndexByte(space, '\n')
	if i < 0 {
		return space
	}
	return newline(space[:i+1]) + space[i+1:]
}

// newline returns the kind of line break that text ends its last line with.
func newline(text string) string {
	if i := strings.LastIndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// openBlank is the document that takes the place of one without an object.
func openBlank(blank string) string {
	nl := newline(blank)
	return "{" + nl + "}" + nl
}

// quote writes a key as JSON, with <, > and & as they are.
func quote(key string) string {
	special := func(r rune) bool { return r < ' ' || r >= 0x7f || r == '"' || r == '\\' }
	if !strings.ContainsFunc(key, special) {
		return `"` + key + `"`
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(key); err != nil {
		panic("BUG: a string that is no JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func splice(text string, s span, with string) string {
	return text[:s.start] + with + text[s.end:]
}
