package subid

// A Policy says where ranges are taken from. The zero Policy is the host's:
// SUB_UID_MIN, SUB_UID_MAX and SUB_UID_COUNT of login.defs(5) and the same for
// groups, and where they are not set the defaults of shadow-utils.
type Policy struct {
	Min, Max uint32  // the first and last ID that may be chosen; 0: the host's
	Count    uint32  // IDs in a range; 0: the host's, but at least 65536
	Align    uint32  // ranges start at a multiple; 0 or 1: anywhere
	Avoid    []Range // taken too, as the maps of running containers are
}

// A Request is what [Plan] is asked for. The owner alone is enough.
type Request struct {
	// Owner is the login name, or the UID in decimal, that the lines are to
	// stand under.
	Owner string
	// UID is the owner's, where the caller knows it. If nil, it is looked up.
	UID *uint32
	// Start is the first ID wanted. If 0, the lowest free one is chosen.
	Start uint32
	// Count is the number of IDs. If 0, it is the policy's.
	Count uint32
	// Policy says where to choose from. A Start that is given may lie outside
	// Min and Max.
	Policy Policy
	// UnpairedOK allows ranges that start at different IDs in the two files
	// where no hole is in both.
	UnpairedOK bool
	// AllowSmall allows a Count below 65536, which leaves ID 65534, nobody, and
	// whatever else an image has beyond the count without an ID on the host.
	AllowSmall bool
}

// Docker is what dockerd needs for "userns-remap": "default".
func Docker() Request { return Request{Owner: "dockremap", Count: 65536} }

// Kubelet is what the kubelet needs for pods with hostUsers: false, 65536 IDs
// for each of them (110 is its default for --max-pods). It takes one range
// only, at a multiple of 65536 and the same in both files.
func Kubelet(maxPods uint32) Request {
	const perPod = 65536
	count := uint64(max(maxPods, 1)) * perPod
	return Request{Owner: "kubelet", Count: uint32(min(count, 1<<32-perPod)), Policy: Policy{Align: perPod}}
}

// PodmanAuto is what podman and CRI-O need for --userns=auto: a range of the
// user "containers", which need not have an account, for 64 containers of the
// largest size.
func PodmanAuto() Request { return Request{Owner: "containers", Count: 64 * 65536} }
