// Package idspace shows who holds which user and group IDs of a host: real
// accounts, the subordinate ranges of owners, reserved ranges, the range that
// dockerd remaps to, and the maps of namespaces that exist right now.
//
//	from, gaps, err := idspace.Read(ctx, usernskit.Host{}, nil)
//	if err != nil {
//		return err
//	}
//	fmt.Println(gaps) // what could not be seen
//	users := idspace.New(idspace.Users, from)
//	err = users.WriteText(os.Stdout, idspace.Text{Width: 80})
//
// # What it guarantees
//
// A [Space] is plain data: only [Read] looks at a host, and the same sources give
// the same picture, byte for byte. Every claim of the sources is in
// Space.Intervals, and every ID from 0 to 4294967294 is in one of them or in one
// of Space.Gaps. Users can influence names, so control characters in them are
// printed as escapes, and the SVG is always well-formed.
//
// # What it does not
//
// A picture shows only its sources. The gaps that [Read] returns describe what
// could not be read.
//
// # What other readers of the files do
//
// Where programs read a line of /etc/subuid differently, each reading is an
// interval.
package idspace
