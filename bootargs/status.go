package bootargs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// A State says how far arguments have come on a host, or whether one place has
// them.
type State int

const (
	CannotTell    State = iota // not from what this host shows
	Active                     // running with them, and every boot to come has them; of a place: it has them
	PendingReboot              // every boot to come has them, the running one does not, or is not ours to see
	Partial                    // some places have them: the next boot, or the next kernel, may not
	Missing                    // nowhere
	Overridden                 // set, and set otherwise later in the same line
)

// String returns "active", "pending-reboot", "partial", "missing",
// "overridden" or "cannot-tell".
func (s State) String() string {
	names := [...]string{"cannot-tell", "active", "pending-reboot", "partial", "missing", "overridden"}
	if s < 0 || int(s) >= len(names) {
		return names[0]
	}
	return names[s]
}

// A Report is where arguments stand on a host.
type Report struct {
	State   State
	Loader  Loader
	Running Place   // /proc/cmdline
	Default Place   // the entry that is booted by default
	Entries []Place // all but the rescue entries
	Future  Place   // what kernels to come, or the next update-grub, will get
}

// A Place is one of the command lines of a host.
type Place struct {
	Where string // a file, "file: variable" or an entry's title; "" where there is none
	Line  string // the command line, variables put in
	State State  // Active, Missing, Overridden or CannotTell
}

// Status finds out where the arguments want stand: in the running kernel, in
// each boot entry, and for kernels to come. An argument that accumulates is
// looked for anywhere in a line, any other must be the last of its name, and
// nothing behind "--" counts. Without want it only collects the lines.
func Status(ctx context.Context, h usernskit.Host, want ...string) (Report, error) {
	w, err := words(want, nil)
	if err != nil {
		return Report{}, err
	}
	s, err := load(ctx, h)
	if err != nil {
		return Report{}, err
	}
	r := Report{Loader: s.Loader}
	if line := s.read("/proc/cmdline"); line != nil {
		r.Running = place("/proc/cmdline", strings.TrimSpace(string(line)), w)
	}
	switch s.Kind {
	case KindGRUB:
		err = s.statusGRUB(&r, w)
	case KindGRUBBLS, KindSDBoot:
		s.statusEntries(&r, w)
	case KindRaspberry:
		r.Default = place(s.linePath, strings.TrimSpace(string(s.read(s.linePath))), w)
		r.Entries, r.Future = []Place{r.Default}, r.Default
	case KindExtlinux:
		s.statusExtlinux(&r, w)
	}
	if err != nil {
		return Report{}, err
	}
	if s.err != nil {
		return Report{}, s.err
	}
	r.State = r.judge()
	return r, nil
}

// place judges one line.
func place(where, line string, want []word) Place {
	p := Place{where, line, Active}
	for _, w := range want {
		last, ok := Parse(line).Effective(w.Name)
		switch {
		case ok && last.equal(w.Arg), accumulates(w.Name) && holds(line, w.Arg):
		case ok && holds(line, w.Arg):
			p.State = Overridden
		case opaque(line):
			p.State = CannotTell
		case p.State == Active:
			p.State = Missing
		}
	}
	return p
}

// judge puts the places together.
func (r Report) judge() State {
	configured := slices.Clone(r.Entries)
	for _, p := range []Place{r.Default, r.Future} {
		if p.Where != "" {
			configured = append(configured, p)
		}
	}
	count := map[State]int{}
	for _, p := range configured {
		count[p.State]++
	}
	switch n := len(configured); {
	case n == 0 && r.Running.State == Missing && r.Running.Where != "":
		return Missing
	case n == 0:
		return CannotTell
	case count[Overridden] > 0:
		return Overridden
	case count[Active] == n && r.Running.State == Active && r.Running.Where != "":
		return Active
	case count[Active] == n:
		return PendingReboot
	case count[Active] > 0 && count[Missing] > 0:
		return Partial
	case count[CannotTell] > 0:
		return CannotTell
	case r.Running.State == Active && r.Running.Where != "":
		return Partial // until the next boot
	}
	return Missing
}

func (s *site) statusGRUB(r *Report, want []word) error {
	p := &planner{site: s}
	files, err := p.sources(nil)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		env := evaluate(files...)
		ours, theirs := env[grubVariable], env[grubDefaultVariable]
		r.Future = place(defaultGrub, strings.TrimSpace(ours.text+" "+theirs.text), want)
		if (ours.unknown || theirs.unknown) && r.Future.State != Active {
			r.Future.State = CannotTell
		}
	}
	for i, line := range s.cfg.entries {
		r.Entries = append(r.Entries, place(fmt.Sprintf("%s: entry %d", s.grubCfgPath, i), line, want))
	}
	if len(r.Entries) > 0 && !slices.ContainsFunc(r.Entries, func(p Place) bool { return p.State != r.Entries[0].State }) {
		r.Default = r.Entries[0] // whichever it is
	}
	return nil
}

func (s *site) statusEntries(r *Report, want []word) {
	grub := s.Kind == KindGRUBBLS
	vars := (&planner{site: s}).grubVars()
	title := func(e *entry) Place {
		line := e.cmdline(grub, vars)
		p := place(e.path, strings.TrimSpace(line), want)
		if grub && e.clips {
			p.State = CannotTell
		}
		return p
	}
	shared := false
	for _, e := range s.entries {
		if !e.rescue() {
			r.Entries = append(r.Entries, title(e))
			shared = shared || len(e.options) > 0 && strings.Contains(e.text(e.options[0]), "$kernelopts")
		}
	}
	if e, err := s.defaultEntry(); err == nil {
		r.Default = title(e)
	} else {
		r.Default = Place{Where: Default, Line: err.Error()}
	}
	switch {
	case s.kernel != "":
		r.Future = place(s.kernel, strings.TrimSpace(string(s.read(s.kernel))), want)
	case grub && shared:
		r.Future = place(s.envPath+": kernelopts", strings.TrimSpace(vars["kernelopts"]), want)
	case len(s.entries) > 0 && s.entries[0].version == "":
		r.Future = Place{} // written by hand, for whatever kernel is there
	case r.Running.Where != "":
		r.Future = r.Running // what kernel-install falls back to
	default:
		r.Future = Place{Where: "/etc/kernel/cmdline"}
	}
}

func (s *site) statusExtlinux(r *Report, want []word) {
	src := s.read(s.extlinux)
	list, def := parseExtlinux(src)
	for _, st := range list {
		if st.append == nil || strings.Contains(strings.ToLower(st.label), "rescue") {
			continue
		}
		p := place(s.extlinux+": "+st.label, string(src[st.append.from:st.append.to]), want)
		r.Entries = append(r.Entries, p)
		if st.label == def {
			r.Default = p
		}
	}
}
