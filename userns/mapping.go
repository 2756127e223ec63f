package userns

// A Mapping is what remapping means for a namespace: a Map for its users and
// one for its groups.
type Mapping struct{ UID, GID Map }

// IsZero reports whether neither map was written.
func (m Mapping) IsZero() bool { return m.UID.IsZero() && m.GID.IsZero() }

// Equal reports whether both maps are equal, see [Map.Equal].
func (m Mapping) Equal(o Mapping) bool { return m.UID.Equal(o.UID) && m.GID.Equal(o.GID) }

// String returns both maps on one line.
func (m Mapping) String() string {
	if m.UID.Equal(m.GID) {
		return m.UID.String()
	}
	return "users " + m.UID.String() + "; groups " + m.GID.String()
}
