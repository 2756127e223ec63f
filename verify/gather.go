package verify

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
)

// facts are all that the checks judge by, read once. A check is a function of
// facts and reads nothing itself, so that two checks never speak of two states.
type facts struct {
	opts Options
	host usernskit.Host
	now  time.Time
	only map[string]bool // the checks to run
	live bool            // the running host
	proc bool            // there is a /proc to look at

	conf   config
	ids    ids
	kernel kernel
	scan   scan
	boxes  []box // the containers of Docker that run, by their IDs
	disk   disk

	walks        map[string]*walk // by the source of a volume
	lost         []loss
	strangers    []stranger
	strangersErr error
	nssUsers     []string // accounts of a name service inside the ranges
	nssSkip      string   // why no name service was asked
	nssErr       error    // why one could not be asked

	engine *engine.Engine // what Docker says; nil where nobody could tell
	// storeErr is why the files below the data-root could not be read instead.
	storeErr error
	// noEngine is why the daemon's word is missing; nil where it was heard.
	// With the daemon down engine may still be there, from its files.
	noEngine error
}

// errNotAsked: Options.Docker is nil.
var errNotAsked = errors.New("the daemon was not asked")

func gather(ctx context.Context, opts Options, checks []check) *facts {
	f := &facts{opts: opts, host: opts.Host, now: opts.Now, live: opts.Host.Live(), only: map[string]bool{}}
	for _, c := range checks {
		f.only[c.ID] = true
	}
	if f.now.IsZero() {
		f.now = time.Now()
	}
	if _, err := f.host.Lstat("/proc/self"); f.opts.Proc.Root == "" && (f.live || err == nil) {
		if root, err := f.host.Path("/proc"); err == nil {
			f.opts.Proc = userns.FS{Root: root}
		}
	}
	f.proc = f.opts.Proc.Root != ""
	f.conf = readConfig(ctx, f.host, opts.Remap)
	f.askDocker(ctx)
	f.ids = readIDs(ctx, f.host, f.conf, f.engine)
	if f.proc {
		f.readContainers(ctx)
		f.askNames(ctx)
	}
	f.kernel = readKernel(ctx, f)
	f.disk = readDisk(f)
	f.askMounts(ctx)
	f.walkVolumes(ctx)
	f.findStrangers(ctx)
	return f
}

// askDocker reads the daemon's facts, and those below its data-root where it
// does not answer.
func (f *facts) askDocker(ctx context.Context) {
	f.noEngine = errNotAsked
	if f.opts.Docker != nil {
		f.engine, f.noEngine = f.opts.Docker(ctx)
		if f.noEngine == nil {
			return
		}
		f.engine = nil
	}
	// The store that the daemon would use, or did.
	root := f.conf.dataRoot
	if name, ok := f.conf.storeName(ctx, f.host); ok {
		root += "/" + name
	}
	e, err := readStore(f.host, root)
	switch {
	case err == nil:
		f.engine = e
		f.engine.Down = f.noEngine.Error()
	case !isNotExist(err):
		f.storeErr = err
	}
}

// readContainers reads the processes, and again where what it saw may be a
// container that is just being started: one that came between the daemon's list
// and the scan, or runc on its way into the container's namespaces.
func (f *facts) readContainers(ctx context.Context) {
	const wait, tries = 50 * time.Millisecond, 20
	for try := range tries {
		f.scan = readProcesses(ctx, f.opts.Proc, f.opts.Deep)
		f.sortBoxes()
		unlisted := try == 0 && len(f.orphans()) > 0
		if !unlisted && !f.starting() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if unlisted {
			if again, err := f.opts.Docker(ctx); err == nil {
				f.engine = again
			}
		}
	}
}

// starting reports whether a container has a process of runc that is still in
// the host's user namespace. runc puts it into the control group first.
func (f *facts) starting() bool {
	for _, b := range f.boxes {
		for _, p := range b.processes {
			if strings.HasPrefix(p.Command, "runc") && f.scan.inHostNS(p) {
				return true
			}
		}
	}
	return false
}

// running counts the containers that processes were seen of.
func (f *facts) running() int {
	n := 0
	for _, b := range f.boxes {
		if len(b.processes) > 0 {
			n++
		}
	}
	return n
}

// coverage says how much was seen.
func (f *facts) coverage() Coverage {
	c := Coverage{Host: f.host.Root, Live: f.live}
	if c.Host == "" {
		c.Host = "/"
	}
	if f.engine != nil {
		c.Docker = f.engine.Source
	}
	if f.proc {
		c.Processes, c.Namespaces = f.scan.coverage.Seen, len(f.scan.namespaces)
		c.Vanished, c.Denied = f.scan.coverage.Vanished, f.scan.coverage.Denied
		c.Containers = f.running()
		c.Missing = append(c.Missing, f.scan.gaps()...)
	}
	if f.noEngine != nil && (f.live || !errors.Is(f.noEngine, errNotAsked)) {
		c.Missing = append(c.Missing, f.noEngine.Error())
	}
	return c
}

// A reading is a value, or why there is none.
type reading[T any] struct {
	value T
	err   error
}

// missing reports whether there is no such file.
func (r reading[T]) missing() bool { return errors.Is(r.err, fs.ErrNotExist) }

// offline is the reason of checks that only a running host can answer.
const offline = "not the running host"
