// Package idspace shows who holds which user and group IDs of a host: real
// accounts, the subordinate ranges of owners, reserved ranges, the range that
// dockerd remaps to, and the maps of namespaces that exist right now.
//
//	set, err := subid.Read(host)
//	if err != nil {
//		return err
//	}
//	users := idspace.New(idspace.Users, idspace.Sources{Set: set, Remap: "dockremap"})
//	err = users.WriteText(os.Stdout, idspace.Text{Width: 80})
//
// # What it guarantees
//
// A [Space] is a value: this package does not read files or processes, and the
// same sources give the same picture, byte for byte. Every claim of the sources
// is in [Space.Intervals], and every ID from 0 to 4294967294 is in one of them
// or in one of [Space.Gaps]. Users can influence names, so control characters
// in them are printed as escapes, and the SVG is always well-formed.
//
// # What it does not
//
// A picture shows its sources only. It does not show that maps of processes
// could not be read: see [userns.Coverage]. [Space.Overlaps] names at most 16
// partners of an interval.
//
// # What other readers of the files do
//
// Where programs read a line of /etc/subuid differently, each reading is an
// interval.
package idspace
