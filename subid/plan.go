package subid

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid/reader"
)

// A Request is the input of [Plan]. The owner alone is enough.
type Request struct {
	// Owner is the login name, or the UID in decimal, for the lines.
	Owner string
	// UID is the owner's. If nil, it is looked up.
	UID *uint32
	// Start is the wanted first ID. If 0, the lowest free one is chosen.
	Start uint32
	// Slot asks for the range at Policy.Min + Slot * Count, so that hosts with
	// different numbers have ranges that do not overlap. It excludes Start.
	Slot *uint32
	// Count is the number of IDs. If 0, it is the policy's.
	Count uint32
	// Policy limits the choice. A given Start may lie outside Min and Max.
	Policy Policy
	// AllowSmall allows fewer than 65536 IDs. Higher IDs of an image, such as
	// nobody (65534), then have no ID on the host.
	AllowSmall bool
}

const (
	containers = "containers"
	kubelet    = "kubelet"
	minCount   = 65536
)

// Preset returns the request for a program:
//
//   - "docker": what dockerd needs for "userns-remap": "default".
//   - "kubelet": for pods with hostUsers: false, 65536 IDs for each of maxPods
//     (the kubelet's own default is 110), as one range at a multiple of 65536.
//   - "podman": for --userns=auto of podman and CRI-O, a range of the user
//     "containers" for 64 containers of the largest size.
func Preset(program string, maxPods uint32) (Request, error) {
	switch program {
	case "docker":
		return Request{Owner: Dockremap, Count: minCount}, nil
	case "kubelet":
		count := uint64(max(maxPods, 1)) * minCount
		return Request{Owner: kubelet, Count: uint32(min(count, 1<<32-minCount)), Policy: Policy{Align: minCount}}, nil
	case "podman":
		return Request{Owner: containers, Count: 64 * minCount}, nil
	}
	return Request{}, fmt.Errorf("no preset %q: use docker, kubelet or podman", program)
}

// A Grant is what an owner has after a plan was applied.
type Grant struct {
	Owner string
	// UID and GID are the ranges of the container's root and the IDs after it:
	// the first of several.
	UID, GID Range
	// UIDExisting and GIDExisting report whether the file had the range before.
	UIDExisting, GIDExisting bool
}

// Plan plans the same range of IDs for an owner in both files.
//
// An owner keeps ranges that all programs read alike and no other owner has; if
// only one file has them, the other gets the same. Otherwise the owner gets the
// lowest range that does not overlap a line of either file as any program reads
// it, an account or group, reserved IDs, a range that useradd computes from a
// UID, or Policy.Avoid.
//
// If a request cannot be met, the error is a [*ConflictError].
func Plan(ctx context.Context, h usernskit.Host, want Request) (Grant, usernskit.Plan, error) {
	list, plan, err := PlanAll(ctx, h, want)
	if err != nil {
		return Grant{}, usernskit.Plan{}, err
	}
	return list[0], plan, nil
}

// PlanAll is [Plan] for many owners: both files are read once and written once,
// and either all requests are met or none.
func PlanAll(ctx context.Context, h usernskit.Host, want ...Request) ([]Grant, usernskit.Plan, error) {
	s, err := Read(ctx, h)
	if err != nil {
		return nil, usernskit.Plan{}, err
	}
	return s.Plan(ctx, want...)
}

// Plan is [PlanAll] for a set that was read.
func (s *Set) Plan(ctx context.Context, want ...Request) ([]Grant, usernskit.Plan, error) {
	p, err := s.planner(ctx, want)
	if err != nil {
		return nil, usernskit.Plan{}, err
	}
	var grants []Grant
	for i := range p.jobs {
		if err := ctx.Err(); err != nil {
			return nil, usernskit.Plan{}, err
		}
		if err := p.jobs[i].run(); err != nil {
			return nil, usernskit.Plan{}, err
		}
		grants = append(grants, p.jobs[i].grant)
	}
	if err := p.write(); err != nil {
		return nil, usernskit.Plan{}, err
	}
	p.adviseHost()
	return grants, p.plan, nil
}

// Find returns what [Plan] would give to a new owner, and its warnings. The
// request's owner is ignored.
func (s *Set) Find(want Request) (Grant, []usernskit.Warning, error) {
	want.Owner, want.UID = "", nil
	p := &planner{set: s, files: s.files()}
	j, err := p.job(want)
	if err != nil {
		return Grant{}, nil, err
	}
	r, err := j.fresh()
	if err != nil {
		return Grant{}, nil, err
	}
	p.adviseHost()
	return Grant{UID: r, GID: r}, p.plan.Warnings, nil
}

// A planner meets requests, one after the other.
type planner struct {
	set   *Set
	files [2]*File
	plan  usernskit.Plan
	jobs  []job

	taken   []spans // computed on first use; ranges that are granted are in the first
	pending [2][]Claim
	refused [2]line // the first line for which strict readers refuse the file
}

// A job is one request and its result.
type job struct {
	*planner
	want   Request
	policy Policy
	// noLimits is why the host's limits cannot be used.
	noLimits error
	grant    Grant
	owner    reader.Owner
	exists   bool       // whether the account exists
	own      [2][]Claim // what the owner has
}

func (s *Set) planner(ctx context.Context, want []Request) (*planner, error) {
	p := &planner{set: s, files: s.files()}
	p.plan.Title = fmt.Sprintf("give %d owners subordinate IDs", len(want))
	if len(want) == 1 {
		p.plan.Title = "give " + want[0].Owner + " subordinate IDs"
	}
	var unknown []string
	for _, w := range want {
		if err := checkOwner(w.Owner); err != nil {
			return nil, err
		}
		if _, exists := s.user(w.Owner); !exists {
			unknown = append(unknown, w.Owner)
		}
	}
	s.find(ctx, unknown...) // unknown ones get a warning
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	keys := map[string]int{} // the index in jobs of each owner field
	for _, w := range want {
		j, err := p.job(w)
		if err != nil {
			return nil, err
		}
		j.owner, j.exists = s.owner(w.Owner, w.UID)
		names := []string{j.owner.Name}
		if j.owner.UID != nil {
			names = append(names, fmt.Sprint(*j.owner.UID))
		}
		for _, name := range names {
			if other, twice := keys[name]; twice && other != len(p.jobs) {
				return nil, conflict(ErrInvalid, w.Owner, Range{}, Claim{}, "%q is requested twice", w.Owner)
			}
			keys[name] = len(p.jobs)
		}
		p.jobs = append(p.jobs, *j)
	}
	for i, f := range p.files {
		if err := p.collect(i, f, keys); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// collect finds the lines of the requested owners in one file. A line about
// which programs differ is an error.
func (p *planner) collect(i int, f *File, keys map[string]int) error {
	if n := reader.LongLine(f.text); n > 0 {
		return conflict(ErrUnsafeLine, "", Range{}, Claim{File: f.name, Line: n},
			"a line too long for %v, which refuses the whole file", reader.Dockerd)
	}
	for l := range f.lines() {
		if l.Count > 0 {
			if n, ok := keys[l.Owner]; ok {
				p.jobs[n].own[i] = append(p.jobs[n].own[i], l.Claim)
			}
			continue
		}
		if p.refused[i].Line == 0 && reader.RefusesFile(l.text) {
			p.refused[i] = l
		}
		for found := range reader.Line(l.text) {
			if slices.ContainsFunc(p.jobs, func(j job) bool { return j.owner.Is(found.Owner) }) {
				return l.unsafe()
			}
		}
	}
	return nil
}

func (p *planner) job(want Request) (*job, error) {
	j := &job{planner: p, want: want}
	if want.Count != 0 {
		want.Policy.Count = want.Count
	}
	j.policy, j.noLimits = p.set.resolve(want.Policy)
	if want.Slot != nil {
		if j.noLimits != nil {
			return nil, j.noLimits
		}
		start := uint64(j.policy.Min) + uint64(*want.Slot)*uint64(j.policy.Count)
		if want.Start != 0 || start+uint64(j.policy.Count)-1 > uint64(j.policy.Max) {
			return nil, conflict(ErrInvalid, want.Owner, Range{}, Claim{},
				"slot %d of %d IDs from %d on ends after %d", *want.Slot, j.policy.Count, j.policy.Min, j.policy.Max)
		}
		j.want.Start = uint32(start)
	}
	r := Range{j.want.Start, j.policy.Count}
	if err := checkRange(want.Owner, r); err != nil {
		return nil, err
	}
	if r.Start%j.policy.Align != 0 {
		return nil, conflict(ErrInvalid, want.Owner, r, Claim{}, "%s does not start at a multiple of %d", named(want.Owner, r), j.policy.Align)
	}
	if r.Count < minCount {
		if !want.AllowSmall {
			return nil, smallError(want.Owner, r, Claim{})
		}
		p.warnSmall(uint64(r.Count))
	}
	return j, nil
}

func (p *planner) warnSmall(count uint64) {
	p.warn(usernskit.Warning{ID: WarnSmallRange, Risk: true, Text: fmt.Sprintf(
		"fewer than 65536 IDs (%d): ID 65534 (nobody) and others of an image cannot be used", count)})
}

func smallError(owner string, r Range, have Claim) error {
	what := named(owner, r)
	if r.Start == 0 { // no start was asked for
		what = text.Count(int(r.Count), "ID", "IDs") + " for " + cmp.Or(owner, "anyone")
	}
	return conflict(ErrSmallRange, owner, r, have, "%s: with fewer than 65536 IDs, ID 65534 (nobody) of an image cannot be mapped", what)
}

func (p *planner) warn(list ...usernskit.Warning) {
	for _, w := range list {
		if !slices.Contains(p.plan.Warnings, w) {
			p.plan.Warnings = append(p.plan.Warnings, w)
		}
	}
}

func (j *job) run() error {
	for i, f := range j.files {
		if err := j.usable(f, j.own[i]); err != nil {
			return err
		}
	}
	for _, own := range j.own {
		if err := j.fit(own); err != nil {
			return err
		}
	}
	have := [2][]Range{ranges(j.own[0]), ranges(j.own[1])}
	switch from := slices.IndexFunc(have[:], func(list []Range) bool { return len(list) > 0 }); {
	case from < 0:
		r, err := j.fresh()
		if err != nil {
			return err
		}
		have[0], have[1] = []Range{r}, []Range{r}
	case len(have[1-from]) == 0: // the other file gets the same
		for _, r := range have[from] {
			if err := j.free(r, 1-from); err != nil {
				return err
			}
		}
		have[1-from] = have[from]
	case !slices.Equal(have[0], have[1]):
		j.warn(usernskit.Warning{ID: string(ProblemUIDGIDDiffer), Text: fmt.Sprintf(
			"%s has %s in %s and %s in %s", j.want.Owner, join(have[0]), UIDFile, join(have[1]), GIDFile)})
	}
	j.grant = Grant{j.want.Owner, have[0][0], have[1][0], len(j.own[0]) > 0, len(j.own[1]) > 0}
	for i, list := range have {
		for _, r := range list {
			if len(j.own[i]) == 0 {
				j.pending[i] = append(j.pending[i], Claim{j.files[i].name, 0, j.want.Owner, r})
			}
			if len(j.own[i]) == 0 && j.taken != nil {
				j.taken[0].insert(r)
			}
		}
	}
	j.advise()
	return nil
}

// usable refuses lines of an owner that overlap other lines, accounts or
// reserved IDs, or of which only some are under the UID.
func (j *job) usable(f *File, own []Claim) error {
	for i, c := range own {
		// dockerd 27 reads what is under the UID only, dockerd 28 both.
		if c.Owner != own[0].Owner {
			return conflict(ErrUnsafeLine, j.want.Owner, Range{}, c,
				"readers differ about lines under %q and under %q, name and UID of one account: keep one kind", own[0].Owner, c.Owner)
		}
		if err := checkReserved(j.want.Owner, c.Range, c); err != nil {
			return err
		}
		for _, d := range own[:i] {
			if d.Overlaps(c.Range) {
				d.Line = c.Line
				return overlapError(c.Owner, c.Range, d)
			}
		}
		if err := j.set.meetsAccount(f, c.Owner, c.Range); err != nil {
			return err
		}
	}
	if len(own) == 0 {
		return nil
	}
	for l := range f.claims() {
		for _, c := range own {
			if l.Line != c.Line && l.Owner != c.Owner && l.Overlaps(c.Range) {
				return overlapError(c.Owner, c.Range, l.Claim)
			}
		}
	}
	return nil
}

// fit refuses existing lines that do not satisfy the request.
func (j *job) fit(have []Claim) error {
	if len(have) == 0 {
		return nil
	}
	first, total := have[0], uint64(0)
	for _, c := range have {
		total += uint64(c.Count)
	}
	why := ""
	switch {
	case j.want.Start != 0 && first.Start != j.want.Start:
		why = fmt.Sprintf("not one that starts at %d", j.want.Start)
	case first.Start%j.policy.Align != 0:
		why = fmt.Sprintf("not one that starts at a multiple of %d", j.policy.Align)
	case total < minCount && !j.want.AllowSmall:
		return smallError(j.want.Owner, first.Range, first)
	case total < minCount && j.want.Count <= minCount:
		j.warnSmall(total) // it stays
		return nil
	case j.want.Count != 0 && total < uint64(j.want.Count):
		why = fmt.Sprintf("fewer than %d IDs", j.want.Count)
	default:
		return nil
	}
	return conflict(ErrHasRange, j.want.Owner, Range{j.want.Start, j.policy.Count}, first,
		"%s has %s already, %s; release it first", j.want.Owner, join(ranges(have)), why)
}

func ranges(list []Claim) []Range {
	var out []Range
	for _, c := range list {
		out = append(out, c.Range)
	}
	return out
}

// free returns nil if a range is free in these files, or an error that names
// who has some of it.
func (j *job) free(r Range, files ...int) error {
	owner, s := j.want.Owner, j.set
	if err := checkReserved(owner, r, Claim{}); err != nil {
		return err
	}
	for _, i := range files {
		f := j.files[i]
		if have, ok := f.meets(r); ok {
			return overlapError(owner, r, have)
		}
		if err := s.meetsAccount(f, owner, r); err != nil {
			return err
		}
		for _, a := range s.users {
			have, ok := s.window(f).slot(a.ID)
			if ok && have.Overlaps(r) && (j.owner.UID == nil || *j.owner.UID != a.ID) {
				return conflict(ErrOverlap, owner, r, Claim{f.name, 0, a.Name, have},
					"%s overlaps %v, which useradd gives to %s, UID %d (%s, deterministic)", named(owner, r), have, a.Name, a.ID, defsFile)
			}
		}
		for _, c := range j.pending[i] {
			if c.Overlaps(r) {
				return overlapError(owner, r, Claim{"", 0, c.Owner, c.Range})
			}
		}
	}
	for _, have := range j.policy.Avoid {
		if have.Overlaps(r) {
			return conflict(ErrOverlap, owner, r, Claim{Range: have}, "%s overlaps %v, which is to be avoided", named(owner, r), have)
		}
	}
	return nil
}

// fresh finds a range for a new owner.
func (j *job) fresh() (r Range, err error) {
	if j.want.Start != 0 {
		r = Range{j.want.Start, j.policy.Count}
		if err := j.free(r, 0, 1); err != nil {
			return Range{}, err
		}
		j.warn(j.set.rangeWarnings(j.policy, j.want.Owner, j.owner.UID, r)...)
		return r, nil
	}
	if j.noLimits != nil {
		return Range{}, j.noLimits
	}
	if slot, ok := j.slot(); ok && j.free(slot, 0, 1) == nil {
		return slot, nil
	}
	if j.taken == nil {
		j.taken = j.set.taken(nil)
		for _, c := range slices.Concat(j.pending[:]...) {
			j.taken[0].insert(c.Range)
		}
	}
	r, warnings, err := j.set.choose(j.taken, j.policy, j.want.Owner)
	j.warn(warnings...)
	return r, err
}

// slot returns the range that useradd computes from the owner's UID, if any.
func (j *job) slot() (Range, bool) {
	if j.owner.UID == nil || j.want.Policy.Min != 0 || j.want.Policy.Max != 0 {
		return Range{}, false
	}
	uid, ok := j.set.window(j.files[0]).slot(*j.owner.UID)
	gid, both := j.set.window(j.files[1]).slot(*j.owner.UID)
	return uid, ok && both && uid == gid && uid.Count == j.policy.Count && uid.Start%j.policy.Align == 0
}

// advise adds warnings about an owner.
func (j *job) advise() {
	if id, why := j.set.missing(j.want.Owner); id != "" && !j.exists {
		if id == ProblemDanglingOwner {
			id = WarnNoAccount
		}
		j.warn(usernskit.Warning{ID: string(id), Text: why})
	}
	if j.grant.UIDExisting || j.grant.GIDExisting {
		for _, w := range j.set.rangeWarnings(j.policy, j.want.Owner, j.owner.UID, j.grant.UID) {
			if w.ID == string(ProblemSlot) {
				w.Risk = false // nothing changes
				j.warn(w)
			}
		}
	}
}

// adviseHost adds warnings about the host.
func (p *planner) adviseHost() {
	for _, l := range p.refused {
		if l.Line > 0 {
			p.warn(usernskit.Warning{ID: WarnFileRefused, Pos: usernskit.Pos{File: l.File, Line: l.Line}, Text: fmt.Sprintf(
				"%q is not three fields: %v, podman and CRI-O refuse the whole file because of it", l.text, reader.Dockerd27)})
		}
	}
	for _, n := range p.set.notes {
		w := usernskit.Warning{ID: string(n.ID), Pos: usernskit.Pos{File: n.File}, Text: n.Text}
		if n.ID == ProblemAccountsUnseen {
			w.Pos, w.Text = usernskit.Pos{}, n.Text+": IDs of such accounts cannot be avoided"
		}
		p.warn(w)
	}
}

// write adds the missing lines to the plan.
func (p *planner) write() error {
	for i, f := range p.files {
		if len(p.pending[i]) == 0 {
			continue
		}
		edited := *f
		if err := edited.insert(p.pending[i]...); err != nil {
			return err
		}
		p.plan.Changes = append(p.plan.Changes, change(f, &edited))
	}
	return nil
}

// change returns the change of a file from one version to another.
func change(before, after *File) usernskit.Change {
	return usernskit.Change{Path: before.name, Before: before.Bytes(), After: after.Bytes(), Mode: 0o644, Shadow: true}
}

// PlanRelease plans to remove all lines of an owner from the two files, under
// the name and the UID, including lines that programs read differently. If
// there are none, the plan is empty.
//
// The plan warns that files of the range keep their IDs, and belong to its next
// owner.
func (s *Set) PlanRelease(owner string) (usernskit.Plan, error) {
	if err := checkOwner(owner); err != nil {
		return usernskit.Plan{}, err
	}
	o, _ := s.owner(owner, nil)
	plan := usernskit.Plan{Title: "release the subordinate IDs of " + owner}
	for _, f := range s.files() {
		edited := *f
		if edited.release(o) > 0 {
			plan.Changes = append(plan.Changes, change(f, &edited))
		}
	}
	if !plan.Empty() {
		var had []Range
		for _, c := range s.Held(owner) {
			if !slices.Contains(had, c.Range) {
				had = append(had, c.Range)
			}
		}
		plan.Warnings = append(plan.Warnings, usernskit.Warning{ID: WarnReuse, Text: fmt.Sprintf(
			"files with IDs of %s keep them, and belong to the next owner of the range: %s", owner, join(had))})
	}
	return plan, nil
}
