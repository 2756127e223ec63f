package userns

import (
	"context"
	"strconv"
)

// Mqueue is the question of ProbeIPC asked with more namespaces of one's own.
func (h Helper) Mqueue(ctx context.Context, m Mapping, flags uintptr) error {
	return h.mqueue(ctx, m, flags)
}

// A Follower reads one process again and again.
type Follower struct {
	s   *scan
	dir procDir
}

func (f FS) Follow(pid int) (*Follower, error) {
	s, err := f.newScan(Options{All: true})
	if err != nil {
		return nil, err
	}
	dir, err := f.open(strconv.Itoa(pid))
	return &Follower{s, dir}, err
}

// Read forgets what was read before. Vanished tells what the scan's books say.
func (f *Follower) Read() (p Process, err error, vanished bool) {
	for _, sp := range f.s.spaces {
		sp.close()
	}
	clear(f.s.spaces)
	f.s.cov = Coverage{View: f.s.cov.View}
	p, err = f.s.read(f.dir)
	f.s.count(err)
	return p, err, f.s.cov.Vanished == 1
}

func (f *Follower) Close() {
	f.dir.close()
	f.s.close()
}
