package hostfs

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockWait bounds the wait for a lock where the context does not. It is what
// lckpwdf(3) waits.
const lockWait = 15 * time.Second

// lockPoll is the pause between two looks at a lock. Neither flock(2) nor an
// open file description lock can be waited for with a time limit.
const lockPoll = 5 * time.Millisecond

// Flock takes an exclusive flock(2) on path, made with mode 0600 if it is
// missing. Closing the file gives the lock back.
func (r Root) Flock(ctx context.Context, path string) (*os.File, error) {
	real, err := r.Resolve(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(real, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, hostError("lock", path, explain(err))
	}
	err = waitLock(ctx, func() (bool, error) {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == syscall.EWOULDBLOCK || err == syscall.EINTR {
			return false, nil
		}
		return err == nil, err
	}, func() error { return fmt.Errorf("%w by another run", ErrLocked) })
	if err != nil {
		f.Close()
		return nil, hostError("lock", path, err)
	}
	return f, nil
}

// waitLock calls try until it has the lock, fails, or the time is over; then
// it returns what held says, with the context's error if that is the reason.
func waitLock(ctx context.Context, try func() (bool, error), held func() error) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lockWait)
		defer cancel()
	}
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
