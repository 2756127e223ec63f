package userns

import (
	"strconv"
)

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
	f.s.cov, f.s.last, f.s.noLink = Coverage{View: f.s.cov.View}, true, false
	p, err = f.s.read(f.dir)
	f.s.count(err)
	return p, err, f.s.cov.Vanished == 1
}

func (f *Follower) Close() {
	f.dir.close()
	f.s.close()
}

// A Scan reads the processes that a test says, when it says so.
type Scan struct{ s *scan }

func (f FS) Scan(opt Options) (*Scan, error) {
	s, err := f.newScan(opt)
	return &Scan{s}, err
}

func (s *Scan) Process(name string) (Process, error) { return s.s.process(name) }

func (s *Scan) Close() { s.s.close() }
