package bootargs

import (
	"fmt"
	"io"
	"strings"

	"github.com/usernskit/usernskit/internal/text"
)

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(what, s string) {
		if s != "" {
			fmt.Fprintf(&b, "%-9s %s\n", what, text.Visible(s))
		}
	}
	place := func(what string, p Place) {
		s := p.Where() + ": " + p.Line
		if len(r.Args) > 0 {
			s = fmt.Sprintf("%-12v %s", p.State, s)
		}
		if p.Where() != "" {
			line(what, s)
		}
	}
	line("loader", fmt.Sprintf("%v (%s)", r.Kind, r.Why))
	line("found", strings.Join(r.Evidence, ", "))
	for _, other := range r.Others {
		line("weaker", other)
	}
	line("edit by", strings.Join(r.Command, " "))
	place("running", r.Running)
	place("default", r.Default)
	for _, p := range r.Entries {
		place("entry", p)
	}
	place("future", r.Future)
	line("state", r.State.String())
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteText writes for people what is read, where it stops, and the values.
func (s Sources) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(what, s string) { fmt.Fprintf(&b, "%-9s %s\n", what, text.Visible(s)) }
	for _, name := range s.Files {
		line("reads", name)
	}
	for _, problem := range s.Problems {
		line(problem.ID, problem.String())
	}
	for _, v := range s.Values {
		switch {
		case v.State == StateCannotTell && v.Path == "":
			line("value", v.What+": not known by reading")
		case v.State == StateCannotTell:
			line("value", fmt.Sprintf("%s: not known by reading, %s has the last word", v.What, v.Path))
		case v.Path == "":
			line("value", v.What+" is not set")
		default:
			line("value", fmt.Sprintf("%s=%s (%s)", v.What, v.Line, v.Path))
		}
	}
	switch {
	case s.Stops():
		b.WriteString("update-grub stops, and no menu is made\n")
	case len(s.Problems) > 0:
		b.WriteString("update-grub stops if one of these commands fails\n")
	default:
		b.WriteString("update-grub reads all of them\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
