package facts

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usernskit/usernskit/userns"
)

// Between the daemon's list and the scan, containers come and go. An
// inconsistent look is repeated with a new list.
const (
	lookWait = 50 * time.Millisecond
	lookMax  = 20
	lookTime = 30 * time.Second // after which three looks have to do: the daemon may be slow
	// lookStuck is the number of looks in a row that make an inconsistency count.
	lookStuck = 8
)

// A misfit is an inconsistency in one look: a container, or a process of it.
// Its key identifies it in the next look.
type misfit struct {
	key, id string
	pid     int // the process; 0: the container
}

// readContainers reads the processes and their containers. An inconsistency
// that is gone or different in the next look was passing and does not count; a
// lasting one is left to the checks.
func (f *Facts) readContainers(ctx context.Context) {
	if !f.HasProc {
		return
	}
	seen := map[string]int{} // looks in a row
	start := time.Now()
	for look := range lookMax {
		f.readProcesses(ctx)
		f.sortContainers()
		misfits := f.misfits()
		next := map[string]int{}
		moving := false // something may still fit
		for _, m := range misfits {
			next[m.key] = seen[m.key] + 1
			moving = moving || next[m.key] > 1 && next[m.key] < lookStuck
		}
		if seen = next; len(misfits) == 0 || ctx.Err() != nil {
			return
		}
		if look >= 2 && (!moving || time.Since(start) > lookTime) || look == lookMax-1 {
			f.dropPassing(slices.DeleteFunc(misfits, func(m misfit) bool { return seen[m.key] > 1 }))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookWait):
		}
		if f.Docker != nil && f.NoEngine == nil {
			if again, err := f.Docker(ctx); err == nil {
				f.Engine = again
			}
		}
	}
}

// misfits returns the inconsistencies: a container that the daemon does not
// list, one that it says runs without its first process, and a process that
// runc has not put into its namespaces yet. A key has only what is new with each
// start of a container, and what the daemon reports: a container could give
// itself new process IDs.
func (f *Facts) misfits() []misfit {
	var list []misfit
	found := map[string]bool{}
	for _, b := range f.Containers {
		found[b.ID] = true
		if b.Other != "" {
			continue
		}
		for _, p := range b.Processes {
			if f.isEntering(p) {
				list = append(list, misfit{fmt.Sprint("starting ", p.PID), b.ID, p.PID})
			}
		}
		if f.answered() && b.Docker == nil && b.Plugin == nil {
			list = append(list, misfit{"unlisted " + b.ID, b.ID, 0})
		}
	}
	if !f.answered() {
		return list
	}
	for _, c := range f.Engine.Containers {
		if c.Running && (!found[c.ID] || f.FirstIsElsewhere(c.ID)) {
			list = append(list, misfit{fmt.Sprintf("%s without %d", c.ID, c.PID), c.ID, 0})
		}
	}
	return list
}

// isEntering reports whether a process may be one of runc's on its way into a
// container: it enters the control group first, and gets the container's user,
// group and root directory later.
func (f *Facts) isEntering(p userns.Process) bool {
	return strings.HasPrefix(p.Command, "runc:[") || strings.HasPrefix(p.Command, "runc") && f.Scan.InHostNS(p)
}

// FirstIsElsewhere reports whether no process of a container was found, or its
// first process, as the daemon reports it, is alive and not among those found.
func (f *Facts) FirstIsElsewhere(id string) bool {
	i := slices.IndexFunc(f.Containers, func(b Container) bool { return b.ID == id && b.Docker != nil })
	if i < 0 {
		return false
	}
	b := f.Containers[i]
	first := slices.ContainsFunc(b.Processes, func(p userns.Process) bool { return p.PID == b.Docker.PID })
	return len(b.Processes) == 0 || !first && f.alive(b.Docker.PID)
}

// IsPassing reports whether a container came or went during the looks.
func (f *Facts) IsPassing(id string) bool { return f.passing[id] }

// dropPassing drops the containers that came or went, and entering processes of
// the others.
func (f *Facts) dropPassing(list []misfit) {
	f.passing = map[string]bool{}
	entering := map[int]bool{}
	for _, m := range list {
		if m.pid != 0 {
			entering[m.pid] = true
		} else {
			f.passing[m.id] = true
		}
	}
	var kept []Container
	for _, b := range f.Containers {
		if b.Docker != nil && len(b.Processes) > 0 { // runc enters those that are listed
			elsewhere := f.FirstIsElsewhere(b.ID)
			b.Processes = slices.DeleteFunc(b.Processes, func(p userns.Process) bool { return entering[p.PID] })
			if len(b.Processes) == 0 && !elsewhere {
				f.passing[b.ID] = true
			}
		}
		if !f.passing[b.ID] && (len(b.Processes) > 0 || b.Shim != nil) {
			kept = append(kept, b)
		}
	}
	f.Containers = kept
	f.Passing += len(f.passing)
}

// alive reports whether a process exists and is not a zombie.
func (f *Facts) alive(pid int) bool {
	data, err := f.readProc(strconv.Itoa(pid) + "/status")
	if err != nil {
		return !IsNotExist(err)
	}
	return !strings.Contains(string(data), "\nState:\tZ")
}
