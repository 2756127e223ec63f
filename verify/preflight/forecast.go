package preflight

import (
	"bufio"
	"fmt"
	"io"

	"github.com/usernskit/usernskit/internal/text"
)

// A Forecast is what [Run] expects of turning remapping on, container by
// container.
type Forecast struct {
	// Source is where Docker's facts are from, as in [engine.Engine.Source];
	// Down is why they are from files.
	Source string `json:"source"`
	Down   string `json:"down,omitempty"`
	// InForce: the daemon remaps already. Nothing disappears then.
	InForce bool `json:"in_force"`
	// Map is the expected user ID map, "0 165536 65536".
	Map string `json:"map"`

	// WillNotStart lists containers that fail when they are created or started
	// again. Container is empty for the daemon itself.
	WillNotStart []Trouble `json:"will_not_start"`
	// Misbehave lists containers that start, and then cannot do something.
	Misbehave []Trouble `json:"misbehave"`
	// Disappear lists what is in the store in use. The new store hides it until
	// remapping is turned off again.
	Disappear []Loss `json:"disappear"`
	// Orphans are containers that survive the restart unmanaged.
	Orphans []Trouble `json:"orphans"`

	// Moves are the data whose owners must be moved before containers can use
	// it again.
	Moves []Move `json:"moves"`

	// Unknown lists what could not be checked.
	Unknown []string `json:"unknown"`
}

// A Trouble is one option of a container that is not compatible with remapping.
type Trouble struct {
	Container string `json:"container"`
	Option    string `json:"option"` // "--privileged"
	Text      string `json:"text"`   // what will happen; the daemon's message if it refuses
	Fix       string `json:"fix"`    // for docker run and for a compose file
}

// A Loss is one kind of data that is not in the new store.
type Loss struct {
	Kind  string   `json:"kind"` // "images", "storage", "containers", "volumes", "networks", "swarm", "plugins", "build-cache"
	Count int      `json:"count"`
	Bytes int64    `json:"bytes"` // -1 where not known
	Text  string   `json:"text"`
	Names []string `json:"names,omitempty"` // at most 20
	Where string   `json:"where"`           // the directory in which they stay
}

// Clear reports whether nothing breaks, disappears or is orphaned, except what
// is in Forecast.Unknown.
func (f Forecast) Clear() bool {
	return len(f.WillNotStart)+len(f.Misbehave)+len(f.Disappear)+len(f.Orphans) == 0
}

// WriteText writes the forecast for people.
func (f Forecast) WriteText(w io.Writer) error {
	b := bufio.NewWriter(w)
	if f.Down != "" {
		fmt.Fprintf(b, "read from %s: %s\n", f.Source, text.Visible(f.Down))
	}
	if f.InForce {
		fmt.Fprintf(b, "remapping is in force already (%s): nothing disappears\n", f.Map)
	}
	for _, part := range []struct {
		title string
		list  []Trouble
	}{
		{"Will not start", f.WillNotStart}, {"Will start but misbehave", f.Misbehave},
		{"Will be orphaned: runs on as it is, and no daemon knows it", f.Orphans},
	} {
		if len(part.list) == 0 {
			continue
		}
		fmt.Fprintf(b, "%s:\n", part.title)
		for _, t := range part.list {
			who := t.Container
			if who == "" {
				who = "dockerd"
			}
			fmt.Fprintf(b, "  %s  %s: %s\n", text.Visible(who), text.Visible(t.Option), text.Visible(t.Text))
			if t.Fix != "" {
				fmt.Fprintf(b, "      %s\n", text.Visible(t.Fix))
			}
		}
	}
	if len(f.Disappear) > 0 {
		b.WriteString("Will disappear until remapping is turned off again:\n")
		for _, l := range f.Disappear {
			fmt.Fprintf(b, "  %s\n", text.Visible(l.Text))
		}
		fmt.Fprintf(b, "      all of it stays in %s; delete nothing there that you have no copy of\n", f.Disappear[0].Where)
	}
	if len(f.Moves) > 0 {
		b.WriteString("Belongs to nobody in the containers until its owners are moved:\n")
		for _, m := range f.Moves {
			fmt.Fprintf(b, "  %s\n", text.Visible(m.String()))
			if m.Command != "" {
				fmt.Fprintf(b, "      %s\n", text.Visible(m.Command))
			}
		}
	}
	for _, u := range f.Unknown {
		fmt.Fprintf(b, "not seen: %s\n", text.Visible(u))
	}
	if f.Clear() && len(f.Unknown) == 0 {
		b.WriteString("nothing breaks and nothing disappears\n")
	}
	return b.Flush()
}
