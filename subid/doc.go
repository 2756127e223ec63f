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
// A range from [Plan] does not overlap a range that any program reads from
// either file, an account or group of the host, a range that useradd gives to a
// UID by its number, or [ReservedRanges]; the same host gives the same answer.
// An owner with a good range keeps it. Edits keep all other bytes: comments,
// odd lines, "\r\n". [usernskit.Host.Apply] writes under the locks of
// shadow-utils, so that useradd and this package wait for each other.
//
// # What it does not
//
// IDs outside these files are not seen: the maps of other programs' running
// containers (pass them as Policy.Avoid), accounts that a directory does not
// list (the plan warns "accounts-unseen"), and files that an earlier owner of a
// range left. Ranges from an NSS source are not avoided, since they cannot be
// listed. usermod -v does not check: what it adds can overlap a moment later.
//
// # What other programs make of the files
//
// They agree on plain lines only, "owner:100000:65536", the only form that is
// written. Package reader has what each of them reads: shadow-utils takes
// 0x186a0 and octal, dockerd 28 and later takes every number it cannot read for
// 0, which is the host's root, and dockerd 27, podman and CRI-O refuse the
// whole file for one line without three fields. [Set.Problems] reports where
// they differ, [Set.Mapped] returns the map that a dockerd builds, and Plan
// refuses a line of the owner about which they differ ([ErrUnsafeLine]).
//
// useradd sorts the file by start, comments last, when it looks for a free
// range. With SUB_UID_DETERMINISTIC (4.20) it does not read the file.
package subid
