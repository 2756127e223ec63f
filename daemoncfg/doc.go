// Package daemoncfg reads and edits Docker's daemon.json, and checks whether
// dockerd starts with it.
//
//	host := usernskit.Host{Root: "/mnt/image"}
//	remap, err := daemoncfg.ParseRemap("default")
//	...
//	plan, err := remap.Plan(ctx, host)
//	fmt.Print(plan.Diff())
//
// An edit changes one member. It keeps every other byte of the file, in order:
// indentation, line ends, the spelling of numbers and escapes, and unknown
// keys. A new member copies the style of its neighbour, and deleting it
// restores the file; only a file that was missing or empty becomes {}, and is
// restored by undoing the plan. An edit that changes nothing plans nothing.
//
// Several edits of one file are one plan: [Read] a document, edit it, and let
// it plan itself with [Document.Plan]. The action of a plan is a reload if
// dockerd can reload each changed key, else a restart.
//
// A file that dockerd does not read is never edited: [Parse] is as strict as
// the strictest dockerd from 20.10 to 29, and also refuses duplicate keys.
// [Check] lists what keeps dockerd from starting, including flags, accounts and
// the installed engine. What was wrong before an edit is a warning, and what
// the edit makes wrong is an error. An edit that makes remapping look on while
// it is off is an error too, although dockerd starts: see [ParseRemap].
//
// Package dockerd below this one finds how dockerd is started. The only flag
// that is ever removed is --userns-remap, from a line of an environment file
// that systemd and a shell read alike.
//
// No function asks or restarts the daemon: see the [usernskit.Action] of a plan.
//
// # Other readers and writers of the file
//
// dockerd decodes the file twice with encoding/json, first into a map for the
// names of keys (one level of objects flattened, which is how "proxies" works),
// then into its configuration; the last one of two equal keys wins. 20.10
// refuses an empty file and a byte order mark, and ignores what follows the
// document; 23.0 and later do the opposite. There is no directory of drop-ins.
// jq, Ansible's templates and nvidia-ctk rewrite the file in their own order
// and indentation, and augeas accepts comments that dockerd does not. None of
// them takes a lock: the root package notices a change between reading and
// writing, except in the last few microseconds.
//
// The reference is https://docs.docker.com/reference/cli/dockerd/ with
// daemon/config/config.go of https://github.com/moby/moby, and for what starts
// dockerd systemd.unit(5), systemd.service(5) and systemd.exec(5).
package daemoncfg
