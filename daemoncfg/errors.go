package daemoncfg

import (
	"errors"

	"github.com/usernskit/usernskit/internal/members"
)

// These errors are wrapped in one that says where the fault is and what to do.
var (
	// ErrInvalid: some dockerd from 20.10 to 29 does not start with this
	// daemon.json, or it is larger than 1 MiB or nested more than 64 deep, or two
	// readers of JSON would read it differently. Every error of [Parse] matches it.
	ErrInvalid = errors.New("daemon.json that dockerd does not read")
	// ErrNotObject: a path leads through a value without members.
	ErrNotObject = members.ErrNotObject
	// ErrRemap: not a valid value of --userns-remap.
	ErrRemap = errors.New("not a user or user:group")
	// ErrFailOpen: a value of --userns-remap that dockerd accepts, and with
	// which a container's root is the host's root. It matches ErrRemap too.
	ErrFailOpen = errors.New("userns-remap would be off while it looks on")
	// ErrAccount: dockerd will look up a user or group that does not exist.
	ErrAccount = errors.New("no such user or group")
	// ErrConflict: a key is, or would be, both in daemon.json and among the flags
	// of dockerd. dockerd then does not start, even if the values are equal.
	ErrConflict = errors.New("set both as a flag of dockerd and in daemon.json")
	// ErrSnapshotter: features.containerd-snapshotter is switched on. dockerd
	// from 29.0 does not start with that and userns-remap.
	ErrSnapshotter = errors.New("the containerd image store and userns-remap exclude each other")
	// ErrFlag: userns-remap is set by a flag that is not edited here.
	ErrFlag = errors.New("userns-remap is set by a flag of dockerd")
	// ErrGenerated: another program generates daemon.json.
	ErrGenerated = errors.New("a generated file")
)

// A refusal is an error that matches some of the above.
type refusal struct {
	text  string
	kinds []error
}

func (e *refusal) Error() string   { return e.text }
func (e *refusal) Unwrap() []error { return e.kinds }

func refuse(text string, kinds ...error) error { return &refusal{text, kinds} }

// Limits, the account of "default", and the IDs of the warnings of plans. A
// warning about a [Problem] has its [ProblemID].
const (
	// maxSize is how many bytes [Parse] accepts. dockerd has no limit.
	maxSize = 1 << 20

	// Default is the user of a [Remap] that means [DockremapUser]: dockerd
	// makes that account, and one range of IDs for it, where there is none.
	Default       = "default"
	DockremapUser = "dockremap"

	WarnStartupUnsure = "startup-unsure"  // how dockerd is started is not known: a risk
	WarnStartupAbsent = "startup-absent"  // nothing starts dockerd here yet
	WarnIgnoredFlags  = "ignored-flags"   // flags in a file that the start of dockerd does not read
	WarnManaged       = "managed"         // another program writes the file
	WarnByFlag        = "remap-by-flag"   // a flag that is not edited here sets userns-remap
	WarnOtherDaemons  = "further-dockerd" // more than one thing here starts a dockerd

	// Risks of switching remapping on or off.
	RiskLiveRestore    = "live-restore"     // containers outlive the restart, un-remapped and unseen
	RiskSwarm          = "swarm"            // the node leaves its swarm
	RiskPlugins        = "plugins"          // managed plugins have to be installed again
	RiskHostContainers = "host-containers"  // containers that are privileged or share a host namespace
	RiskRootless       = "rootless"         // dockerd runs without root, and cannot remap
	RiskDataRootNFS    = "data-root-nfs"    // the data-root is on a network or FUSE file system
	RiskDataRootPath   = "data-root-path"   // a directory above the data-root keeps other users out
	RiskStorageDriver  = "storage-driver"   // the storage driver is not known to shift IDs
	WarnDataRootUnseen = "data-root-unseen" // swarm, plugins and host-containers could not be looked for
)
