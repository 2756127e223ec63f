package shift

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit/userns"
)

var (
	// ErrNotSupported: this system cannot do it; it takes Linux 5.8.
	ErrNotSupported = errors.New("moving owners is not supported here")

	// ErrRefused is matched by the errors of a job that would do harm. Their text
	// says what is in the way, and [Options] what accepts it.
	ErrRefused = errors.New("refused")

	// ErrUnfinished: a job for this directory was begun and not ended. [Resume]
	// ends it.
	ErrUnfinished = errors.New("a job for this directory is not finished")

	// ErrRunning: another process is moving the owners of this directory.
	ErrRunning = errors.New("another process is at work on this directory")

	// ErrNoJob: no job for this directory is known.
	ErrNoJob = errors.New("no job for this directory")

	// ErrMissed: files were still being added or renamed when the job ended, so
	// that some may have been missed. It is not finished.
	ErrMissed = errors.New("files were added or renamed while owners were moved")

	// ErrNoSpace: there is not enough room for a copy.
	ErrNoSpace = errors.New("not enough space for the copy")

	// ErrDiffers: a tree is not a copy of the other. The text says where.
	ErrDiffers = errors.New("the copy differs")
)

// DefaultState is where jobs keep their journal.
const DefaultState = "/var/lib/usernskit/shift"

// Options say what a job may do beyond the usual.
type Options struct {
	// State is the directory of the journal; if empty, it is [DefaultState]. It
	// must not be in the tree.
	State string `json:"state,omitempty"`

	// Into makes the job a copy: the tree stays as it is, and is made again at this
	// path with the owners moved. The path must not exist, the directory that it is
	// in must, and only the caller should be able to write there.
	Into string `json:"into,omitempty"`

	// LiftImmutable takes the immutable and append-only attributes off for the
	// change, and puts them back. Otherwise such files are refused. A copy does
	// not have them.
	LiftImmutable bool `json:"lift_immutable,omitempty"`

	// AcceptMixed goes on where IDs of both ranges are in the tree, although Undo
	// will not tell those apart that had their ID before.
	AcceptMixed bool `json:"accept_mixed,omitempty"`

	// AcceptRisk goes on in directories of the system and in those that a running
	// container or a writing process uses.
	AcceptRisk bool `json:"accept_risk,omitempty"`
}

// A State says how far a job is.
type State string

const (
	StatePlanned State = "planned"
	StateRunning State = "running"
	StateDone    State = "done"
	StateUndoing State = "undoing"
	StateUndone  State = "undone"
)

// A Report counts what is in a tree.
type Report struct {
	Files        int   `json:"files"`        // files, directories, links and all else
	Todo         int   `json:"todo"`         // with an ID of the old range
	Done         int   `json:"done"`         // with an ID of the new range and none of the old
	Outside      int   `json:"outside"`      // with an ID of neither
	Special      int   `json:"special"`      // setuid, setgid or with capabilities
	ACLs         int   `json:"acls"`         // with an access control list that names IDs to move
	Capabilities int   `json:"capabilities"` // with capabilities of a root in the old range
	Immutable    int   `json:"immutable"`    // immutable or append-only
	HardLinks    int   `json:"hard_links"`   // names of files that have several
	Sparse       int   `json:"sparse"`       // files with holes
	Bytes        int64 `json:"bytes"`        // that its files take on the disk
	Mounts       int   `json:"mounts"`       // mount points, which are not entered
	Vanished     int   `json:"vanished"`     // gone before they were read
	New          int   `json:"new"`          // made after the job was done; counted by Undo

	// Busy are the containers and processes that use the tree.
	Busy []string `json:"busy,omitempty"`
}

// Mixed reports whether IDs of both ranges are in the tree.
func (r Report) Mixed() bool { return r.Todo > 0 && r.Done > 0 }

// Idle reports whether there is nothing to move.
func (r Report) Idle() bool { return r.Todo+r.ACLs+r.Capabilities == 0 }

// A Job is a tree and the two ranges.
type Job struct {
	Schema  int            `json:"schema"`
	Dir     string         `json:"dir"` // absolute, without symbolic links
	Inode   uint64         `json:"inode"`
	From    userns.Mapping `json:"from"`
	To      userns.Mapping `json:"to"`
	Options Options        `json:"options"`
	Report  Report         `json:"report"`
	State   State          `json:"job_state"`
	// Need is how many bytes a copy takes, at most. Of a job that makes one, Free
	// is how many there are, and Seconds how long it may take, by a sample of the
	// tree that was read.
	Need    int64 `json:"need"`
	Free    int64 `json:"free,omitempty"`
	Seconds int   `json:"seconds,omitempty"`

	Ended time.Time `json:"ended,omitzero"` // when it was done
}

// Progress is reported now and then while a job runs. Total is 0 while it is not
// known.
type Progress struct{ Files, Total int }

// Plan scans a tree and changes nothing. It fails where the job makes no sense;
// whether it would do harm is for [Job.Refusal].
func Plan(ctx context.Context, dir string, from, to userns.Mapping, opt Options) (Job, error) {
	if err := apart(from, to); err != nil {
		return Job{}, err
	}
	dir, err := resolve(dir)
	if err != nil {
		return Job{}, err
	}
	job := Job{Schema: 1, Dir: dir, From: from, To: to, Options: opt, State: StatePlanned}
	if within(job.stateDir(), dir) {
		return Job{}, fmt.Errorf("%w: the journal %s is in the tree", ErrRefused, job.stateDir())
	}
	switch old, err := load(job.stateDir(), dir); {
	case err == nil && (old.State == StateRunning || old.State == StateUndoing):
		return Job{}, fmt.Errorf("%w: %s", ErrUnfinished, dir)
	case err != nil && !errors.Is(err, ErrNoJob):
		return Job{}, err
	}
	job, err = job.scan(ctx)
	// Names, attributes and the last block of each file take some room too.
	job.Need = job.Report.Bytes + int64(job.Report.Files)*4096
	if err != nil || opt.Into == "" {
		return job, err
	}
	if job.Options.Into, err = resolveNew(opt.Into); err != nil {
		return Job{}, err
	}
	if within(job.Options.Into, dir) || within(dir, job.Options.Into) {
		return Job{}, fmt.Errorf("%w: %s and its copy %s are one in the other", ErrRefused, dir, job.Options.Into)
	}
	return job.measure(ctx)
}

// A Sample is what a look at a tree found that had bounds.
type Sample struct {
	Report
	Whole bool          // all of the tree was counted; otherwise there is at least so much
	Took  time.Duration // the look
}

// movePerLook is how much longer than a look at a tree it takes to move its
// owners: there are two looks and a move, which takes twice as long
// (internal/peerbench).
const movePerLook = 4

// Time is about how long it takes here to move the owners of what was counted.
func (s Sample) Time() time.Duration { return movePerLook * s.Took }

// Look counts what is in a tree until it has seen so many files or so much time is
// over. It changes nothing.
func Look(ctx context.Context, dir string, from, to userns.Mapping, files int, limit time.Duration) (Sample, error) {
	if err := apart(from, to); err != nil {
		return Sample{}, err
	}
	dir, err := resolve(dir)
	if err != nil {
		return Sample{}, err
	}
	return Job{Dir: dir, From: from, To: to}.look(ctx, files, limit)
}

// Refusal says why [Run] refuses the job, or nothing.
func (j Job) Refusal() error {
	r, opt := j.Report, j.Options
	switch {
	case isSystem(j.Dir) && !opt.AcceptRisk:
		return fmt.Errorf("%w: %s is a directory of the system", ErrRefused, j.Dir)
	case len(r.Busy) > 0 && !opt.AcceptRisk:
		return fmt.Errorf("%w: %s is in use by %s", ErrRefused, j.Dir, strings.Join(r.Busy, ", "))
	case r.Mixed() && !opt.AcceptMixed:
		return fmt.Errorf("%w: %d files have IDs of the old range and %d of the new one already", ErrRefused, r.Todo, r.Done)
	case r.Immutable > 0 && !opt.LiftImmutable:
		return fmt.Errorf("%w: %d files are immutable or append-only", ErrRefused, r.Immutable)
	case opt.Into == "":
		return nil
	case r.Mounts > 0 && !opt.AcceptRisk:
		return fmt.Errorf("%w: %d mounts in %s would not be copied", ErrRefused, r.Mounts, j.Dir)
	case j.Need > j.Free:
		return fmt.Errorf("%w: it takes up to %d bytes, and %s has %d", ErrNoSpace, j.Need, filepath.Dir(opt.Into), j.Free)
	}
	return nil
}

// Run does a planned job. A job with nothing to do changes nothing.
//
// Where it ends early, the job is unfinished and [Resume] goes on. The error
// matches [ErrMissed] where files were added or renamed all the time.
func Run(ctx context.Context, job Job, progress func(Progress)) (Job, error) {
	if job.State == StateDone {
		return job, job.tidy()
	}
	if err := job.Refusal(); err != nil {
		return job, err
	}
	switch {
	case job.Options.Into != "":
		return job.copy(ctx, progress)
	case job.Report.Idle():
		return job, nil
	}
	switch old, err := load(job.stateDir(), job.Dir); {
	case err == nil && (old.State == StateRunning || old.State == StateUndoing):
		return job, fmt.Errorf("%w: %s", ErrUnfinished, job.Dir)
	case err != nil && !errors.Is(err, ErrNoJob):
		return job, err
	}
	return job.move(ctx, StateRunning, progress)
}

// Compare reads a tree and its copy, contents too. The error matches [ErrDiffers]
// where they are not the same in all that a copy keeps.
func Compare(ctx context.Context, job Job) error {
	return compare(ctx, job, job.Options.Into, true)
}

// Resume goes on with the job of a directory that was not finished, in the
// direction it had. One that is finished is returned as it is.
func Resume(ctx context.Context, dir string, opt Options, progress func(Progress)) (Job, error) {
	job, err := find(dir, opt)
	if err != nil || job.State == StateDone || job.State == StateUndone {
		return job, err
	}
	job.Options.LiftImmutable = job.Options.LiftImmutable || opt.LiftImmutable
	return job.move(ctx, job.State, progress)
}

// Undo moves the owners of a finished job back. Files that were made since move
// too, and are counted in [Report.New].
func Undo(ctx context.Context, dir string, opt Options, progress func(Progress)) (Job, error) {
	job, err := find(dir, opt)
	switch {
	case err != nil || job.State == StateUndone:
		return job, err
	case job.State != StateDone:
		return job, fmt.Errorf("%w: %s", ErrUnfinished, job.Dir)
	}
	job.Options.AcceptRisk = opt.AcceptRisk
	job.Options.LiftImmutable = job.Options.LiftImmutable || opt.LiftImmutable
	now := job
	now.From, now.To, now.Options.AcceptMixed = job.To, job.From, true
	if now, err = now.scan(ctx); err != nil {
		return job, err
	}
	if err := now.Refusal(); err != nil {
		job.Report = now.Report
		return job, err
	}
	return job.move(ctx, StateUndoing, progress)
}

// find loads the job of a directory.
func find(dir string, opt Options) (Job, error) {
	dir, err := resolve(dir)
	if err != nil {
		return Job{}, err
	}
	return load(Job{Options: opt}.stateDir(), dir)
}

func (j Job) stateDir() string {
	if j.Options.State == "" {
		return DefaultState
	}
	return j.Options.State
}

// translation returns the direction that the job has in its state.
func (j Job) translation() translation {
	if j.State == StateUndoing {
		return translation{j.To, j.From}
	}
	return translation{j.From, j.To}
}

// resolve returns the path of a directory without symbolic links. What a link of
// /proc leads to, as /proc/PID/root, may have no path here.
func resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
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

// Identity maps each ID that a mapping has to itself, as it is without remapping.
func Identity(m userns.Mapping) (userns.Mapping, error) {
	var made [2]userns.Map
	for i, side := range []userns.Map{m.UID, m.GID} {
		extents := side.Extents()
		for k := range extents {
			extents[k].HostID = extents[k].ID
		}
		var err error
		if made[i], err = userns.NewMap(extents...); err != nil {
			return userns.Mapping{}, err
		}
	}
	return userns.Mapping{UID: made[0], GID: made[1]}, nil
}

// resolveNew is resolve for a path whose last parts may not exist yet.
func resolveNew(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir, rest := filepath.Dir(path), filepath.Base(path)
	for {
		found, err := filepath.EvalSymlinks(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) || dir == "/" {
			return filepath.Join(found, rest), err
		}
		dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest)
	}
}

// apart checks that both mappings have the same IDs inside, and none in common on
// the host: otherwise an owner would not tell whether a file is done.
func apart(from, to userns.Mapping) error {
	for _, m := range []struct {
		what     string
		from, to userns.Map
	}{{"user", from.UID, to.UID}, {"group", from.GID, to.GID}} {
		if m.from.IsZero() || m.to.IsZero() {
			return fmt.Errorf("%w: there are no %s IDs to move", userns.ErrInvalidMap, m.what)
		}
		for _, e := range m.from.Extents() {
			n := uint32(0)
			for _, r := range m.to.HostRanges(e.ID, e.Count) {
				n += r.Count
			}
			if n != e.Count {
				return fmt.Errorf("%w: the new range lacks some of the %s IDs %v", userns.ErrUnmapped, m.what, e)
			}
			for _, f := range m.to.Extents() {
				if e.HostID < f.HostID+f.Count && f.HostID < e.HostID+e.Count {
					return fmt.Errorf("%w: the old and the new %s IDs overlap: %v and %v", userns.ErrInvalidMap, m.what, e, f)
				}
			}
		}
	}
	return nil
}

// systemDirs are the directories that hold a system together. What is below them
// may be data, except in wholeDirs.
var (
	systemDirs = []string{"/", "/home", "/opt", "/root", "/run", "/tmp", "/usr/local", "/var", "/var/cache", "/var/lib", "/var/lib/docker", "/var/lib/containerd",
		"/var/log", "/var/run", "/var/spool"}
	wholeDirs = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr",
		"/var/lib/docker/containers", "/var/lib/docker/image", "/var/lib/docker/overlay2"}
)

// isSystem also knows a directory of the system where it is mounted once more.
func isSystem(dir string) bool {
	info, err := os.Stat(dir)
	for i, d := range append(slices.Clone(wholeDirs), systemDirs...) {
		if d == dir || i < len(wholeDirs) && within(dir, d) {
			return true
		}
		if system, also := os.Stat(d); err == nil && also == nil && os.SameFile(info, system) {
			return true
		}
	}
	return false
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
