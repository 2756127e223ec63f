package bootargs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/enum"
)

// A State is whether a host, or one place, has the arguments.
type State = enum.Of[stateNames]

const (
	StateCannotTell    State = iota // not known from this host
	StateActive                     // running with them, and every boot to come has them; of a place: it has them
	StatePendingReboot              // every boot to come has them, the running one does not, or is not shown here
	StatePartial                    // some places have them: the next boot, or the next kernel, may not
	StateMissing                    // nowhere
	StateOverridden                 // set, and set otherwise later in the same line
	StateNone                       // no arguments were asked for
)

type stateNames struct{}

func (stateNames) Names() (string, []string) {
	return "State", []string{"cannot-tell", "active", "pending-reboot", "partial", "missing", "overridden", ""}
}

// A Report tells where a host has kernel arguments.
type Report struct {
	Args    []string `json:"args"` // what was asked for
	State   State    `json:"state"`
	Loader           // the members of its JSON are beside these
	Running Place    `json:"running"` // /proc/cmdline
	Default Place    `json:"default"` // the entry that boots by default
	Entries []Place  `json:"entries"` // those that boot Linux, without the rescue entries
	Future  Place    `json:"future"`  // what future kernels, or the next update-grub, will get
}

// Status finds out which of the arguments in want the running kernel, each boot
// entry and future kernels have. An argument that accumulates may be anywhere
// in a line, any other must be the last of its name, and nothing after "--"
// counts. Without want it only collects the lines.
func Status(ctx context.Context, h usernskit.Host, want ...string) (Report, error) {
	var w []Arg
	for _, text := range want {
		a, err := ParseArg(text)
		if err != nil {
			return Report{}, err
		}
		w = append(w, a)
	}
	s, err := load(ctx, h, "")
	if err != nil {
		return Report{}, err
	}
	r := Report{Args: append([]string{}, want...), Loader: s.Loader, Entries: []Place{}} // [] and not null
	r.Evidence, r.Others, r.Command = append([]string{}, r.Evidence...), append([]string{}, r.Others...), append([]string{}, r.Command...)
	r.Stores = append([]Place{}, r.Stores...)
	if line := s.Read("/proc/cmdline"); line != nil {
		r.Running = place("/proc/cmdline", "", strings.TrimSpace(string(line)), w)
	}
	switch {
	case s.refuse != nil:
	case s.Kind == KindGRUB:
		err = s.statusGRUB(&r, w)
	case s.Kind == KindGRUBBLS || s.Kind == KindSDBoot:
		s.statusEntries(&r, w)
	case s.hasLineStore():
		s.statusLine(&r, w)
	}
	if err = cmp.Or(err, s.Err); err != nil {
		return Report{}, err
	}
	r.State = StateNone
	if len(want) > 0 {
		r.State = r.judge()
	}
	return r, nil
}

// place judges one line.
func place(path, what, line string, want []Arg) Place {
	p := Place{Path: path, What: what, Line: line, State: StateActive}
	if len(want) == 0 {
		p.State = StateNone
	}
	for _, w := range want {
		last, ok := Cmdline(line).Effective(w.Name)
		switch {
		case ok && last.equal(w), accumulates(w.Name) && holds(line, w):
		case ok && holds(line, w):
			p.State = StateOverridden
		case anyArg(line, func(a Arg) bool { return isVariable(a.Name) }):
			p.State = StateCannotTell
		case p.State == StateActive:
			p.State = StateMissing
		}
	}
	return p
}

// grubPlace judges a line that GRUB reads as a command.
func grubPlace(path, what, line string, want []Arg) Place {
	p := place(path, what, line, want)
	if _, err := checkGRUB(line); err != nil && len(want) > 0 {
		p.State = StateCannotTell
	}
	return p
}

// judge returns the state of all places together.
func (r Report) judge() State {
	configured := slices.DeleteFunc(append(slices.Clone(r.Entries), r.Default, r.Future), func(p Place) bool { return p.Where() == "" })
	count := map[State]int{}
	for _, p := range configured {
		count[p.State]++
	}
	running := StateCannotTell
	if r.Running.Where() != "" {
		running = r.Running.State
	}
	switch n := len(configured); {
	case n == 0 && (r.Loader.Kind != KindUnknown || running != StateMissing):
		return StateCannotTell
	case count[StateOverridden] > 0:
		return StateOverridden
	case n > 0 && count[StateActive] == n && running == StateActive:
		return StateActive
	case n > 0 && count[StateActive] == n:
		return StatePendingReboot
	case count[StateActive] > 0 && count[StateMissing] > 0:
		return StatePartial
	case count[StateCannotTell] > 0:
		return StateCannotTell
	case running == StateActive:
		return StatePartial // until the next boot
	}
	return StateMissing
}

func (s *site) statusGRUB(r *Report, want []Arg) error {
	files, err := s.sources(nil)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		env := evaluate(files...)
		ours, theirs := env[grubVariable], env[grubDefaultVariable]
		where, what := ours.file, grubVariable
		if where == "" || ours.text == "" && theirs.text != "" {
			where, what = theirs.file, grubDefaultVariable
		}
		r.Future = grubPlace(cmp.Or(where, defaultGrub), what, strings.TrimSpace(ours.text+" "+theirs.text), want)
		if s.stopsAt(files...) != nil || (ours.unknown || theirs.unknown) && r.Future.State != StateActive {
			r.Future.State = StateCannotTell
		}
	}
	for i, e := range s.cfg.entries {
		r.Entries = append(r.Entries, grubPlace(s.grubCfgPath, fmt.Sprint("entry ", i), e.line, want))
	}
	if len(r.Entries) > 0 && !slices.ContainsFunc(r.Entries, func(p Place) bool { return p.State != r.Entries[0].State }) {
		r.Default = r.Entries[0] // any of them
	}
	return nil
}

func (s *site) statusEntries(r *Report, want []Arg) {
	grub := s.Kind == KindGRUBBLS
	title := func(e *entry) Place {
		line := e.cmdline()
		judge := place
		if grub {
			judge = grubPlace
		}
		p := judge(e.path, "", strings.TrimSpace(line), want)
		p.For = e.title
		if grub && e.clips != "" {
			p.State = StateCannotTell
		}
		return p
	}
	shared := false
	for _, e := range s.entries {
		if !e.rescue() && e.foreign() == "" {
			r.Entries = append(r.Entries, title(e))
			shared = shared || len(e.options) > 0 && strings.Contains(e.text(e.options[0]), "$kernelopts")
		}
	}
	switch e, err := s.defaultEntry(); {
	case err != nil:
		r.Default = Place{What: Default, Line: err.Error()}
	case e.foreign() != "":
		r.Default = Place{Path: e.path, For: e.title, Line: e.foreign()}
	default:
		r.Default = title(e)
	}
	switch {
	case s.kernel != "":
		r.Future = place(s.kernel, "", strings.TrimSpace(string(s.Read(s.kernel))), want)
	case grub && shared:
		r.Future = place(s.envPath, "kernelopts", strings.TrimSpace(s.vars["kernelopts"]), want)
	case len(s.entries) > 0 && s.entries[0].version == "": // written by hand, for whatever kernel is there
	case r.Running.Where() != "":
		r.Future = r.Running // kernel-install's fallback
	default:
		r.Future = Place{Path: kernelCmdline}
	}
}

func (s *site) statusLine(r *Report, want []Arg) {
	store := s.lineStore()
	if store.What != "append" {
		line, unknown := s.value(store)
		r.Future = place(store.Path, store.What, line, want)
		if unknown {
			r.Future.State = StateCannotTell
		}
	}
	if s.Kind == KindRaspberry {
		r.Entries, r.Default = []Place{r.Future}, r.Future
	}
	if s.extlinux == "" {
		return
	}
	conf := s.labels("")
	for _, label := range conf.labels {
		if label.foreign() != "" || label.rescue() {
			continue
		}
		text := ""
		if at := cmp.Or(label.append, conf.global); at != nil {
			text = at.text
		}
		p := place(label.imageLine.file, label.label, text, want)
		r.Entries = append(r.Entries, p)
		if label.label == conf.def {
			r.Default = p
		}
	}
}
