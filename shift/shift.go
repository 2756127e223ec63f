package shift

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/dirs"
	"github.com/usernskit/usernskit/internal/hostfs"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
)

var (
	// ErrNotSupported: this system cannot move owners; Linux 5.8 or later can.
	ErrNotSupported = errors.New("moving owners is not supported here")

	// ErrRefused is matched by the errors of a job that would do harm. Their text
	// says what is in the way; see [Job.Risks].
	ErrRefused = errors.New("refused")

	// ErrUnfinished: a job ended early. Run the same job again, or the one that takes
	// it back; any other job is refused.
	ErrUnfinished = errors.New("some owners are moved and some are not")

	// ErrRunning: another process is moving owners in this directory, or above it.
	ErrRunning = errors.New("another process is at work on this directory")

	// ErrNoJob: no job for this directory is known.
	ErrNoJob = errors.New("no job for this directory")

	// ErrMissed: the tree was still changing when the job ended, so it may have
	// missed some files. The job is not finished.
	ErrMissed = errors.New("files were added or renamed while owners were moved")

	// ErrNoSpace: there is not enough room for a copy.
	ErrNoSpace = errors.New("not enough space for the copy")

	// ErrDiffers: a tree and its copy differ. The text says where.
	ErrDiffers = errors.New("the copy differs")

	errEnough = errors.New("enough was seen") // ends a bounded walk
)

// DefaultState is the directory of the journals of jobs.
const DefaultState = "/var/lib/usernskit/shift"

// Options say where a job writes, and which risks are accepted.
type Options struct {
	// State is the directory of the journal; if empty, it is [DefaultState]. It
	// must not be in the tree.
	State string `json:"state,omitempty"`

	// Into, if set, makes the job copy the tree to this path with the owners moved,
	// and leave the tree as it is. The path must not exist, unless the copy is there
	// already. Its directory may be missing while the job is planned, but not when it
	// runs, and only the caller should be able to write there.
	Into string `json:"into,omitempty"`

	// Accept lists the IDs of the risks that are accepted.
	Accept []string `json:"accept,omitempty"`
}

// The IDs of [Job.Risks].
const (
	// RiskInUse: the directory belongs to the system, or a running container or a
	// process that writes there uses it.
	RiskInUse = "in-use"
	// RiskMixed: the tree has IDs of both ranges. Undo cannot tell which files had an
	// ID of the new range before the job, and moves them too.
	RiskMixed = "mixed"
	// RiskImmutable: files are immutable or append-only. The attributes are removed
	// for the change and then restored; a copy does not have them.
	RiskImmutable = "immutable"
)

// A State says how far a job has come.
type State string

const (
	StatePlanned State = "planned"
	StateRunning State = "running" // begun and not done
	StateDone    State = "done"
)

// A Report counts what is in a tree.
type Report struct {
	Files        int   `json:"files"`        // files, directories, links and all else
	Todo         int   `json:"todo"`         // with an ID of the old range
	Done         int   `json:"done"`         // with an ID of the new range and none of the old
	Outside      int   `json:"outside"`      // with an ID in neither range
	Special      int   `json:"special"`      // setuid, setgid or with capabilities
	ACLs         int   `json:"acls"`         // with an access control list that names IDs to move
	Capabilities int   `json:"capabilities"` // with capabilities whose root user is in the old range
	Immutable    int   `json:"immutable"`    // immutable or append-only
	HardLinks    int   `json:"hard_links"`   // names of regular files that have several
	Sparse       int   `json:"sparse"`       // files with holes
	Bytes        int64 `json:"bytes"`        // disk space of its regular files
	Mounts       int   `json:"mounts"`       // mount points, which are not entered
	Vanished     int   `json:"vanished"`     // gone before they were read
	New          int   `json:"new"`          // made since the end of the job that this one takes back
	Mixed        bool  `json:"mixed"`        // IDs of both ranges are in the tree

	taken int // files with an ID of the new range, also beside one of the old

	// Busy lists the containers and processes that use the tree.
	Busy []string `json:"busy,omitempty"`
}

// Idle reports whether there is nothing to move.
func (r Report) Idle() bool { return r.Todo+r.ACLs+r.Capabilities == 0 }

// A Job moves the owners of a tree from one range to another, or copies the tree.
type Job struct {
	Schema  int            `json:"schema"`
	Dir     string         `json:"dir"` // absolute, without symbolic links
	Inode   uint64         `json:"inode"`
	From    userns.Mapping `json:"from"`
	To      userns.Mapping `json:"to"`
	Options Options        `json:"options"`
	Report  Report         `json:"report"`
	State   State          `json:"job_state"`
	// Need is how many bytes a copy takes at most. For a copy, Free is how many bytes
	// there are, and Seconds an estimate of the time, from a sample of the tree.
	Need    int64 `json:"need"`
	Free    int64 `json:"free,omitempty"`
	Seconds int   `json:"seconds,omitempty"`

	// Ended is when the job was done. Until then it is the end of the job that this
	// one takes back, if there is one.
	Ended time.Time `json:"ended,omitzero"`

	born int64 // of Inode, as in a record: roots of file systems have the same inode number
}

// Progress is how many files a running job has done. Total is 0 while it is
// unknown.
type Progress struct{ Files, Total int }

// Plan scans a tree and changes nothing. It fails if the job makes no sense, or is
// in place and the ranges are not of equal size, so that it could not be undone;
// [Job.Risks] lists the harm that the job could do. The state of the job is
// [StateDone] if there is nothing to do, and [StateRunning] if it, or the job that
// it takes back, was begun and not finished.
//
// Without ranges Plan returns the last job of the directory, or [ErrNoJob].
func Plan(ctx context.Context, dir string, from, to userns.Mapping, opt Options) (Job, error) {
	dir, err := resolve(dir)
	if err != nil {
		return Job{}, err
	}
	job := Job{Schema: 1, Dir: dir, From: from, To: to, Options: opt, State: StatePlanned}
	if from.IsZero() && to.IsZero() {
		last, err := load(job.stateDir(), dir)
		if err != nil || last.State == StateDone {
			return last, err
		}
		job.From, job.To = last.From, last.To
		job.Options.Accept = slices.Concat(opt.Accept, last.Options.Accept)
	}
	// A job that was begun may be finished.
	if err := apart(job.From, job.To, opt.Into == "" && !from.IsZero()); err != nil {
		return Job{}, err
	}
	if dirs.Within(job.stateDir(), dir) {
		return Job{}, fmt.Errorf("%w: the journal %s is in the tree", ErrRefused, job.stateDir())
	}
	if job, err = job.after(); err != nil {
		return Job{}, err
	}
	if job, err = job.look(ctx, 0); err == nil {
		job.Report.Busy, err = busy(ctx, dir)
	}
	// Names, attributes and the last block of each file take some room too.
	job.Need = job.Report.Bytes + int64(job.Report.Files)*4096
	switch {
	case err != nil:
		return job, err
	case opt.Into == "" && job.State == StatePlanned && job.Report.Idle():
		job.State = StateDone
	}
	if opt.Into == "" {
		return job, nil
	}
	if job.Options.Into, err = absolute(opt.Into); err == nil {
		job.Options.Into, err = hostfs.Root("").Resolve(job.Options.Into)
	}
	if err != nil {
		return Job{}, err
	}
	if dirs.Within(job.Options.Into, dir) || dirs.Within(dir, job.Options.Into) {
		return Job{}, fmt.Errorf("%w: %s and its copy %s are one in the other", ErrRefused, dir, job.Options.Into)
	}
	return job.measure(ctx)
}

// after compares the job with the last one of its directory, which it may continue
// or take back. Any other job is refused until that one is finished.
func (j Job) after() (Job, error) {
	old, err := load(j.stateDir(), j.Dir)
	if errors.Is(err, ErrNoJob) {
		return j, nil
	}
	back := old.From.Equal(j.To) && old.To.Equal(j.From)
	switch {
	case err != nil || old.State == StateDone && j.Options.Into != "":
		return j, err
	case j.Options.Into == "" && (back || old.State == StateRunning && old.From.Equal(j.From) && old.To.Equal(j.To)):
		j.Ended = old.Ended
	case old.State == StateRunning:
		return j, fmt.Errorf("%w: another job of %s, from %v to %v, is not finished", ErrRefused, j.Dir, old.From, old.To)
	}
	if old.State == StateRunning {
		j.State = StateRunning
	}
	return j, nil
}

// A Sample is what a bounded look at a tree found.
type Sample struct {
	Report
	Whole bool          // all of the tree was counted; if not, there is at least this much
	Took  time.Duration // the time of the look
}

// movePerLook is how many times longer a job takes than a look at the tree: it
// looks twice, and the move takes as long as two looks (internal/peerbench).
const movePerLook = 4

// Time estimates how long it takes on this machine to move the owners of what was
// counted.
func (s Sample) Time() time.Duration { return movePerLook * s.Took }

// Look counts what is in a tree until it has seen that many files (0 for no limit)
// or the time limit is over. It changes nothing.
func Look(ctx context.Context, dir string, from, to userns.Mapping, files int, limit time.Duration) (Sample, error) {
	if err := apart(from, to, false); err != nil {
		return Sample{}, err
	}
	dir, err := resolve(dir)
	if err != nil {
		return Sample{}, err
	}
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errEnough)
	defer cancel()
	job, err := Job{Dir: dir, From: from, To: to}.look(ctx, files)
	s := Sample{job.Report, err == nil, time.Since(start)}
	if errors.Is(err, errEnough) {
		err = nil
	}
	return s, err
}

// Risks lists the harm that the job could do. [Run] refuses the job unless all of
// them are accepted.
func (j Job) Risks() (list []usernskit.Warning) {
	r := j.Report
	add := func(id, format string, args ...any) {
		list = append(list, usernskit.Warning{ID: id, Risk: true, Text: fmt.Sprintf(format, args...)})
	}
	if dirs.IsSystemHere(j.Dir) {
		add(RiskInUse, "%s is a directory of the system", j.Dir)
	}
	if len(r.Busy) > 0 {
		add(RiskInUse, "%s is in use by %s", j.Dir, strings.Join(r.Busy, ", "))
	}
	if r.Mixed && j.State == StatePlanned {
		add(RiskMixed, "%d files have IDs of the old range and %d of the new one already", r.Todo, r.taken)
	}
	if r.Immutable > 0 {
		add(RiskImmutable, "%s immutable or append-only", text.Count(r.Immutable, "file is", "files are"))
	}
	return list
}

// Run runs a planned job. A job with nothing to do changes nothing. A job that was
// killed continues; a copy starts again.
//
// If a job in place ends early, the error matches [ErrUnfinished], and [ErrMissed]
// too if files were added or renamed all the time.
func Run(ctx context.Context, job Job, progress func(Progress)) (Job, error) {
	if job.State == StateDone {
		if job.Options.Into != "" { // left by a kill right after the rename
			_ = os.Remove(job.part())
		}
		return job, nil
	}
	for _, risk := range job.Risks() {
		if !slices.Contains(job.Options.Accept, risk.ID) {
			return job, fmt.Errorf("%w: %s", ErrRefused, risk.Text)
		}
	}
	switch {
	case job.Options.Into == "":
		return job.move(ctx, progress)
	case job.Report.Mounts > 0:
		return job, fmt.Errorf("%w: %d mounts in %s would not be copied", ErrRefused, job.Report.Mounts, job.Dir)
	case job.Need > job.Free:
		return job, fmt.Errorf("%w: it takes up to %d bytes, and %s has %d", ErrNoSpace, job.Need, filepath.Dir(job.Options.Into), job.Free)
	}
	return job.copy(ctx, progress)
}

// part is the directory in which a copy is made.
func (j Job) part() string {
	dir, name := filepath.Split(j.Options.Into)
	return filepath.Join(dir, "."+name+".part")
}

// Compare reads a tree and its copy, contents too. The error matches [ErrDiffers]
// if anything that a copy keeps is not the same.
func Compare(ctx context.Context, job Job) error {
	_, err := compare(ctx, job, job.Options.Into, true)
	return err
}

// Resume continues the unfinished job of a directory. A finished job is returned
// as it is.
func Resume(ctx context.Context, dir string, opt Options, progress func(Progress)) (Job, error) {
	job, err := Plan(ctx, dir, userns.Mapping{}, userns.Mapping{}, opt)
	if err != nil {
		return job, err
	}
	return Run(ctx, job, progress)
}

// Undo moves back the owners that a job has moved, finished or not: it is the job
// with the ranges swapped. Files that were made since move too; [Report.New]
// counts them.
func Undo(ctx context.Context, job Job, progress func(Progress)) (Job, error) {
	job.Options.Accept = slices.Concat(job.Options.Accept, []string{RiskMixed})
	back, err := Plan(ctx, job.Dir, job.To, job.From, job.Options)
	if err != nil {
		return back, err
	}
	return Run(ctx, back, progress)
}

func (j Job) stateDir() string {
	if j.Options.State == "" {
		return DefaultState
	}
	return j.Options.State
}

// resolve returns the path of a directory without symbolic links. The target of a
// link of /proc, such as /proc/PID/root, may have no path here: that is an error.
func resolve(dir string) (string, error) {
	if dir == "" { // not the working directory, for a program whose variable is not set
		return "", fmt.Errorf("%w: no directory given", ErrRefused)
	}
	dir, err := absolute(dir)
	if err != nil {
		return "", err
	}
	path, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", err
	}
	given, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	if found, err := os.Stat(path); err != nil || !os.SameFile(given, found) {
		return "", fmt.Errorf("%w: %s leads out of this mount namespace", ErrRefused, dir)
	}
	return path, nil
}

// absolute is filepath.Abs, but does not take LINK/.. for the directory of the link.
func absolute(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	here, err := os.Getwd()
	return here + "/" + path, err
}

// Identity returns a mapping of the same container IDs, each to itself, as it is
// without remapping.
func Identity(m userns.Mapping) (_ userns.Mapping, err error) {
	for _, side := range []*userns.Map{&m.UID, &m.GID} {
		extents := side.Extents()
		for i := range extents {
			extents[i].HostID = extents[i].ID
		}
		if *side, err = userns.NewMap(extents...); err != nil {
			return userns.Mapping{}, err
		}
	}
	return m, nil
}

// apart checks that to has every container ID of from, and that the two have no
// host ID in common: otherwise an owner would not show whether a file is done. With
// back it also checks that from has every container ID of to, so that undo finds an ID
// for each file that is in the new range by then.
func apart(from, to userns.Mapping, back bool) error {
	for _, m := range []struct {
		what     string
		from, to userns.Map
	}{{"user", from.UID, to.UID}, {"group", from.GID, to.GID}} {
		if m.from.IsZero() || m.to.IsZero() {
			return fmt.Errorf("%w: there are no %s IDs to move", userns.ErrInvalidMap, m.what)
		}
		for _, e := range m.from.Extents() {
			if !has(m.to, e) {
				return fmt.Errorf("%w: the new range lacks some of the %s IDs %v", userns.ErrUnmapped, m.what, e)
			}
			for _, f := range m.to.Extents() {
				if e.HostID < f.HostID+f.Count && f.HostID < e.HostID+e.Count {
					return fmt.Errorf("%w: the old and the new %s IDs overlap: %v and %v", userns.ErrInvalidMap, m.what, e, f)
				}
			}
		}
		if back && slices.ContainsFunc(m.to.Extents(), func(e userns.Extent) bool { return !has(m.from, e) }) {
			return fmt.Errorf("%w: a move from the %s IDs %s to the larger range %s cannot be undone; give ranges of equal size",
				ErrRefused, m.what, spans(m.from), spans(m.to))
		}
	}
	return nil
}

// has reports whether m has all container IDs of e.
func has(m userns.Map, e userns.Extent) bool {
	n := uint32(0)
	for _, r := range m.HostRanges(e.ID, e.Count) {
		n += r.Count
	}
	return n == e.Count
}

// spans returns the host IDs of a map as text.
func spans(m userns.Map) string {
	return text.Spans(m.Extents(), func(e userns.Extent) (uint32, uint32) { return e.HostID, e.Count })
}
