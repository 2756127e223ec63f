// Package enum gives a type with a few named values its text form.
package enum

import (
	"fmt"
	"slices"
)

// Names gives the name of a type and the texts of its values, from 0 on.
type Names interface {
	Names() (kind string, texts []string)
}

// An Of is a value of the type that N names. It marshals to its text form.
//
//	type Lock = enum.Of[lockNames]
type Of[N Names] int

// String returns the text form, or "Kind(9)" for an unknown value.
func (v Of[N]) String() string {
	var n N
	kind, texts := n.Names()
	if v < 0 || int(v) >= len(texts) {
		return fmt.Sprintf("%s(%d)", kind, int(v))
	}
	return texts[v]
}

// MarshalText returns the text form. An unknown value has none.
func (v Of[N]) MarshalText() ([]byte, error) {
	var n N
	if _, texts := n.Names(); v < 0 || int(v) >= len(texts) {
		return nil, fmt.Errorf("%v has no text form", v)
	}
	return []byte(v.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (v *Of[N]) UnmarshalText(text []byte) error {
	var n N
	kind, texts := n.Names()
	i := slices.Index(texts, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a %s: one of %q", text, kind, texts)
	}
	*v = Of[N](i)
	return nil
}
