package daemoncfg

import "github.com/usernskit/usernskit"

// Pointer is pointer.
func Pointer(path []string) string { return pointer(path) }

// Risks is risks.
func Risks(d *Document, h usernskit.Host) ([]usernskit.Warning, error) { return d.risks(h) }
