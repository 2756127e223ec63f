package remap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/verify/engine"
)

// A Restart restarts docker and checks the result.
type Restart struct {
	Host usernskit.Host
	// Receipt is what was applied; it is undone if the restart fails. Without
	// an ID, only its actions count.
	Receipt usernskit.Receipt
	// Store is the last element of the wanted data-root, "165536.165536"; empty
	// where remapping was turned off.
	Store string
	// Ask asks the daemon, as [verify/docker.Read] does. It is called until it
	// succeeds.
	Ask func(context.Context) (*engine.Engine, error)
	// Wait bounds the time from the restart to an answer. If 0, a minute.
	Wait time.Duration
	// Step, if not nil, is called before each program that is run.
	Step func(usernskit.Action)
}

// Check returns nil if the daemon is as wanted.
func (r Restart) Check(daemon *engine.Engine) error {
	last := daemon.RootDir[strings.LastIndexByte(daemon.RootDir, '/')+1:]
	switch {
	case r.Store == "" && daemon.Remaps():
		return errors.New("it says that it is remapped (name=userns)")
	case r.Store == "":
		return nil
	case !daemon.Remaps():
		return errors.New("it does not say that it is remapped (no name=userns)")
	case last != r.Store:
		return fmt.Errorf("its data-root is %s, not .../%s", daemon.RootDir, r.Store)
	}
	return nil
}

// A RestartError says that docker did not come back as wanted.
type RestartError struct {
	Err  error  // what was wrong
	Log  string // what the unit logged, from journalctl(1)
	Undo error  // nil: the files are as they were
	// Down is why docker does not run although the files were restored; nil if
	// its state is as before.
	Down    error
	Stopped bool // docker was stopped before
	// Untouched: docker was not restarted and still runs.
	Untouched bool
	Kept      bool // nothing was applied, so nothing was restored
}

func (e *RestartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "docker did not come back as wanted: %s", strings.TrimRight(e.Err.Error(), ". \n"))
	switch {
	case e.Kept:
		b.WriteString("; no file was changed for it")
	case e.Undo != nil:
		fmt.Fprintf(&b, "; restoring the files failed too: %v", e.Undo)
	case e.Down != nil:
		fmt.Fprintf(&b, "; the files are as they were, but docker is not running: %v", e.Down)
	case e.Untouched:
		b.WriteString("; the files are as they were, and docker was not restarted: it runs as it did")
	case e.Stopped:
		b.WriteString("; the files are as they were, and docker is stopped, as it was before")
	default:
		b.WriteString("; the files are as they were, and docker was restarted with them")
	}
	if e.Log != "" {
		b.WriteString("\ndocker's log:\n" + e.Log)
	}
	return b.String()
}

func (e *RestartError) Unwrap() []error {
	var list []error
	for _, err := range []error{e.Err, e.Undo, e.Down} {
		if err != nil {
			list = append(list, err)
		}
	}
	return list
}

// Run runs the receipt's actions on the running host: first the kernel settings
// that containers need, then the restart. It waits for docker and checks that
// it is remapped as wanted. If not, or if ctx ends before that, it undoes the
// receipt, brings docker back into its former state, running or stopped, and
// returns a [*RestartError]. Without a restart action docker is left alone.
func (r Restart) Run(ctx context.Context) error {
	restart, others := r.actions()
	if restart.Argv == nil {
		return r.withoutRestart(ctx, others)
	}
	if restart.Argv[0] != "systemctl" {
		return fmt.Errorf("%w; run: %s", ErrNoSystemd, strings.Join(restart.Argv, " "))
	}
	unit := unitOf(restart.Argv)
	before := r.states(ctx, unit)
	restarted, err := r.try(ctx, append(others, restart))
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("given up before it did (%w): %w", context.Cause(ctx), err)
	}
	// The rollback does not end with ctx.
	ctx = context.WithoutCancel(ctx)
	fail := &RestartError{Err: err, Kept: r.Receipt.ID == ""}
	if !fail.Kept { // an empty ID would undo another run
		fail.Undo = r.Host.Undo(ctx, r.Receipt.ID, nil) // has its own limit
	}
	ctx, cancel := context.WithTimeout(ctx, backWait+r.Wait)
	defer cancel()
	fail.Log = r.log(ctx, unit)
	if fail.Kept || fail.Undo != nil {
		return fail
	}
	// systemd refuses a fourth failed start within a minute.
	_, _ = r.Host.Command(ctx, "systemctl", "reset-failed", unit)
	if fail.Stopped = before.stopped(unit); fail.Stopped {
		stop := []string{"systemctl", "stop", unit}
		if before["docker.socket"] == "inactive" {
			stop = append(stop, "docker.socket")
		}
		if _, err := r.Host.Command(ctx, stop...); err != nil {
			fail.Down = fmt.Errorf("it was stopped before, and stopping it failed: %w", err)
		}
		return fail
	}
	if _, err := r.Host.Command(ctx, restart.Argv...); err != nil {
		// systemd refuses to restart a masked unit, and leaves it running.
		if fail.Untouched = !restarted && r.states(ctx, unit)[unit] == "active"; fail.Untouched {
			return fail
		}
		fail.Down = fmt.Errorf("restart with the old files: %w", err)
	} else if _, err := r.answer(ctx); err != nil {
		fail.Down = fmt.Errorf("restart with the old files: %w", err)
	}
	return fail
}

// withoutRestart is Run without a restart.
func (r Restart) withoutRestart(ctx context.Context, actions []usernskit.Action) error {
	err := r.runAll(ctx, actions)
	if err == nil {
		return nil
	}
	fail := &RestartError{Err: err, Kept: r.Receipt.ID == "", Untouched: true}
	if !fail.Kept {
		fail.Undo = r.Host.Undo(context.WithoutCancel(ctx), r.Receipt.ID, nil)
	}
	return fail
}

// backWait bounds the restart after a rollback: docker's unit does not limit a
// start.
const backWait = 5 * time.Minute

// actions returns the restart of docker, and the other actions to run on this host
// now.
func (r Restart) actions() (restart usernskit.Action, others []usernskit.Action) {
	for _, a := range r.Receipt.Actions {
		switch {
		case len(a.Argv) == 0:
		case a.Kind == usernskit.ActionRestartDocker:
			restart = a
		case a.Kind == usernskit.ActionRun && atOnce(a):
			others = append(others, a)
		}
	}
	return restart, others
}

// atOnce reports whether an action belongs to a restart: it is for this host, now.
func atOnce(a usernskit.Action) bool {
	return a.When != usernskit.WhenLater && a.Where == usernskit.WhereHost
}

// unitOf returns the unit of a systemctl command, with its suffix.
func unitOf(argv []string) string {
	unit := argv[len(argv)-1]
	if !strings.Contains(unit, ".") {
		unit += ".service"
	}
	return unit
}

// states has the ActiveState of units, by name. If docker's state is unknown, docker
// counts as running.
type states map[string]string

func (s states) stopped(unit string) bool { return s[unit] == "inactive" || s[unit] == "failed" }

func (r Restart) states(ctx context.Context, unit string) states {
	out, exit, err := r.Host.Ask(ctx, "systemctl", "show", unit, "docker.socket", "-p", "Id,ActiveState")
	if err != nil || exit != 0 {
		return nil
	}
	list := states{}
	for block := range strings.SplitSeq(string(out), "\n\n") {
		var id, state string
		for line := range strings.Lines(block) {
			switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key {
			case "Id":
				id = value
			case "ActiveState":
				state = value
			}
		}
		list[id] = state
	}
	return list
}

// try runs the actions and waits for docker. It reports whether all were run.
func (r Restart) try(ctx context.Context, actions []usernskit.Action) (restarted bool, err error) {
	err = r.runAll(ctx, actions)
	if err != nil {
		return false, err
	}
	d, err := r.answer(ctx)
	if err != nil {
		return true, err
	}
	return true, r.Check(d)
}

func (r Restart) runAll(ctx context.Context, actions []usernskit.Action) error {
	for _, a := range actions {
		if r.Step != nil {
			r.Step(a)
		}
		if err := r.run(ctx, a.Argv); err != nil {
			return err
		}
	}
	return nil
}

// run runs an action's program. systemd refuses a third or fourth start within
// a minute, which does not mean that the new files are wrong.
func (r Restart) run(ctx context.Context, argv []string) error {
	_, err := r.Host.Command(ctx, argv...)
	if err == nil || !strings.Contains(err.Error(), "attempted too often") {
		return err
	}
	if _, failed := r.Host.Command(ctx, "systemctl", "reset-failed", argv[len(argv)-1]); failed != nil {
		return errors.Join(err, failed)
	}
	_, err = r.Host.Command(ctx, argv...)
	return err
}

// answer waits until the daemon answers.
func (r Restart) answer(ctx context.Context) (*engine.Engine, error) {
	wait := r.Wait
	if wait == 0 {
		wait = time.Minute
	}
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for {
		d, err := r.Ask(limit)
		if err == nil {
			return d, nil
		}
		select {
		case <-limit.Done():
			if ctx.Err() != nil {
				return nil, err
			}
			return nil, fmt.Errorf("no answer within %v: %w", wait, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r Restart) log(ctx context.Context, unit string) string {
	out, err := r.Host.Command(ctx, "journalctl", "--unit", unit, "--lines", "20", "--no-pager", "--output", "cat")
	if err != nil {
		return ""
	}
	return string(out)
}
