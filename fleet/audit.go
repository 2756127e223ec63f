package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/subid"
)

// An Export holds one host's subordinate IDs: the JSON object of "subid list",
// with its machine and host.
type Export struct {
	Machine string        `json:"machine"` // as in machine-id(5); empty where there is none
	Host    string        `json:"host"`    // as in hostname(5)
	Ranges  []subid.Claim `json:"ranges"`
}

// UnmarshalJSON refuses an object that is not an export or has no machine ID.
func (e *Export) UnmarshalJSON(data []byte) error {
	type plain Export
	var v struct {
		Schema int `json:"schema"`
		plain
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	if v.Schema != 1 {
		return fmt.Errorf("schema is %d, want 1", v.Schema)
	}
	if !isMachineID(v.Machine) {
		return fmt.Errorf("%q is not a machine ID, which an export must have", v.Machine)
	}
	*e = Export(v.plain)
	return nil
}

// ReadExports yields the exports in the named files, one at a time, and ends
// after the first that cannot be read.
func ReadExports(names ...string) iter.Seq2[Export, error] {
	return func(yield func(Export, error) bool) {
		for _, name := range names {
			e, err := readExport(name)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// maxExport bounds one export in bytes.
const maxExport = 16 << 20

func readExport(name string) (Export, error) {
	f, err := os.Open(name)
	if err != nil {
		return Export{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxExport+1))
	if err == nil && len(data) > maxExport {
		err = fmt.Errorf("larger than %d bytes", maxExport)
	}
	var e Export
	if err == nil {
		err = json.Unmarshal(data, &e)
	}
	if err != nil {
		return Export{}, fmt.Errorf("%s: not an export: %w", name, err)
	}
	return e, nil
}

// A ProblemID names what [Audit] found, for scripts.
type ProblemID string

// What Audit can find.
const (
	ProblemNotApplied ProblemID = "not-applied" // claimed or applied, and the host's files do not have it
	ProblemNotClaimed ProblemID = "not-claimed" // in a host's files, and nobody claimed it for that host
	ProblemOverlap    ProblemID = "overlap"     // IDs of a slot that another host or owner has
	ProblemReleased   ProblemID = "released"    // released, and still in a host's files
	ProblemCloned     ProblemID = "cloned"      // several exports have one machine ID
	ProblemUnseen     ProblemID = "unseen"      // claimed by a machine whose export was not given
)

// A Problem is a difference between the registry and the hosts' files.
type Problem struct {
	ID   ProblemID `json:"id"`
	Slot int       `json:"slot"` // -1 where it is about no slot
	Host string    `json:"host"` // the host's name, else its machine ID
	Text string    `json:"text"`
}

// Audit compares the registry's claims with what hosts exported, and the
// exports with each other. An error of the registry or of an export ends it:
// part of an audit would look like a clean one.
func Audit(ctx context.Context, reg Registry, space Space, exports iter.Seq2[Export, error]) ([]Problem, error) {
	if err := space.Check(); err != nil {
		return nil, err
	}
	a := auditor{space: space, claims: map[int]Claim{}, machines: map[string]string{}, uses: map[int]map[use]int{}}
	for c, err := range reg.List(ctx) {
		if err != nil {
			return nil, err
		}
		a.claims[c.Slot] = c
	}
	for e, err := range exports {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		a.export(e)
	}
	for slot := range a.claims {
		a.claim(slot)
	}
	for slot := range a.uses {
		a.slot(slot)
	}
	slices.SortFunc(a.problems, func(x, y Problem) int {
		return cmp.Or(cmp.Compare(x.Slot, y.Slot), cmp.Compare(x.ID, y.ID), cmp.Compare(x.Host, y.Host), cmp.Compare(x.Text, y.Text))
	})
	return slices.Compact(a.problems), nil
}

// An auditor collects who uses which slot.
type auditor struct {
	space    Space
	claims   map[int]Claim
	machines map[string]string   // the host of each machine ID seen
	uses     map[int]map[use]int // by slot; the value is a bit for each file: 1 subuid, 2 subgid
	problems []Problem
}

// A use is a slot in one host's files.
type use struct {
	machine, host, owner string
	whole                bool
	text                 string // the range
}

func (u use) name() string { return cmp.Or(u.host, u.machine) }

func (a *auditor) report(id ProblemID, slot int, host, format string, args ...any) {
	a.problems = append(a.problems, Problem{ID: id, Slot: slot, Host: host, Text: fmt.Sprintf(format, args...)})
}

// export adds the lines of one host that have IDs of the space.
func (a *auditor) export(e Export) {
	name := cmp.Or(e.Host, e.Machine)
	if other, ok := a.machines[e.Machine]; ok {
		a.report(ProblemCloned, -1, name, "machine ID %s is also that of %s: cloned images need IDs of their own, see machine-id(5)", e.Machine, other)
	}
	a.machines[e.Machine] = name
	for _, line := range e.Ranges {
		bit := map[string]int{subid.UIDFile: 1, subid.GIDFile: 2}[line.File]
		r := line.Range
		first, last, ok := a.space.overlaps(r)
		if bit == 0 || !ok {
			continue // an account, or IDs outside the space
		}
		_, whole := a.space.SlotOf(r)
		for slot := first; slot <= last; slot++ {
			if a.uses[slot] == nil {
				a.uses[slot] = map[use]int{}
			}
			a.uses[slot][use{e.Machine, e.Host, line.Owner, whole, r.String()}] |= bit
		}
	}
}

// mine reports whether a claim allows a use.
func (a *auditor) mine(c Claim, u use) bool {
	if a.space.Policy == Same {
		return c.Owner == u.owner
	}
	return c.Held(Claim{Machine: u.machine, Host: u.host, Owner: u.owner})
}

// claim judges one claim by the uses of its slot.
func (a *auditor) claim(slot int) {
	c := a.claims[slot]
	held := false
	for u, files := range a.uses[slot] {
		held = held || a.mine(c, u) && u.whole && files == 3
	}
	switch {
	case c.State == Released || held:
	case a.space.Policy == Disjoint && !a.seen(c):
		a.report(ProblemUnseen, slot, cmp.Or(c.Host, c.Machine), "%s by %s, whose export is missing", c.State, c.holder())
	default:
		a.report(ProblemNotApplied, slot, cmp.Or(c.Host, c.Machine), "%s by %s, whose files do not have it in both /etc/subuid and /etc/subgid", c.State, c.holder())
	}
}

func (a *auditor) seen(c Claim) bool {
	if _, ok := a.machines[c.Machine]; ok || c.Machine != "" {
		return ok
	}
	return slices.Contains(slices.Collect(maps.Values(a.machines)), c.Host)
}

// slot judges the uses of one slot.
func (a *auditor) slot(slot int) {
	c, claimed := a.claims[slot]
	holders, first := map[string]bool{}, ""
	for u := range a.uses[slot] {
		switch {
		case !claimed || !a.mine(c, u):
			a.report(ProblemNotClaimed, slot, u.name(), "%s has %s there, which is not claimed for that host", u.owner, u.text)
		case c.State == Released:
			a.report(ProblemReleased, slot, u.name(), "released, but %s still has %s there", u.owner, u.text)
		}
		if first == "" || u.name() < first {
			first = u.name()
		}
		holder := u.owner
		if a.space.Policy == Disjoint {
			holder += " on " + u.name()
		}
		holders[holder] = true
	}
	if len(holders) > 1 {
		a.report(ProblemOverlap, slot, first, "used by %s", strings.Join(slices.Sorted(maps.Keys(holders)), ", "))
	}
}
