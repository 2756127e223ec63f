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
// IDs of other owners. It does not restart docker by itself, and it does not
// prove anything; see the package verify.
//
// dockerd reads the key only when it starts, so a plan names the restart as an
// action; [Restart.Run] runs it and checks that the daemon came back as wanted.
//
// The dockerd that remaps has another store, in which the volumes of before are
// not seen. [PlanMigrate] plans their copies, with the owners moved, and
// [Migration.Run] makes them; the old volumes stay. A migration with remapping off
// goes the other way. [PlanShift] plans to move the owners of other data in place.
// Both have receipts, and [Undo] takes back what they did before the files.
package remap
