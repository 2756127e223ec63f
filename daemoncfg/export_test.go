package daemoncfg

import "github.com/usernskit/usernskit"

// Risks is risks, for switching remapping on.
func Risks(d *Document, h usernskit.Host) ([]usernskit.Warning, error) {
	s := d.start()
	return risks(h, s, d, current(s, d).On, true)
}

// MaxSize is maxSize.
const MaxSize = maxSize
