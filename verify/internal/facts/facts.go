package facts

import (
	"context"
	"errors"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/accounts"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify/engine"
)

// A Need names parts of the facts. What a part depends on is read with it.
type Need uint

const (
	NeedEngine     Need = 1 << iota // what Docker says, or the files of its store; how it is started, and daemon.json
	NeedProblems                    // what keeps dockerd from starting with this configuration
	NeedIDs                         // accounts, both subordinate ID files, and the map
	NeedKernel                      // whether user namespaces can be made
	NeedGates                       // what the kernel and the boot configuration ask for
	NeedProbe                       // a child in the configured map
	NeedProbeIPC                    // a child in it that shares the host's IPC namespace
	NeedProcesses                   // the processes of containers, and which process has the daemon's socket
	NeedNames                       // the users of these processes, by the name services
	NeedUsers                       // other processes and accounts with IDs of the ranges
	NeedStores                      // the directories that lead to the data-root, and the stores below it
	NeedHostMounts                  // the mounts of the host, and the daemon's sockets
	NeedMounts                      // what containers have mounted
	NeedAccess                      // what the kernel lets containers do with these mounts
	NeedOwners                      // who owns what is in the volumes of containers
	NeedLosses                      // setuid bits lost in volumes; only with options.Deep
)

// implied lists what a part is read from.
var implied = []struct{ part, from Need }{
	{NeedAccess | NeedOwners, NeedMounts},
	{NeedMounts, NeedHostMounts},
	{NeedMounts | NeedNames | NeedUsers, NeedProcesses},
	{NeedLosses, NeedStores},
	{NeedProbe | NeedProbeIPC | NeedProcesses | NeedHostMounts | NeedStores, NeedIDs},
	{NeedIDs | NeedProblems, NeedEngine},
}

// Options are those of verify.
type Options struct {
	Host   usernskit.Host
	Proc   userns.FS
	Docker func(context.Context) (*engine.Engine, error) // nil: is not asked
	Helper probe.Helper
	Remap  string
	Daemon dockerd.Choice
	Deep   bool
}

// Facts are the input of the checks, read once, so that all checks judge one
// state. Parts that were not requested are zero.
type Facts struct {
	Options
	Live    bool // the running host
	HasProc bool // there is a /proc to look at

	Config     config
	IDs        ids
	Kernel     kernel
	Scan       scan
	Containers []Container // the containers of Docker that run, by their IDs
	Disk       disk

	Walks  map[string]*walk // by the source of a volume
	Losses []loss
	Users  users
	// PeerErr is why the daemon that answered may not run on this host; its
	// containers may show that it does.
	PeerErr error
	// Daemons are the other dockerds of the host.
	Daemons []Daemon
	// Foreign are the containers of other programs than Docker.
	Foreign []Foreign
	// Passing counts the containers that came or went during the look.
	Passing int
	// Self is the container that this process runs in, "" for none: read from
	// this process's own control group and mounts.
	Self    string
	passing map[string]bool

	accounts *accounts.Lookup

	Engine *engine.Engine // what Docker reports; nil if unknown
	// StoreErr is why the files below the data-root could not be read instead.
	StoreErr error
	// NoEngine is why the daemon did not answer, or nil. Engine may then still
	// be from its files.
	NoEngine error

	need Need
}

// ErrNotAsked: there is no function to ask the daemon with.
var ErrNotAsked = errors.New("the daemon was not asked")

// Read reads the parts that are needed.
func Read(ctx context.Context, opts Options, parts Need) *Facts {
	for _, i := range implied {
		if parts&i.part != 0 {
			parts |= i.from
		}
	}
	opts.Host.Run = once(opts.Host)
	f := &Facts{Options: opts, Live: opts.Host.Live(), need: parts, accounts: accounts.New(opts.Host)}
	if _, err := f.Host.Lstat("/proc/self"); f.Proc.Root == "" && (f.Live || err == nil) {
		if root, err := f.Host.Path("/proc"); err == nil {
			f.Proc = userns.FS{Root: root}
		}
	}
	f.HasProc = f.Proc.Root != ""
	for _, p := range []struct {
		need Need
		read func(context.Context)
	}{
		{NeedEngine, f.readDaemon},
		{NeedProblems, f.readProblems},
		{NeedIDs, f.readIDs},
		{NeedProcesses, f.readPeer},
		{NeedProcesses, f.readContainers},
		{NeedNames, f.askNames},
		{NeedKernel, f.readKernel},
		{NeedGates, f.readGates},
		{NeedProbe, f.runProbe},
		{NeedProbeIPC, f.runProbeIPC},
		{NeedStores, f.readPath},
		{NeedStores, f.readStores},
		{NeedHostMounts, f.readHostMounts},
		{NeedMounts, f.readMounts},
		{NeedAccess, f.askMounts},
		{NeedOwners, f.readOwners},
		{NeedLosses, f.findLosses},
		{NeedUsers, f.findUsers},
	} {
		if parts&p.need != 0 && ctx.Err() == nil {
			p.read(ctx)
		}
	}
	return f
}

// once returns a Host.Run that does not run a program twice with the same
// arguments.
func once(h usernskit.Host) func(context.Context, ...string) ([]byte, error) {
	type result struct {
		out []byte
		err error
	}
	done := map[string]result{}
	return func(ctx context.Context, argv ...string) ([]byte, error) {
		key := strings.Join(argv, "\x00")
		r, ok := done[key]
		if !ok {
			r.out, r.err = h.Command(ctx, argv...)
			done[key] = r
		}
		return r.out, r.err
	}
}

// readDaemon asks the daemon first, and reads the startup of the process that
// answers. If none does, it reads the files below the data-root.
func (f *Facts) readDaemon(ctx context.Context) {
	f.NoEngine = ErrNotAsked
	if f.Docker != nil {
		f.Engine, f.NoEngine = f.Docker(ctx)
	}
	if f.NoEngine == nil && f.Daemon.PID == 0 {
		f.Daemon.PID = f.peer()
	}
	f.readConfig(ctx)
	f.readDaemons(ctx)
	if f.NoEngine == nil {
		return
	}
	f.Engine = nil
	root := f.Config.DataRoot // the store that the daemon would use, or did
	if f.Config.On {
		if f.readIDs(ctx); f.IDs.Mapped() {
			root += "/" + f.IDs.Root()
		}
	}
	e, err := ReadStore(f.Host, root)
	switch {
	case err == nil:
		f.Engine = e
		f.Engine.Down = f.NoEngine.Error()
	case !IsNotExist(err):
		f.StoreErr = err
	}
}

// answered reports whether the daemon itself answered.
func (f *Facts) answered() bool { return f.Engine != nil && f.NoEngine == nil }

// A reading is a value or an error.
type reading[T any] struct {
	Value T
	Err   error
}

// Offline is why a check is skipped that only a running host can answer.
const Offline = "not the running host"
