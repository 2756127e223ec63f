package hostfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockWait bounds the wait for a lock where the context does not. It is what
// lckpwdf(3) waits.
const lockWait = 15 * time.Second

// lockPoll is the pause between two tries of a lock whose wait in the kernel
// cannot be limited.
const lockPoll = 5 * time.Millisecond

// Flock takes an exclusive flock(2) on path, made with mode 0600 if it is
// missing. Closing the file gives the lock back.
func (r Root) Flock(ctx context.Context, path string) (*os.File, error) {
	target, err := r.Resolve(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(target, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, hostError("lock", path, explain(err))
	}
	got := make(chan error, 1)
	go func() { got <- flock(f) }()
	wait, cancel := bounded(ctx)
	defer cancel()
	select {
	case err := <-got:
		if err != nil {
			f.Close()
			return nil, hostError("lock", path, err)
		}
		return f, nil
	case <-wait.Done():
		// flock(2) cannot be cancelled: when it returns, the lock is released.
		go func() { <-got; f.Close() }()
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, hostError("lock", path, ctx.Err()) // the lock may be free
		}
		return nil, hostError("lock", path, fmt.Errorf("%w by another run", errLocked))
	}
}

// flock waits in the kernel, whose queue is fair: a run that polls beside
// others can miss the lock every time.
func flock(f *os.File) error {
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != syscall.EINTR {
			return err
		}
	}
}

// bounded is ctx with the time limit of lckpwdf(3) if it has none.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, lockWait)
}

// waitLock calls try until it has the lock, fails, or the time is over; then
// it returns what held says, with the context's error if that is the reason.
func waitLock(ctx context.Context, try func() (bool, error), held func() error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for {
		ok, err := try()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return held()
		case <-time.After(lockPoll):
		}
	}
}
