//go:build cgo

package peerbench

import "github.com/usernskit/usernskit/userns"

// Incus reports whether incus is measured, see incus.go.
const Incus = false

func incusOwner(string, string, tally) []Side { return nil }

func incusMapFile(string, uint64) []Side { return nil }

func incusTranslate([]userns.Extent, draw) (toHost, toContainer []Side) { return nil, nil }
