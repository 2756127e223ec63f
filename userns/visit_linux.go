package userns

import (
	"context"
	"io"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

const (
	// atOnce is how many processes are listed, and then read, before the next
	// are. Who is born meanwhile has a higher PID as a rule and is listed later;
	// so is the child of one that has ended.
	atOnce = 256
	// portion is how many a reader takes at a time. To wake a reader takes as
	// long as a few of them.
	portion = 16
)

// visit has every process in /proc looked at by a reader, several at once, and
// hands what comes of each look to do, one after the other, until that returns
// false or listing fails.
func visit[T any](ctx context.Context, s *scan, look func(r *reader, name string) (T, error), do func(pid int, v T, err error) bool) (stopped bool, err error) {
	var seen [atOnce]struct {
		v      T
		err    error
		noLink bool
	}
	for {
		names, rerr := s.list.Readdirnames(atOnce)
		names = slices.DeleteFunc(names, func(name string) bool { return name[0] < '1' || name[0] > '9' })
		s.share(len(names), func(r *reader, i int) {
			r.noLink = false
			seen[i].v, seen[i].err = look(r, names[i])
			seen[i].noLink = r.noLink
		})
		for i, name := range names {
			pid, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if seen[i].noLink {
				s.cov.NoLink++
			}
			if !do(pid, seen[i].v, seen[i].err) {
				return true, nil
			}
		}
		if rerr == io.EOF {
			return false, nil
		}
		if rerr != nil {
			return false, rerr
		}
	}
}

// share calls do for each of n places, by as many readers as there is work for.
// A reader whose thread has not the rights of the caller's might see less, and
// takes none.
func (s *scan) share(n int, do func(r *reader, i int)) {
	var taken atomic.Int64
	work := func(r *reader) {
		for {
			end := int(taken.Add(portion))
			if end-portion >= n {
				return
			}
			for i := end - portion; i < min(end, n); i++ {
				do(r, i)
			}
		}
	}
	var others sync.WaitGroup
	asking := threadRights()
	for i := 1; i < len(s.readers) && i*portion < n; i++ {
		others.Go(func() {
			if threadRights() == asking {
				work(s.readers[i])
			}
		})
	}
	work(s.readers[0])
	others.Wait()
}
