// Package daemoncfg reads and edits Docker's daemon.json, and says whether
// dockerd starts with it.
//
//	host := usernskit.Host{Root: "/mnt/image"}
//	remap, err := daemoncfg.ParseRemap("default")
//	...
//	plan, err := remap.Plan(ctx, host)
//	fmt.Print(plan.Diff())
//
// An edit changes one member. It keeps every other byte of the file, in order:
// indentation, line ends, the spelling of numbers and escapes, and keys that
// nobody here knows. A new member copies the style of its neighbour, and
// deleting it gives back the file as it was; only a file that was missing or
// empty is left as {} then, and comes back by undoing the plan. An edit that
// changes nothing plans nothing.
//
// Several edits of one file are one plan: [Read] a document, edit it, and let it
// plan itself with [Document.Plan]. The action of a plan is a reload where
// dockerd takes over each key that changed while it runs, else a restart.
//
// What dockerd does not read is never touched: [Parse] is as strict as the
// strictest dockerd from 20.10 to 29, and refuses duplicate keys besides.
// [Check] is the one list of what keeps dockerd from starting, with flags,
// accounts and the engine that is installed taken into account. What was wrong
// before an edit is a warning, and what the edit makes wrong is an error; values
// of userns-remap with which a container's root is the host's root are errors
// everywhere: see [ParseRemap].
//
// How dockerd is started is found by the package dockerd below this one. Flags
// are only looked at; the one flag that is moved is --userns-remap, out of an
// environment file whose line is so plain that systemd and a shell read it alike.
//
// It does not ask the daemon and does not restart it: that is left to the
// [usernskit.Action] of a plan.
//
// # Other readers and writers of the file
//
// dockerd decodes the file twice with encoding/json, first into a map for the
// names of keys (one level of objects flattened, which is how "proxies" works),
// then into its configuration; the last one of two equal keys wins. 20.10
// reads no empty file and no byte order mark, and ignores what follows the
// document; 23.0 and later do it the other way round. There is no directory of
// drop-ins. jq, Ansible's templates and nvidia-ctk write the file again, in
// their own order and indentation, and augeas takes comments that dockerd does
// not. None of them takes a lock: the root package notices what changed
// between reading and writing, up to a few microseconds.
//
// The reference is https://docs.docker.com/reference/cli/dockerd/ with
// daemon/config/config.go of https://github.com/moby/moby, and for what starts
// dockerd systemd.unit(5), systemd.service(5) and systemd.exec(5).
package daemoncfg
