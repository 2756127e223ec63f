// Package subid reads, edits, audits and allocates subordinate IDs: the ranges
// of /etc/subuid and /etc/subgid that user namespaces are made of. See
// subuid(5), subgid(5) and newuidmap(1).
//
//	grant, plan, err := subid.Plan(ctx, host, subid.Request{Owner: subid.Dockremap})
//	if err != nil {
//		return err // /etc/subuid:2: dockremap:123000:65536 overlaps alice:110000:1000
//	}
//	fmt.Print(plan.Diff())
//	_, err = host.Apply(ctx, plan)
//
// # What it guarantees
//
// A range that [Plan] gives out meets no range that any program reads from
// either file, no account or group of the host, no range that useradd gives to a
// UID by its number, and nothing in [ReservedRanges]; the same host gives the
// same answer. An owner with a good range keeps it. Every edit keeps each byte
// that it does not have to change, in order: comments, odd lines, "\r\n".
// [usernskit.Host.Apply] writes under the locks of shadow-utils, so that
// useradd and this package wait for each other.
//
// # What it does not
//
// IDs that no file tells of are not seen: the maps of running containers of
// other programs (hand them in as Policy.Avoid), accounts that a directory does
// not list (the plan warns "accounts-unseen"), and files on a disk that an
// earlier owner of a range left. Ranges from an NSS source are not avoided,
// since they cannot be listed. usermod -v checks nothing: what it adds can
// overlap a moment later. usermod -S of shadow-utils 4.20 reads as if it gave one
// ID more than it should.
//
// # What other programs make of the files
//
// They agree on plain lines only, "owner:100000:65536", which is all that is
// ever written. Package reader says what each of them reads: shadow-utils takes
// 0x186a0 and octal, dockerd 28 and later takes every number it cannot read for
// 0, which is the host's root, and dockerd 27, podman and CRI-O refuse the whole
// file for one line without three fields. [Set.Problems] says where they differ,
// [Set.Mapped] which map a dockerd builds, and Plan refuses to build on a line of
// the owner about which they do ([ErrUnsafeLine]).
//
// useradd sorts the file by start when it looks for a free range, comments
// last, so neither comments nor the order of the lines are safe from it. With
// SUB_UID_DETERMINISTIC (4.20) it does not look at the file at all.
package subid
