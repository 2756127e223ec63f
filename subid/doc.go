// Package subid reads, edits, audits and allocates subordinate IDs: the ranges
// of /etc/subuid and /etc/subgid that user namespaces are made of. See
// subuid(5), subgid(5) and newuidmap(1).
//
//	grant, plan, err := subid.Plan(host, subid.Docker())
//	if err != nil {
//		return err // /etc/subuid:2: dockremap:123000:65536 overlaps alice:110000:1000
//	}
//	fmt.Print(plan.Diff())
//	_, err = host.Apply(ctx, plan)
//
// # What it guarantees
//
// A range that [Plan] gives out meets no range that any program reads from
// either file, no account or group of the host and nothing in
// [ReservedRanges]; the same host gives the same answer. An owner with a good
// range keeps it. Every edit keeps each byte that it does not have to change,
// in order: comments, odd lines, "\r\n", whatever is there.
// [usernskit.Host.Apply] writes under the locks of shadow-utils, so that
// useradd waits for us and we for it.
//
// # What it does not
//
// Nothing here can see IDs in use that stand in no file: the maps of running
// containers of other programs (hand them in as Policy.Avoid), accounts that a
// directory does not list (the plan warns "accounts-unseen"), and files on a
// disk that an earlier owner of a range left. Ranges from an NSS source are
// not avoided, since there is no way to list them; [FromNSS] reads one owner's.
// usermod -v checks nothing: what it adds can overlap us a moment later.
//
// # What other readers make of the files
//
// They agree on plain lines only, "owner:100000:65536", which is all that is
// ever written. shadow-utils reads numbers as C does, 0x186a0 and octal
// included, and ignores a line with a blank or "\r" at its end. dockerd 28 and
// later trims the line and takes every number it cannot read for 0, which is
// the host's root. dockerd 27, podman and CRI-O refuse the whole file for one
// line that has not three fields. [File.As] gives the view of each,
// [File.Problems] says where they part, and Plan refuses to build on a line of
// the owner about which they do ([ErrUnsafeLine]).
//
// useradd sorts the file by start when it looks for a free range, comments
// last, so neither comments nor the order of the lines are safe from it.
package subid
