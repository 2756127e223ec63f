package drill

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/usernskit/usernskit/internal/attempt"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
)

func run(ctx context.Context, opts Options) (Report, error) {
	view, err := userns.FS{}.View()
	if err != nil {
		return Report{}, err
	}
	if os.Geteuid() != 0 || view.UserNS != userns.InitialUserNS {
		return Report{}, ErrNotHost
	}
	remapped := !isHostRoot(opts.Mapping)
	if remapped {
		if err := probe.Mapping(ctx, opts.Mapping); err != nil {
			return Report{}, err
		}
	}
	list := steps(opts.Others)
	before := snapshot(list)
	results, err := try(ctx, opts, list, remapped)
	if err != nil {
		return Report{}, err
	}
	report := Report{Changed: before.changed(snapshot(list))}
	for i, s := range list {
		p := Probe{ID: s.id, Title: s.title, Target: s.try.Path, Shared: s.shared, Refs: append([]string{}, s.refs...)}
		switch {
		case s.missing != "":
			p.Reason = s.missing
		case !remapped:
			p.Unmapped = s.asHostRoot()
			p.Result, p.Reason = p.Unmapped, "not remapped: looked up by permission, not tried"
		default:
			p.Unmapped = s.asHostRoot()
			p.Result, p.Errno, p.Reason = judge(s.try, results[i])
			if s.shared && p.Result == Reached {
				p.Reason += ": all containers of a daemon have one mapping"
			}
		}
		report.Probes = append(report.Probes, p)
	}
	return report, nil
}

// asHostRoot returns the result for a container without remapping.
func (s step) asHostRoot() Result {
	if s.unmapped != nil {
		return s.unmapped()
	}
	return look(s.try)
}

// try makes all attempts that can be made, in one process.
func try(ctx context.Context, opts Options, list []step, remapped bool) (map[int]attempt.Result, error) {
	results := map[int]attempt.Result{}
	if !remapped {
		return results, nil
	}
	var attempts []attempt.Attempt
	var places []int
	for i, s := range list {
		if s.missing == "" {
			attempts, places = append(attempts, s.try), append(places, i)
		}
	}
	answers, err := opts.Helper.Try(ctx, opts.Mapping, attempts)
	if err != nil {
		return nil, fmt.Errorf("drill: %w", err)
	}
	for i, place := range places {
		results[place] = answers[i]
	}
	return results, nil
}

// A state is what the probes could have changed, by path.
type state map[string]seen

// A seen is a path at one moment: the content of a kernel setting, or what
// changes when a file is written.
type seen struct {
	mode, uid, gid uint32
	size           int64
	mtime, ctime   syscall.Timespec
	content        string
	exists         bool
}

// snapshot reads everything that the steps open.
func snapshot(list []step) state {
	all := state{}
	for _, s := range list {
		if s.missing != "" || s.try.Path == "" || s.try.Op == attempt.ReleaseAgent || s.live {
			continue // it changes by itself
		}
		all[s.try.Path] = see(s)
	}
	return all
}

func see(s step) seen {
	var st syscall.Stat_t
	if syscall.Stat(s.try.Path, &st) != nil {
		return seen{}
	}
	if !s.setting {
		return seen{mode: st.Mode, uid: st.Uid, gid: st.Gid, size: st.Size, mtime: st.Mtim, ctime: st.Ctim, exists: true}
	}
	data, err := os.ReadFile(s.try.Path)
	if err != nil { // such as for a file that can only be written
		return seen{mode: st.Mode, content: err.Error(), exists: true}
	}
	return seen{mode: st.Mode, content: string(data), exists: true}
}

// changed names the paths that differ between two snapshots.
func (s state) changed(after state) []string {
	var list []string
	for path, was := range s {
		if after[path] != was {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}
