package hostfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockWait bounds the wait for a lock if the context does not. lckpwdf(3) waits
// as long.
const lockWait = 15 * time.Second

// Flock takes an exclusive flock(2) on path, made with mode 0600 if it is
// missing. Closing the file releases the lock.
func (r Root) Flock(ctx context.Context, path string) (*os.File, error) {
	target, err := r.Resolve(path)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(target, os.O_RDWR|os.O_CREATE|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, hostError("lock", path, explain(err))
	}
	err = waitLock(ctx, f, func(fd uintptr) error {
		return syscall.Flock(int(fd), syscall.LOCK_EX)
	}, func(uintptr) error {
		return fmt.Errorf("%w by another run", errLocked)
	})
	if err != nil {
		return nil, hostError("lock", path, err)
	}
	return f, nil
}

// waitLock locks f with lock, which waits in the kernel. The kernel's queue is
// fair: a process that polls misses a lock that others hand to each other. If the
// time is over, waitLock returns the error of held. It closes f on an error, but
// then only after lock has returned, whose wait cannot be cancelled.
func waitLock(ctx context.Context, f *os.File, lock, held func(fd uintptr) error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	got, fd := make(chan error, 1), f.Fd()
	go func() {
		err := lock(fd)
		for errors.Is(err, syscall.EINTR) {
			err = lock(fd)
		}
		got <- err
	}()
	select {
	case err := <-got:
		if err != nil {
			f.Close()
		}
		return err
	case <-ctx.Done():
	}
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		err = held(fd)
	}
	go func() { <-got; f.Close() }()
	return err
}

// bounded is ctx, with lockWait as the limit if it has no deadline.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, lockWait)
}
