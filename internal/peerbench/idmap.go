package peerbench

import (
	"math/rand/v2"

	"github.com/moby/sys/user"
	storage "go.podman.io/storage/pkg/idtools"

	"github.com/usernskit/usernskit/userns"
)

// mapping makes a map of n extents whose host IDs are in another order than the
// container's, with gaps on both sides.
func mapping(n int) []userns.Extent {
	host := rand.New(rand.NewPCG(1, 2)).Perm(n)
	list := make([]userns.Extent, n)
	for i := range list {
		list[i] = userns.Extent{ID: uint32(i * 1000), HostID: uint32(100000 + host[i]*2000), Count: 900}
	}
	return list
}

// targets has the aims by the number of extents: for the map that nearly all
// containers have, and for the largest.
var targets = map[int]float64{1: 2, userns.MaxExtents: 15}

const lookups = 4096 // in each run of a side: pairs of a user and a group

// TranslateRows makes rows that translate mapped user and group IDs, drawn evenly
// from all extents: to the host, then to the container.
func TranslateRows(extents ...int) ([]Row, error) {
	var rows, back []Row
	for _, n := range extents {
		list := mapping(n)
		m, err := userns.NewMap(list...)
		if err != nil {
			return nil, err
		}
		moby := user.IdentityMapping{UIDMaps: m.IDMaps(), GIDMaps: m.IDMaps()}
		var podman []storage.IDMap
		for _, e := range list {
			podman = append(podman, storage.IDMap{ContainerID: int(e.ID), HostID: int(e.HostID), Size: int(e.Count)})
		}
		podmans := storage.NewIDMappingsFromMaps(podman, podman)
		d := drawIDs(list)

		row := Row{Work: "translate an ID to the host", Size: size(n, "extents"), Target: targets[n]}
		row.Sides = []Side{
			translate("usernskit", d.inside, d.outsides, func(id uint32) (uint64, uint64) {
				u, _ := m.ToHost(id)
				g, _ := m.ToHost(id)
				return uint64(u), uint64(g)
			}),
			translate("moby/sys/user", d.inside, d.outsides, func(id uint32) (uint64, uint64) {
				u, g, _ := moby.ToHost(int(id), int(id))
				return uint64(u), uint64(g)
			}),
			translate("containers/storage", d.inside, d.outsides, func(id uint32) (uint64, uint64) {
				p, _ := podmans.ToHost(storage.IDPair{UID: int(id), GID: int(id)})
				return uint64(p.UID), uint64(p.GID)
			}),
		}
		rows = append(rows, row)

		row.Work = "translate an ID to the container"
		row.Sides = []Side{
			translate("usernskit", d.outside, d.insides, func(id uint32) (uint64, uint64) {
				u, _ := m.ToContainer(id)
				g, _ := m.ToContainer(id)
				return uint64(u), uint64(g)
			}),
			translate("moby/sys/user", d.outside, d.insides, func(id uint32) (uint64, uint64) {
				u, g, _ := moby.ToContainer(int(id), int(id))
				return uint64(u), uint64(g)
			}),
			translate("containers/storage", d.outside, d.insides, func(id uint32) (uint64, uint64) {
				u, g, _ := podmans.ToContainer(storage.IDPair{UID: int(id), GID: int(id)})
				return uint64(u), uint64(g)
			}),
		}
		back = append(back, row)
	}
	return append(rows, back...), nil
}

// A draw has IDs of the container, the same IDs on the host, and the weighted sums
// of both. With weights, two answers that changed places give another sum.
type draw struct {
	inside, outside   []uint32
	insides, outsides uint64
}

func drawIDs(list []userns.Extent) (d draw) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range lookups {
		e := list[r.IntN(len(list))]
		off := r.Uint32N(e.Count)
		d.inside, d.outside = append(d.inside, e.ID+off), append(d.outside, e.HostID+off)
		d.insides += weight(i) * 2 * uint64(e.ID+off)
		d.outsides += weight(i) * 2 * uint64(e.HostID+off)
	}
	return d
}

func weight(i int) uint64 { return uint64(i&7) + 1 }

func translate(name string, ids []uint32, want uint64, pair func(uint32) (uint64, uint64)) Side {
	s := side(name, func() (sum uint64, err error) {
		for i, id := range ids {
			u, g := pair(id)
			sum += weight(i) * (u + g)
		}
		return sum, nil
	}, equals(want))
	s.Ops = lookups
	return s
}
