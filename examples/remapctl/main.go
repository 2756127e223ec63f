// Remapctl turns user-namespace remapping on for a Docker host, proves that it
// holds, and takes it back. It is a thin program: what it does is in the
// packages of this module, for other programs to import.
//
// Exit codes: 0 as wanted, or nothing to do; 1 differences or findings; 2 could
// not do it, nothing was changed; 3 looked, but could not see everything; 4
// changed, and something that should follow did not; 128+n ended by signal n.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

func main() {
	probe.Main() // in the child of a probe, it answers and does not return
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// An exitCode ends the program with that code and no further message.
type exitCode int

const (
	findings   exitCode = 1
	incomplete exitCode = 3
	behind     exitCode = 4
)

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// An unseenError says why a reading command could not see everything: its message
// is printed like that of any error, but the exit code is 3.
type unseenError struct{ error }

func (e unseenError) Unwrap() error { return e.error }

// unseen returns err, as an unseenError if a permission was missing.
func unseen(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return unseenError{err}
	}
	return err
}

// run is main with its surroundings as arguments, and returns the exit code.
//
// A signal cancels what the command does. A command that only looks gets a
// moment to clean up; one that is writing gets the time to roll back. A second
// signal ends both at once.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	ask := func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, "") }
	e := &env{in: stdin, out: &output{w: stdout}, err: stderr, ask: ask}
	done := make(chan int, 1)
	go func() { done <- e.execute(ctx, args) }()
	var signalled syscall.Signal
	var grace <-chan time.Time
	for {
		select {
		case code := <-done:
			if signalled == 0 {
				return code
			}
			return 128 + int(signalled)
		case s := <-signals:
			if signalled != 0 {
				if e.phase.Load() == writing {
					e.note("remapctl: cut off by a second signal in the middle of a change; how far it came: %s; to take it back: %s", e.self("undo", "--list"), e.self("undo"))
				}
				return 128 + int(signalled)
			}
			signalled, _ = s.(syscall.Signal)
			e.out.stop.Store(true)
			cancel()
			grace = time.After(300 * time.Millisecond)
		case <-grace:
			if e.phase.CompareAndSwap(looking, leaving) {
				return 128 + int(signalled)
			}
		}
	}
}

// execute runs the command and reports its error.
func (e *env) execute(ctx context.Context, args []string) int {
	root := newCommand(e)
	root.SetArgs(args)
	err := e.finish(root.ExecuteContext(ctx))
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	if e.json = e.json || slices.Contains(args, "--json"); !e.out.written {
		_ = e.printed(nil, errorMembers(err))
		_, _ = e.out.Write(e.object)
	}
	half := errors.Is(err, shift.ErrUnfinished)
	if ctx.Err() != nil && !half && (errors.Is(err, context.Canceled) || errors.Is(err, errInterrupted)) {
		err = errInterrupted // err only says where the command was interrupted
	}
	e.note("remapctl: %v", err)
	for _, hint := range e.hints(err) {
		e.note("  %s", hint)
	}
	return int(e.failed(err))
}

// failed returns the exit code of an error that is not one itself.
func (e *env) failed(err error) exitCode {
	switch {
	case errors.Is(err, shift.ErrUnfinished), e.done != "":
		return behind
	case errors.As(err, new(unseenError)):
		return incomplete
	}
	return 2
}

// The phases of a command, which decide what a signal does.
const (
	looking int32 = iota
	writing       // files of the host may be half written
	leaving       // the program ends, and must not start to write
)

// write runs do, which writes: the first signal cancels it and waits for its end.
func (e *env) write(do func() error) error {
	if !e.phase.CompareAndSwap(looking, writing) {
		return context.Canceled
	}
	defer e.phase.Store(looking)
	return do()
}
