package peerbench

import (
	_ "unsafe" // for go:linkname

	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools"
	storage "go.podman.io/storage/pkg/idtools"
)

// The functions below are the insides of peers that do just the work of a row,
// on a file or text of the caller's. What the peers export reads /etc/subuid
// and /etc/subgid of the running system, looks accounts up and sorts, which would
// be held against them.
//
// An empty assembly file, peers.s, lets the compiler accept functions without a
// body.

type storageRange struct{ Start, Length int }

//go:linkname storageParse go.podman.io/storage/pkg/idtools.parseSubidFile
func storageParse(path, username string) ([]storageRange, error)

//go:linkname storageFindStart go.podman.io/storage/pkg/idtools.findNextRangeStart
func storageFindStart(list []storageRange) (int, error)

//go:linkname rootlesskitParse github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools.parseSubidFile
func rootlesskitParse(path string, uid int, username string) ([]idtools.SubIDRange, error)

// An exported name, so that the package is linked.
var _ storage.IDMap
