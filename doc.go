// Package usernskit holds what the packages of this module share: a [Host], a
// [Change] to one of its files, a [Plan] of changes, and the two verbs that
// touch the disk, [Host.Apply] and [Host.Undo].
//
//	host := usernskit.Host{Root: "/mnt/image"}
//	grant, plan, err := subid.Plan(ctx, host, subid.Request{Owner: "dockremap"})
//	...
//	fmt.Print(plan.VisibleDiff())
//	receipt, err := host.Apply(ctx, plan)
//	...
//	err = host.Undo(ctx, receipt.ID, nil)
//
// Every package plans, and only this one changes the files of a plan. A plan is
// made from bytes that were read once. Apply takes the locks of the files' other
// writers, checks that each file still holds those bytes, writes in order, and
// rolls back when a step fails or the context ends.
//
// # Undo
//
// What Apply did is in a journal below /var/lib/usernskit, written before the
// first file. After a crash every file is old or new, and Undo brings all of
// them back: bytes, owner, mode and extended attributes. If others wrote to a
// file in the meantime, Undo takes out what the plan put in and keeps the rest,
// or names what it cannot separate and changes nothing. [Host.Forget] drops a
// receipt.
//
// # Plans as JSON
//
// A Plan, and all that is in it, marshals to JSON and back. A change is written
// as a patch with digests of the file before and after, so a stored plan can be
// shown, and applied on any host whose files have those digests. It holds no
// more of a file than its diff.
//
// # Limits
//
// A writer that ignores the locks (an editor on daemon.json) can still write
// between the last check of a file and its replacement, a window of
// microseconds. A [Host.Root] in which users other than root can rename
// directories is not safe.
//
//	4  examples/...                              thin programs
//	3  remap  verify  idspace  fleet             the whole job, and the proof of it
//	2  userns  subid  daemoncfg  bootargs  shift  only shift imports another, userns
//	1  usernskit                                 this package
//	0  internal/...                              files inside a root, accounts, small helpers
//
// # Compatibility
//
// Until version 1 a minor release may change the API; the CHANGELOG then says
// what and why. The files under /var/lib/usernskit keep their meaning from the
// first release on, and so do the exit codes and the JSON output of the programs.
package usernskit
