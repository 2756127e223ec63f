package daemoncfg

import "github.com/usernskit/usernskit"

// Pointer is pointer.
func Pointer(path []string) string { return pointer(path) }

// Risks is risks, for switching remapping on.
func Risks(d *Document, h usernskit.Host) ([]usernskit.Warning, error) {
	s := d.start()
	return risks(h, s, d, current(s, d).On, true)
}
