package userns

import "syscall"

// SysProcIDMap returns the map for UidMappings or GidMappings of
// [syscall.SysProcAttr], to start a program in a namespace with this map.
func (m Map) SysProcIDMap() []syscall.SysProcIDMap {
	var out []syscall.SysProcIDMap
	for _, e := range m.Extents() {
		out = append(out, syscall.SysProcIDMap{ContainerID: int(e.ID), HostID: int(e.HostID), Size: int(e.Count)})
	}
	return out
}
