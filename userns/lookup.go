package userns

// ToHost returns what the ID of the namespace is on the host, and false if it
// is not mapped. It takes at most O(log n) for n extents and allocates nothing.
func (m Map) ToHost(id uint32) (host uint32, ok bool) {
	if id-m.id < m.count {
		return id + m.shift, true
	}
	host, ok = m.more.toHost(id) // "return m.more.toHost(id)" is past what the compiler inlines
	return
}

// ToContainer returns what the ID of the host is in the namespace, and false if
// it is not mapped there. It costs what [Map.ToHost] costs.
func (m Map) ToContainer(host uint32) (id uint32, ok bool) {
	if host-m.host < m.count {
		return host - m.shift, true
	}
	id, ok = m.more.toContainer(host)
	return
}

// HostRanges translates count IDs of the namespace, from id on: the extents of
// the map, cut to that range, in the order of their IDs. What is not mapped is
// missing from the result. A range past 4294967295 ends there.
func (m Map) HostRanges(id, count uint32) []Extent {
	if m.IsZero() || count == 0 {
		return nil
	}
	last := id + count - 1
	if last < id {
		last = ^uint32(0)
	}
	sorted := []Extent{m.first()}
	if m.more != nil {
		sorted = m.more.extents[m.more.find(id):]
	}
	var out []Extent
	for _, e := range sorted {
		if e.ID > last {
			break
		}
		if e.ID+e.Count-1 >= id {
			out = append(out, e.cut(id, last))
		}
	}
	return out
}
