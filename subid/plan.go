package subid

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// A Grant is what an owner has once a plan is applied.
type Grant struct {
	Owner string
	// UID and GID are the ranges that the container's root and the IDs after
	// it come from: the first where an owner has several.
	UID, GID Range
	// UIDExisting and GIDExisting tell that the range stood in the file
	// already, which is then not changed.
	UIDExisting, GIDExisting bool
}

// Plan works out how to give an owner the same range of IDs in both files.
//
// An owner who has ranges that all readers read alike, and that are nobody
// else's, keeps them and nothing is changed; one who has them in one file gets
// the same in the other. Otherwise the lowest range is taken that meets no
// line of either file as any reader reads it, no account or group, nothing
// reserved and nothing that the policy avoids: same host, same answer.
//
// A request that cannot be met is a [*ConflictError] or [*ExhaustedError] and
// plans nothing.
func Plan(ctx context.Context, h usernskit.Host, want Request) (Grant, usernskit.Plan, error) {
	s, err := Read(ctx, h)
	if err != nil {
		return Grant{}, usernskit.Plan{}, err
	}
	if err := checkOwner(want.Owner); err != nil {
		return Grant{}, usernskit.Plan{}, err
	}
	s.findOwner(ctx, want.Owner)
	j, err := s.job(want)
	if err == nil {
		err = j.run()
	}
	if err != nil {
		return Grant{}, usernskit.Plan{}, err
	}
	return j.grant, j.plan, nil
}

// A job is a request being met.
type job struct {
	set    *Set
	want   Request
	policy Policy
	grant  Grant
	plan   usernskit.Plan

	refused [2]Line // for which strict readers refuse a file; see Set.files
}

func (s *Set) job(want Request) (*job, error) {
	j := &job{set: s, want: want, grant: Grant{Owner: want.Owner}}
	if want.Count != 0 {
		want.Policy.Count = want.Count
	}
	var err error
	if j.policy, err = want.Policy.resolve(s.uid, s.gid); err != nil {
		return nil, err
	}
	r := Range{want.Start, j.policy.Count}
	if err := checkRange(want.Owner, r); err != nil {
		return nil, err
	}
	if r.Start%j.policy.Align != 0 {
		return nil, &ConflictError{Err: ErrRange, Owner: want.Owner, Want: r,
			Why: fmt.Sprintf("%s does not start at a multiple of %d", named(want.Owner, r), j.policy.Align)}
	}
	if r.Count < 65536 {
		if !want.AllowSmall {
			return nil, smallError("", 0, want.Owner, r)
		}
		j.warn(usernskit.Warning{ID: "small-range", Risk: true, Text: fmt.Sprintf(
			"%d IDs are fewer than 65536: ID 65534 (nobody) and others of an image cannot be used", r.Count)})
	}
	return j, nil
}

func smallError(file string, line int, owner string, r Range) error {
	return &ConflictError{Err: ErrSmallRange, File: file, Line: line, Owner: owner, Want: r,
		Why: fmt.Sprintf("%s: fewer than 65536 IDs leave ID 65534 (nobody) of an image without one", named(owner, r))}
}

func (j *job) warn(list ...usernskit.Warning) {
	for _, w := range list {
		if !slices.Contains(j.plan.Warnings, w) {
			j.plan.Warnings = append(j.plan.Warnings, w)
		}
	}
}

func (j *job) run() error {
	j.plan.Title = "give " + j.want.Owner + " subordinate IDs"
	o, known := j.set.owner(j.want.Owner, j.want.UID)
	var lines [2][]claim
	err := j.set.both(func(i int, f *File) (err error) {
		lines[i], j.refused[i], err = j.set.existing(f, o)
		return err
	})
	if err != nil {
		return err
	}
	for _, own := range lines {
		if err := j.fit(own); err != nil {
			return err
		}
	}
	uid, gid := ranges(lines[0]), ranges(lines[1])
	j.grant.UIDExisting, j.grant.GIDExisting = len(uid) > 0, len(gid) > 0
	switch {
	case len(uid) > 0 && len(gid) > 0:
		if !slices.Equal(uid, gid) {
			j.warn(usernskit.Warning{ID: UIDGIDDiffer, Text: fmt.Sprintf(
				"%s has %s in %s and %s in %s", j.want.Owner, join(uid), UIDFile, join(gid), GIDFile)})
		}
	case len(uid) > 0:
		gid, err = j.mirror(j.set.GID, uid)
	case len(gid) > 0:
		uid, err = j.mirror(j.set.UID, gid)
	default:
		err = j.fresh()
		uid, gid = []Range{j.grant.UID}, []Range{j.grant.GID}
	}
	if err != nil {
		return err
	}
	j.grant.UID, j.grant.GID = uid[0], gid[0]
	if err := j.write(uid, gid); err != nil {
		return err
	}
	j.advise(known)
	return nil
}

// fit refuses lines that stand in a file already and are not what is wanted.
func (j *job) fit(have []claim) error {
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
	case total < 65536 && !j.want.AllowSmall:
		return smallError(first.file, first.line, j.want.Owner, first.Range)
	case j.want.Count != 0 && total < uint64(j.want.Count):
		why = fmt.Sprintf("fewer than %d IDs", j.want.Count)
	default:
		return nil
	}
	return &ConflictError{Err: ErrHasRange, File: first.file, Line: first.line, Owner: j.want.Owner,
		Want: Range{j.want.Start, j.policy.Count}, Holder: first.owner, Have: first.Range,
		Why: fmt.Sprintf("%s has %s already, %s; release it first", j.want.Owner, join(ranges(have)), why)}
}

func ranges(list []claim) []Range {
	var out []Range
	for _, c := range list {
		out = append(out, c.Range)
	}
	return out
}

// mirror finds out whether the ranges of the other file are free in f.
func (j *job) mirror(f *File, have []Range) ([]Range, error) {
	for _, r := range have {
		err := j.set.free(j.policy, j.want.Owner, r, f)
		if err != nil && j.want.UnpairedOK {
			var own Range
			err = j.freshIn(f, &own)
			return []Range{own}, err
		}
		if err != nil {
			return nil, err
		}
	}
	return have, nil
}

// write plans the lines that the files do not have yet.
func (j *job) write(ranges ...[]Range) error {
	existing := [2]bool{j.grant.UIDExisting, j.grant.GIDExisting}
	var changes [2]usernskit.Change
	err := j.set.both(func(i int, f *File) error {
		if existing[i] {
			return nil
		}
		edited := *f
		for _, r := range ranges[i] {
			if err := edited.Add(j.want.Owner, r); err != nil {
				return err
			}
		}
		changes[i] = change(f, &edited)
		return nil
	})
	if err != nil {
		return err
	}
	for i, c := range changes {
		if !existing[i] {
			j.plan.Changes = append(j.plan.Changes, c)
		}
	}
	return nil
}

// change is that of a file as Read has read it.
func change(before, after *File) usernskit.Change {
	return usernskit.Change{Path: before.name, Before: before.read, After: after.Bytes(), Mode: 0o644, Lock: usernskit.LockShadow}
}

func join(list []Range) string {
	var words []string
	for _, r := range list {
		words = append(words, r.String())
	}
	return strings.Join(words, ", ")
}
