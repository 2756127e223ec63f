package subid

// Overlapping returns every claim of the two files that has an ID of r, as any
// reader finds it, whoever the owner is.
func (s *Set) Overlapping(r Range) []Claim {
	return s.find(func(_ Line, c Range) bool { return c.Overlaps(r) })
}
