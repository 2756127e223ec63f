package idspace

import (
	"math/bits"
	"slices"
	"sort"
)

// An axis places IDs from top to bottom. It is cut into pieces where anything
// begins or ends; within a piece it is linear, from piece to piece the scale
// changes, since a true one would leave nothing to see but gaps.
type axis struct {
	pieces []piece
	end    float64 // of the last piece
}

// A piece of an axis has the IDs from first to before end.
type piece struct {
	first, end uint64
	top, tall  float64
}

// newAxis cuts the IDs at the borders of the rows and gives each piece room for
// the labels of the rows that begin in it.
func newAxis(rows []row, top float64) axis {
	labels := map[uint64]float64{} // what those that begin at an ID take
	holders := map[uint64]int{}    // that come, or go where negative, at an ID
	var cuts []uint64
	for _, r := range rows {
		first, end := uint64(r.Start), end(r.Range)
		cuts = append(cuts, first, end)
		labels[first] += r.tall() * float64(1+len(r.clashes))
		if !r.gap && !r.background() && r.Kind != Reserved {
			holders[first]++
			holders[end]--
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	a := axis{end: top}
	held := 0
	for i := 0; i+1 < len(cuts); i++ {
		p := piece{first: cuts[i], end: cuts[i+1], top: a.end}
		held += holders[p.first]
		p.tall = max(labels[p.first], 4)
		if held > 0 && p.end-p.first > 1 {
			p.tall = max(p.tall, 2.8*float64(bits.Len64(p.end-p.first)))
		}
		a.pieces = append(a.pieces, p)
		a.end += p.tall
	}
	return a
}

// tall is the height of a row's label: used IDs weigh most.
func (r row) tall() float64 {
	if r.gap || r.Kind == Reserved && !r.red {
		return svgQuiet
	}
	return svgLabel
}

// at returns where the edge before an ID is.
func (a axis) at(id uint64) float64 {
	i := sort.Search(len(a.pieces), func(i int) bool { return a.pieces[i].end > id })
	if i == len(a.pieces) {
		return a.end
	}
	p := a.pieces[i]
	return p.top + p.tall*float64(id-min(id, p.first))/float64(p.end-p.first)
}

// maxLanes is how many overlapping rows are drawn side by side. Where more
// overlap, they share the last lane.
const maxLanes = 8

// lanes are places side by side for rows that overlap.
type lanes struct {
	count int
	lane  map[laneKey]int
}

// A laneKey tells rows apart, of one that joins several its first interval.
type laneKey struct {
	start uint32
	kind  Kind
	name  string
	line  int
}

func keyOf(v Interval) laneKey { return laneKey{v.Start, v.Kind, v.Names[0], v.Line} }

// newLanes gives each row the first lane that is free. The namespaces that have
// the host's IDs come last, since they overlap everything.
func newLanes(rows []row) lanes {
	l := lanes{lane: map[laneKey]int{}}
	var free []uint64 // the first ID from which each lane is free
	for _, r := range rows {
		if r.gap || r.background() {
			continue
		}
		n := slices.IndexFunc(free, func(id uint64) bool { return id <= uint64(r.Start) })
		if n < 0 && len(free) < maxLanes {
			n = len(free)
			free = append(free, 0)
		} else if n < 0 {
			n = maxLanes - 1
		}
		free[n] = max(free[n], end(r.Range))
		l.lane[keyOf(r.Interval)] = n
	}
	l.count = max(len(free), 1)
	for _, r := range rows {
		if !r.gap && r.background() {
			l.lane[keyOf(r.Interval)] = l.count
			l.count++
		}
	}
	return l
}

// of returns the lane of an interval, and -1 where it has none.
func (l lanes) of(v Interval) int {
	if n, ok := l.lane[keyOf(v)]; ok {
		return n
	}
	return -1
}
