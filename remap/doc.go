// Package remap joins the plans of the other packages into the two that an
// administrator asks for: remapping on, and remapping off.
//
//	p, err := remap.PlanEnable(ctx, host, remap.Request{})
//	fmt.Print(p.Plan.Diff())
//	receipt, err := host.Apply(ctx, p.Plan)
//
// PlanEnable writes the ranges of the remap user to /etc/subuid and
// /etc/subgid before userns-remap goes into daemon.json, also for "default":
// dockerd's own search for a free range sees root's lines alone since 28.0 and
// hands out IDs that are somebody else's. What it does not do: it restarts
// nothing by itself, and it proves nothing; see the package verify.
//
// dockerd reads the key when it starts and at no other time, so a plan names
// the restart as an action; [Restart.Run] runs it and looks whether the daemon
// came back as wanted.
package remap
