package daemoncfg

// Limits, the account of "default", and the IDs of the warnings of plans. What
// [Check] finds has its [ProblemID] for an ID.
const (
	// Limits of what [Parse] takes. dockerd has none for the size, and 10000 for
	// the depth; no daemon.json that a person wrote comes near either.
	MaxSize  = 1 << 20 // bytes
	MaxDepth = 64      // objects and arrays around a value

	// Default is the user of a [Remap] that means [DockremapUser]: dockerd
	// makes that account, and one range of IDs for it, where there is none.
	Default       = "default"
	DockremapUser = "dockremap"

	WarnStartupUnsure = "startup-unsure"  // how dockerd is started cannot be told: a risk
	WarnStartupAbsent = "startup-absent"  // nothing starts a dockerd here yet
	WarnIgnoredFlags  = "ignored-flags"   // in a file that nothing reads
	WarnManaged       = "managed"         // another program writes the file
	WarnByFlag        = "remap-by-flag"   // a flag sets userns-remap
	WarnOtherDaemons  = "further-dockerd" // more than one thing here starts a dockerd

	// Risks of switching remapping on or off.
	RiskLiveRestore    = "live-restore"     // containers outlive the restart, un-remapped and unseen
	RiskSwarm          = "swarm"            // the node drops out of its swarm
	RiskPlugins        = "plugins"          // managed plugins have to be installed again
	RiskHostContainers = "host-containers"  // containers that are privileged or share a host namespace
	RiskRootless       = "rootless"         // dockerd runs without root, and cannot remap
	RiskDataRootNFS    = "data-root-nfs"    // the data-root is on a network or FUSE file system
	RiskDataRootPath   = "data-root-path"   // a directory above the data-root keeps other users out
	RiskStorageDriver  = "storage-driver"   // not one that can shift IDs
	WarnDataRootUnseen = "data-root-unseen" // swarm, plugins and host-containers could not be looked for
)
