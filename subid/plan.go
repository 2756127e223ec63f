package subid

import (
	"cmp"
	"context"
	"errors"
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
	// UnpairedOK allows ranges that start at different IDs in the two files if
	// they have no common hole.
	UnpairedOK bool
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
	// UIDExisting and GIDExisting: the range is in the file already.
	UIDExisting, GIDExisting bool
}

// Plan plans the same range of IDs for an owner in both files.
//
// An owner keeps ranges that all programs read alike and no other owner has; if
// they are in one file, the other gets the same. Otherwise it gets the lowest
// range that does not overlap a line of either file as any program reads it, an
// account or group, reserved IDs, the slot of a UID, or what the policy avoids.
//
// A request that cannot be met is a [*ConflictError].
func Plan(ctx context.Context, h usernskit.Host, want Request) (Grant, usernskit.Plan, error) {
	list, plan, err := PlanAll(ctx, h, want)
	if err != nil {
		return Grant{}, usernskit.Plan{}, err
	}
	return list[0], plan, nil
}

// PlanAll is [Plan] for many owners: both files are read once and written once,
// and either all of the requests are met or none is.
func PlanAll(ctx context.Context, h usernskit.Host, want ...Request) ([]Grant, usernskit.Plan, error) {
	s, err := Read(ctx, h)
	if err != nil {
		return nil, usernskit.Plan{}, err
	}
	return s.Plan(ctx, want...)
}

// Plan is [PlanAll] for files that were read.
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
	if err == nil {
		err = j.fresh()
	}
	if err != nil {
		return Grant{}, nil, err
	}
	p.warnUnseen()
	return j.grant, p.plan.Warnings, nil
}

// A planner meets requests, one after the other.
type planner struct {
	set   *Set
	files []*File
	plan  usernskit.Plan
	jobs  []job

	taken   spans // of both files; computed on first use
	pending [2][]Claim
	refused [2]line // that make strict readers refuse a file
}

// A job is one request being met.
type job struct {
	*planner
	want   Request
	policy Policy
	// noLimits is why the host's limits cannot be used.
	noLimits error
	grant    Grant
	owner    reader.Owner
	exists   bool       // the account does
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
	keys := map[string]int{} // of the owner fields, to jobs
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
				return nil, &ConflictError{Err: ErrOwner, Owner: w.Owner, Why: fmt.Sprintf("%q is requested twice", w.Owner)}
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
		return &ConflictError{Err: ErrUnsafeLine, File: f.name, Line: n,
			Why: fmt.Sprintf("a line too long for %v, which refuses the whole file", reader.Dockerd)}
	}
	for l, r := range f.entries() {
		if r.Count > 0 {
			if n, ok := keys[l.owner]; ok {
				p.jobs[n].own[i] = append(p.jobs[n].own[i], Claim{f.name, l.number, l.owner, r})
			}
			continue
		}
		if p.refused[i].number == 0 && reader.RefusesFile(l.text) {
			p.refused[i] = l
		}
		for found := range reader.Line(l.text) {
			if slices.ContainsFunc(p.jobs, func(j job) bool { return j.owner.Is(found.Owner) }) {
				return f.unsafe(l, r)
			}
		}
	}
	return nil
}

func (p *planner) job(want Request) (*job, error) {
	j := &job{planner: p, want: want, grant: Grant{Owner: want.Owner}}
	if want.Count != 0 {
		want.Policy.Count = want.Count
	}
	j.policy, j.noLimits = p.set.resolve(want.Policy, p.files...)
	if want.Slot != nil {
		if j.noLimits != nil {
			return nil, j.noLimits
		}
		start := uint64(j.policy.Min) + uint64(*want.Slot)*uint64(j.policy.Count)
		if want.Start != 0 || start+uint64(j.policy.Count)-1 > uint64(j.policy.Max) {
			return nil, &ConflictError{Err: ErrRange, Owner: want.Owner,
				Why: fmt.Sprintf("slot %d of %d IDs from %d on ends after %d", *want.Slot, j.policy.Count, j.policy.Min, j.policy.Max)}
		}
		j.want.Start = uint32(start)
	}
	r := Range{j.want.Start, j.policy.Count}
	if err := checkRange(want.Owner, r); err != nil {
		return nil, err
	}
	if r.Start%j.policy.Align != 0 {
		return nil, &ConflictError{Err: ErrRange, Owner: want.Owner, Want: r,
			Why: fmt.Sprintf("%s does not start at a multiple of %d", named(want.Owner, r), j.policy.Align)}
	}
	if r.Count < minCount {
		if !want.AllowSmall {
			return nil, smallError("", 0, want.Owner, r)
		}
		p.warnSmall(uint64(r.Count))
	}
	return j, nil
}

func (p *planner) warnSmall(count uint64) {
	p.warn(usernskit.Warning{ID: WarnSmallRange, Risk: true, Text: fmt.Sprintf(
		"fewer than 65536 IDs (%d): ID 65534 (nobody) and others of an image cannot be used", count)})
}

func smallError(file string, line int, owner string, r Range) error {
	what := named(owner, r)
	if r.Start == 0 { // no start was asked for
		what = text.Count(int(r.Count), "ID", "IDs") + " for " + cmp.Or(owner, "anyone")
	}
	return &ConflictError{Err: ErrSmallRange, File: file, Line: line, Owner: owner, Want: r,
		Why: fmt.Sprintf("%s: with fewer than 65536 IDs, ID 65534 (nobody) of an image cannot be mapped", what)}
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
	uid, gid := ranges(j.own[0]), ranges(j.own[1])
	j.grant.UIDExisting, j.grant.GIDExisting = len(uid) > 0, len(gid) > 0
	var err error
	switch {
	case len(uid) > 0 && len(gid) > 0:
		if !slices.Equal(uid, gid) {
			j.warn(usernskit.Warning{ID: string(ProblemUIDGIDDiffer), Text: fmt.Sprintf(
				"%s has %s in %s and %s in %s", j.want.Owner, join(uid), UIDFile, join(gid), GIDFile)})
		}
	case len(uid) > 0:
		gid, err = j.mirror(1, uid)
	case len(gid) > 0:
		uid, err = j.mirror(0, gid)
	default:
		err = j.fresh()
		uid, gid = []Range{j.grant.UID}, []Range{j.grant.GID}
	}
	if err != nil {
		return err
	}
	j.grant.UID, j.grant.GID = uid[0], gid[0]
	if !j.grant.UIDExisting {
		j.give(0, uid)
	}
	if !j.grant.GIDExisting {
		j.give(1, gid)
	}
	j.advise()
	return nil
}

// usable refuses lines of an owner that overlap another owner's, an account's
// or reserved IDs.
func (j *job) usable(f *File, own []Claim) error {
	for i, c := range own {
		// dockerd 27 reads what is under the UID only, dockerd 28 both.
		if c.Owner != own[0].Owner {
			return &ConflictError{Err: ErrUnsafeLine, File: f.name, Line: c.Line, Owner: j.want.Owner, Holder: c.Owner, Have: c.Range,
				Why: fmt.Sprintf("readers differ about lines under %q and under %q, name and UID of one account: keep one kind", own[0].Owner, c.Owner)}
		}
		if err := checkReserved(f.name, c.Line, j.want.Owner, c.Range); err != nil {
			return err
		}
		for _, d := range own[:i] {
			if d.Range.Overlaps(c.Range) {
				return overlapError(f.name, c.Line, c.Owner, c.Range, d.Owner, d.Range)
			}
		}
		if err := j.set.meetsAccount(f == j.files[0], c.Owner, c.Range); err != nil {
			return err
		}
	}
	if len(own) == 0 {
		return nil
	}
	for l, have := range f.claims() {
		for _, c := range own {
			if l.number != c.Line && l.owner != c.Owner && have.Overlaps(c.Range) {
				return overlapError(f.name, l.number, c.Owner, c.Range, l.owner, have)
			}
		}
	}
	return nil
}

// fit refuses existing lines that differ from the request.
func (j *job) fit(have []Claim) error {
	if len(have) == 0 {
		return nil
	}
	first, total := have[0], uint64(0)
	for _, c := range have {
		total += uint64(c.Range.Count)
	}
	why := ""
	switch {
	case j.want.Start != 0 && first.Range.Start != j.want.Start:
		why = fmt.Sprintf("not one that starts at %d", j.want.Start)
	case first.Range.Start%j.policy.Align != 0:
		why = fmt.Sprintf("not one that starts at a multiple of %d", j.policy.Align)
	case total < minCount && !j.want.AllowSmall:
		return smallError(first.File, first.Line, j.want.Owner, first.Range)
	case total < minCount && j.want.Count <= minCount:
		j.warnSmall(total) // it stays
		return nil
	case j.want.Count != 0 && total < uint64(j.want.Count):
		why = fmt.Sprintf("fewer than %d IDs", j.want.Count)
	default:
		return nil
	}
	return &ConflictError{Err: ErrHasRange, File: first.File, Line: first.Line, Owner: j.want.Owner,
		Want: Range{j.want.Start, j.policy.Count}, Holder: first.Owner, Have: first.Range,
		Why: fmt.Sprintf("%s has %s already, %s; release it first", j.want.Owner, join(ranges(have)), why)}
}

func ranges(list []Claim) []Range {
	var out []Range
	for _, c := range list {
		out = append(out, c.Range)
	}
	return out
}

// free returns nil if a range is free in these files.
func (j *job) free(r Range, files ...int) error {
	for _, i := range files {
		if err := j.set.free(j.policy, j.want.Owner, j.owner.UID, r, j.files[i]); err != nil {
			return err
		}
		for _, c := range j.pending[i] {
			if c.Range.Overlaps(r) {
				return overlapError("", 0, j.want.Owner, r, c.Owner, c.Range)
			}
		}
	}
	return nil
}

// fresh finds ranges for a new owner.
func (j *job) fresh() error {
	r := Range{j.want.Start, j.policy.Count}
	if j.want.Start != 0 {
		if err := j.free(r, 0, 1); err != nil {
			return err
		}
		j.warn(j.set.rangeWarnings(j.policy, j.want.Owner, j.owner.UID, r, j.files...)...)
		j.grant.UID, j.grant.GID = r, r
		return nil
	}
	if j.noLimits != nil {
		return j.noLimits
	}
	if slot, ok := j.slot(); ok && j.free(slot, 0, 1) == nil {
		j.grant.UID, j.grant.GID = slot, slot
		return nil
	}
	if j.taken == nil {
		j.taken = j.set.taken(nil, j.files...)
		for _, c := range slices.Concat(j.pending[:]...) {
			j.taken.insert(c.Range)
		}
	}
	r, warnings, err := j.set.choose(j.taken, j.policy, j.want.Owner, j.files...)
	if errors.Is(err, ErrExhausted) && j.want.UnpairedOK {
		return errors.Join(j.freshIn(0, &j.grant.UID), j.freshIn(1, &j.grant.GID))
	}
	j.warn(warnings...)
	j.grant.UID, j.grant.GID = r, r
	return err
}

// slot is the range that useradd gives to the owner's UID, if it does.
func (j *job) slot() (Range, bool) {
	if j.owner.UID == nil || j.want.Policy.Min != 0 || j.want.Policy.Max != 0 {
		return Range{}, false
	}
	u, _ := j.set.window(j.files[0])
	g, _ := j.set.window(j.files[1])
	uid, ok := u.slot(*j.owner.UID)
	gid, both := g.slot(*j.owner.UID)
	return uid, ok && both && uid == gid && uid.Count == j.policy.Count && uid.Start%j.policy.Align == 0
}

// freshIn finds a range that is free in one file.
func (j *job) freshIn(i int, r *Range) error {
	f := j.files[i]
	policy, err := j.set.resolve(j.want.Policy, f)
	if err != nil {
		return err
	}
	policy.Count = j.policy.Count
	taken := j.set.taken(nil, f)
	for _, c := range j.pending[i] {
		taken.insert(c.Range)
	}
	found, warnings, err := j.set.choose(taken, policy, j.want.Owner, f)
	j.warn(warnings...)
	*r = found
	return err
}

// mirror checks that the ranges of the other file are free in this one.
func (j *job) mirror(i int, have []Range) ([]Range, error) {
	for _, r := range have {
		err := j.free(r, i)
		if err != nil && j.want.UnpairedOK {
			var own Range
			err = j.freshIn(i, &own)
			return []Range{own}, err
		}
		if err != nil {
			return nil, err
		}
	}
	return have, nil
}

// give records what an owner gets in a file.
func (j *job) give(i int, list []Range) {
	for _, r := range list {
		j.pending[i] = append(j.pending[i], Claim{File: j.files[i].name, Owner: j.want.Owner, Range: r})
		if j.taken != nil {
			j.taken.insert(r)
		}
	}
}

// write plans the missing lines.
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

// change is that of a file as it was read.
func change(before, after *File) usernskit.Change {
	return usernskit.Change{Path: before.name, Before: before.Bytes(), After: after.Bytes(), Mode: 0o644, Shadow: true}
}

// PlanRelease plans to remove all lines of an owner from the two files, under
// the name and the UID, including lines that programs read differently. Without
// any, the plan is empty.
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
		if edited.Release(o) > 0 {
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
