// Package remap joins the plans of the other packages into the two that an
// administrator asks for: remapping on, and remapping off.
//
//	p, err := remap.PlanEnable(ctx, host, remap.Request{})
//	fmt.Print(p.Plan.Diff())
//	receipt, err := host.Apply(ctx, p.Plan)
//
// PlanEnable writes the ranges of the remap user to /etc/subuid and /etc/subgid
// before userns-remap goes into daemon.json, also for "default": since 28.0,
// dockerd's own search for a free range reads only root's lines and hands out
// IDs of other owners. It does not restart docker, and it does not prove that
// remapping works; see the package verify.
//
// dockerd reads the key only when it starts, so a plan names the restart as an
// action; [Restart.Run] runs it and checks that the daemon came back as wanted.
// [Restart.Decide] says before that what a person agrees to: files, programs,
// containers that stop, and what is not seen any more.
//
// A dockerd that remaps uses another store and does not see the old volumes.
// [PlanMigrate] plans copies of them, with the owners moved, and [Migration.Run]
// makes the copies; the old volumes stay. With remapping off, a migration goes the
// other way. [PlanShift] plans to move the owners of other data in place. Both have
// receipts, by which [Undo] takes back first what they did, and then the files.
package remap
