//go:build cgo

package peerbench

import "github.com/usernskit/usernskit/userns"

func incusOwner(string, string, tally) []Side { return nil }

func incusMapFile(string, uint64) []Side { return nil }

func incusTranslate([]userns.Extent, draw) (toHost, toContainer []Side) { return nil, nil }
