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
// A [Space] is a value made from what is handed in: nothing here reads a file or
// a process, and the same sources give the same picture, byte for byte. Every
// claim of the sources is in [Space.Intervals], and every ID from 0 to
// 4294967294 is in one of them or in one of [Space.Gaps]. Names come from
// files that users have a say in, so control characters in them are printed as
// escapes, and the SVG is well-formed whatever they hold.
//
// # What it does not
//
// A picture shows what it was told. Maps of processes that could not be read
// are missing from it without a trace: see [userns.Coverage] for whether there
// are any. [Space.Overlaps] names at most 16 partners of an interval.
//
// # What other readers of the files do
//
// Where programs read a line of /etc/subuid differently, each reading is an
// interval of its own: the picture shows what may be taken, not what one program
// would take.
package idspace
