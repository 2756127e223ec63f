package remap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
)

// ErrNoSystemd is returned by [Restart] where the plan's restart is not one of
// systemd's. Run the action by hand: nothing else here can tell what a failed
// start has logged.
var ErrNoSystemd = errors.New("docker is not started by systemd here")

// A Daemon is what a running dockerd says of itself.
type Daemon struct {
	Remapped bool   // SecurityOptions has name=userns
	DataRoot string // DockerRootDir: ends in UID.GID while remapped
}

// Check returns nil where the daemon is as wanted: remapped to the store of that
// name, or not remapped where it is empty. See [Restart.Store].
func (d Daemon) Check(store string) error {
	last := d.DataRoot[strings.LastIndexByte(d.DataRoot, '/')+1:]
	switch {
	case store == "" && d.Remapped:
		return errors.New("it says that it is remapped (name=userns)")
	case store == "":
		return nil
	case !d.Remapped:
		return errors.New("it does not say that it is remapped (no name=userns)")
	case last != store:
		return fmt.Errorf("its data-root is %s, not .../%s", d.DataRoot, store)
	}
	return nil
}

// A Restart is a restart of docker that has to end in a daemon as wanted.
type Restart struct {
	Host usernskit.Host
	// Receipt is what was applied, and is undone if it fails. One without an ID
	// has nothing to undo: it is for its restart action alone.
	Receipt usernskit.Receipt
	// Store is the data-root's last element that the daemon has to come back
	// with, "165536.165536"; empty where remapping was turned off.
	Store string
	// Ask asks the daemon. It is called until it succeeds.
	Ask func(context.Context) (Daemon, error)
	// Wait bounds the time from the restart to an answer. If 0, a minute.
	Wait time.Duration
}

// A RestartError says that docker did not come back as wanted.
type RestartError struct {
	Err  error  // what was wrong
	Log  string // what the unit logged, as far as journalctl(1) tells
	Undo error  // nil: the files are back and docker was restarted with them
	Kept bool   // nothing had been applied, so nothing was put back
}

func (e *RestartError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "docker did not come back as wanted: %v", e.Err)
	switch {
	case e.Kept:
		b.WriteString("; no file had been changed for it, and none was put back")
	case e.Undo == nil:
		b.WriteString("; the files are as they were, and docker was restarted with them")
	default:
		fmt.Fprintf(&b, "; putting things back failed too: %v", e.Undo)
	}
	if e.Log != "" {
		b.WriteString("\ndocker's log:\n" + e.Log)
	}
	return b.String()
}

func (e *RestartError) Unwrap() []error { return []error{e.Err, e.Undo} }

// Run restarts docker, waits for it, and looks whether it is remapped as
// wanted. If not, it undoes the receipt, restarts docker again and returns a
// [*RestartError]; so it does where ctx ends before the daemon has answered. A
// receipt without a restart action is nothing to do.
func (r Restart) Run(ctx context.Context) error {
	argv := r.argv()
	if argv == nil {
		return nil
	}
	if argv[0] != "systemctl" {
		return fmt.Errorf("%w; run: %s", ErrNoSystemd, strings.Join(argv, " "))
	}
	err := r.try(ctx, argv)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("given up before it did (%w): %w", context.Cause(ctx), err)
	}
	// Whoever does not wait any longer wants things back all the same.
	ctx = context.WithoutCancel(ctx)
	fail := &RestartError{Err: err, Kept: r.Receipt.ID == ""}
	if !fail.Kept { // an empty ID would undo the last run, whatever that was
		fail.Undo = r.Host.Undo(ctx, r.Receipt.ID, nil) // has a limit of its own
	}
	ctx, cancel := context.WithTimeout(ctx, backWait+r.Wait)
	defer cancel()
	fail.Log = r.log(ctx)
	if fail.Kept || fail.Undo != nil {
		return fail
	}
	// Three failed starts in a minute and systemd refuses a fourth.
	_, _ = r.Host.Command(ctx, "systemctl", "reset-failed", "docker.service")
	if _, err := r.Host.Command(ctx, argv...); err != nil {
		fail.Undo = fmt.Errorf("restart with the old files: %w", err)
	} else if _, err := r.answer(ctx); err != nil {
		fail.Undo = fmt.Errorf("restart with the old files: %w", err)
	}
	return fail
}

// backWait bounds what is run once the files are back. Docker's unit has no
// limit on how long a start takes.
const backWait = 5 * time.Minute

func (r Restart) argv() []string {
	i := slices.IndexFunc(r.Receipt.Actions, func(a usernskit.Action) bool {
		return a.Kind == usernskit.ActionRestartDocker
	})
	if i < 0 {
		return nil
	}
	return r.Receipt.Actions[i].Argv
}

func (r Restart) try(ctx context.Context, argv []string) error {
	if _, err := r.Host.Command(ctx, argv...); err != nil {
		return err
	}
	d, err := r.answer(ctx)
	if err != nil {
		return err
	}
	return d.Check(r.Store)
}

// answer waits until the daemon answers.
func (r Restart) answer(ctx context.Context) (Daemon, error) {
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
				return Daemon{}, err
			}
			return Daemon{}, fmt.Errorf("no answer within %v: %w", wait, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r Restart) log(ctx context.Context) string {
	out, err := r.Host.Command(ctx, "journalctl", "--unit", "docker.service", "--lines", "20", "--no-pager", "--output", "cat")
	if err != nil {
		return ""
	}
	return string(out)
}
