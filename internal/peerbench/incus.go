//go:build !cgo

package peerbench

import (
	_ "unsafe" // for go:linkname

	"github.com/lxc/incus/v6/shared/idmap"

	"github.com/usernskit/usernskit/userns"
)

// The package shared/idmap of incus needs the headers of libcap where cgo is
// on, so it is measured where it is off.

// Incus reports whether incus is measured.
const Incus = true

//go:linkname incusParse github.com/lxc/incus/v6/shared/idmap.getFromShadow
func incusParse(path, username string) ([][]int64, error)

//go:linkname incusParseMap github.com/lxc/incus/v6/shared/idmap.getFromProc
func incusParseMap(path string) ([][]int64, error)

func incusOwner(path, owner string, want tally) []Side {
	return []Side{side("incus", func() (t tally, err error) {
		list, err := incusParse(path, owner)
		for _, r := range list {
			t.add("", uint64(r[0]), uint64(r[1]))
		}
		return t, err
	}, equals(want))}
}

func incusMapFile(path string, want uint64) []Side {
	return []Side{side("incus, from a file", func() (sum uint64, err error) {
		list, err := incusParseMap(path)
		for _, e := range list {
			sum += mapLine(e[0], e[1], e[2])
		}
		return sum, err
	}, equals(want))}
}

// incusTranslate gives the two directions.
func incusTranslate(list []userns.Extent, d draw) (toHost, toContainer []Side) {
	incus := idmap.Set{}
	for _, e := range list {
		incus.Entries = append(incus.Entries, idmap.Entry{IsUID: true, IsGID: true, NSID: int64(e.ID), HostID: int64(e.HostID), MapRange: int64(e.Count)})
	}
	toHost = []Side{translate("incus", d.inside, d.outsides, func(id uint32) (uint64, uint64) {
		u, g := incus.ShiftIntoNS(int64(id), int64(id))
		return uint64(u), uint64(g)
	})}
	toContainer = []Side{translate("incus", d.outside, d.insides, func(id uint32) (uint64, uint64) {
		u, g := incus.ShiftFromNS(int64(id), int64(id))
		return uint64(u), uint64(g)
	})}
	return toHost, toContainer
}
