// Package userns reads what the Linux kernel says about user namespaces: which
// IDs a process has inside and on the host, and which container it is in.
//
//	var proc userns.FS // the running system's /proc
//	var seen userns.Coverage
//	for p, err := range proc.Processes(ctx, userns.Options{Coverage: &seen}) {
//		...
//		uids, gids := p.Outside(want) // none: remapped as wanted
//	}
//
// A [Map] is exact: its 32-bit numbers never wrap, it keeps the rules of the
// kernel, and an ID is its own counterpart only if the map says so. A [Process]
// is read from one process, never from two that had one PID, and its mapping is
// that of its own user namespace, never of an older one with the same inode
// number. [Coverage] counts what a scan could not see, and [Coverage.Gaps]
// describes it; with a gap, the scan proves nothing about "every process".
//
// IDs on "the host" are those of the reader's own user namespace. They are the
// machine's only if that is the initial one; see [FS.View]. IDs, maps and
// namespaces come from the kernel. The container does not: users can give a
// control group of theirs the name of a container, and any process can call
// itself containerd-shim.
//
// # Other readers
//
// moby/sys/user takes a nil map for "every ID is itself" and returns a
// container ID unchanged when it is the number of the host's remapped root;
// unreadable lines become 0, which is the host's root. amicontained takes a map
// of two lines for none. podman top finds a process's host ID one namespace
// deep only. [Map.IDMaps], [FromIDMaps], [FromRanges] and [Map.SysProcIDMap]
// convert to and from the types of moby/sys/user, package subid and os/exec.
package userns
