package facts

import (
	"context"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// Between the daemon's list and the scan, containers come and go. A look in
// which something does not fit is repeated with a new list.
const (
	lookWait = 50 * time.Millisecond
	lookMax  = 20
	// lookStuck is in how many looks the same thing must not fit to be believed.
	lookStuck = 8
)

// readContainers reads the processes and tells whose they are. What does not
// fit in one look and is gone, or another, in the next was passing and is no
// loss; what stays is left to the checks.
func (f *Facts) readContainers(ctx context.Context) {
	if !f.HasProc {
		return
	}
	seen := map[string]int{} // looks in a row
	for look := range lookMax {
		f.Scan = readProcesses(ctx, f.Proc, f.Deep)
		f.sortContainers()
		misfits := f.misfits()
		next := map[string]int{}
		moving := false // something may still fit
		for _, key := range misfits {
			next[key] = seen[key] + 1
			moving = moving || next[key] > 1 && next[key] < lookStuck
		}
		if seen = next; len(misfits) == 0 || ctx.Err() != nil {
			return
		}
		if look >= 2 && !moving || look == lookMax-1 {
			f.passing = map[string]bool{}
			for id, key := range misfits {
				if seen[key] == 1 {
					f.passing[id] = true
				}
			}
			f.dropPassing()
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

// misfits returns what does not fit, by container ID: a container that the
// daemon does not list, one that it says runs without its first process, and
// one that runc has not put into its namespaces yet.
func (f *Facts) misfits() map[string]string {
	list := map[string]string{}
	found := map[string]bool{}
	for _, b := range f.Containers {
		found[b.ID] = true
		if b.Other != "" {
			continue
		}
		for _, p := range b.Processes {
			// runc enters the control group first.
			if strings.HasPrefix(p.Command, "runc") && f.Scan.InHostNS(p) {
				list[b.ID] = fmt.Sprintf("%s starting %d", b.ID, p.PID)
			}
		}
		if f.Engine != nil && f.NoEngine == nil && b.Docker == nil && b.Plugin == nil {
			pid := 0
			if p, ok := b.First(); ok {
				pid = p.PID
			}
			list[b.ID] = fmt.Sprintf("%s unlisted %d", b.ID, pid)
		}
	}
	if f.Engine == nil || f.NoEngine != nil {
		return list
	}
	for i := range f.Engine.Containers {
		c := &f.Engine.Containers[i]
		if c.Running && (!found[c.ID] || f.FirstIsElsewhere(c.ID)) {
			list[c.ID] = fmt.Sprintf("%s without %d", c.ID, c.PID)
		}
	}
	return list
}

// FirstIsElsewhere reports whether the process that the daemon started a
// container with is not among the container's processes, and has not ended.
func (f *Facts) FirstIsElsewhere(id string) bool {
	for _, b := range f.Containers {
		if b.ID == id && b.Docker != nil {
			if len(b.Processes) == 0 {
				return true
			}
			return !b.Holds(b.Docker.PID) && f.alive(b.Docker.PID)
		}
	}
	return false
}

// IsPassing reports whether a container came or went during the looks.
func (f *Facts) IsPassing(id string) bool { return f.passing[id] }

func (f *Facts) dropPassing() {
	f.Passing += len(f.passing)
	var list []Container
	for _, b := range f.Containers {
		if !f.passing[b.ID] {
			list = append(list, b)
		}
	}
	f.Containers = list
}

// alive reports whether a process exists and is not a zombie.
func (f *Facts) alive(pid int) bool {
	data, err := os.ReadFile(path.Join(ProcRoot(f.Proc), strconv.Itoa(pid), "status"))
	if err != nil {
		return !IsNotExist(err)
	}
	return !strings.Contains(string(data), "\nState:\tZ")
}
