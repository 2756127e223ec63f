// Package usernskit holds what the packages of this module share: a [Host], a
// [Change] to one of its files, a [Plan] of changes, and the two verbs that
// touch the disk, [Host.Apply] and [Host.Undo].
//
//	host := usernskit.Host{Root: "/mnt/image"}
//	grant, plan, err := subid.Plan(host, subid.Request{Owner: "dockremap"})
//	...
//	fmt.Print(plan.Diff())
//	receipt, err := host.Apply(ctx, plan)
//	...
//	err = host.Undo(ctx, receipt.ID)
//
// Every package plans and only this one writes. A plan is made from bytes that
// were read once; Apply takes the locks that other writers of those files
// follow, looks whether each file still holds the bytes that the plan was made
// from, writes in order, and puts everything back when a step fails. What it
// did is in a journal below /var/lib/usernskit, written before the first file:
// after a crash every file is old or new, and Undo brings all of them back,
// bytes, owner, mode and extended attributes.
//
// What Apply cannot promise: a writer that follows no lock (an editor on
// daemon.json) can still write between the last look at a file and its
// replacement, a window of microseconds. The directories on the way to a file
// are taken to belong to root; a [Host.Root] that someone else can rename
// directories in is not a safe one.
//
//	4  examples/...                     thin programs
//	3  remap  verify                    the whole job, and the proof of it
//	2  userns  subid  daemoncfg  bootargs   none imports another
//	1  usernskit                        this package
//	0  internal/hostfs                  files inside a root
//
// # Compatibility
//
// Until version 1 a minor release may change the API; the CHANGELOG then says
// what and why. The files under /var/lib/usernskit, exit codes and JSON output
// of remapctl keep their meaning from the first release on.
package usernskit
