package peerbench

import (
	_ "unsafe" // for go:linkname

	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools"
	storage "go.podman.io/storage/pkg/idtools"
)

// The functions below are unexported ones of peers that do just the work of a row,
// on the caller's file or list. The exported ones read /etc/subuid and /etc/subgid
// of the running system, look accounts up and sort, which would count against the
// peers.
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
