// Package drill tries the last steps of known container escapes on this host,
// without harm, and reports which of them user-namespace remapping stops.
//
//	helper := probe.Main() // first in main
//	...
//	report, err := drill.Run(ctx, drill.Options{Helper: helper, Mapping: mapping})
//	for _, p := range report.Probes {
//		fmt.Println(p.ID, p.Result, p.Reason)
//	}
//
// An escape ends with a step that needs the rights of the host's root: writing
// /proc/sys/kernel/core_pattern, say. The drill tries only that last step, as a
// short-lived process that is root of a user namespace with the mapping of the
// daemon's containers. The process is outside every container and has all
// capabilities inside its namespace: the drill shows what still stops an
// attacker when everything else about the container has failed.
//
// Nothing is harmed: files are opened and closed, never created, truncated or
// written; a signal is number 0; mounts are in a mount namespace that ends with
// the process. Files and settings that the probes open are compared before and
// after, see [Report.Changed].
//
// "Stopped" means that the kernel answered EACCES or EPERM to the deciding
// call. A missing file, a feature that the kernel does not have, a read-only
// file system and a /proc that is not the kernel's are not-testable.
//
// The drill does not prove that a host is remapped: package verify does. It does
// not test seccomp, SELinux or AppArmor, which confine a container and not the
// drill's process, and it finds no new escape.
//
// # What remapping stops
//
// Sources: "probe" is a result of this package on a remapped host, with both
// engines that the project tests; "runc" is the advisory GHSA-9493-h29p-rfm2 and
// "Kubernetes" its documents about user namespaces, both read and not run;
// "reasoned" is none of these.
//
//	CVE                what it ends with                   stopped   probe            source
//	2019-5736          overwrite the host's runc           yes       host-binary      probe
//	2022-0492          write a cgroup v1 release_agent     yes       release-agent    probe, Kubernetes
//	2024-21626         the host's files by a leaked fd     yes *     root-directory   probe
//	2025-31133, 52565  write /proc/sys, /proc/sysrq-...    yes *     core-pattern     probe, runc
//	2025-52881         the same, by a redirected write     partly    core-pattern     probe, reasoned
//	page cache (2022-0847 and its kind)                    no        -                reasoned
//	races in docker cp (2019-14271 and its kind)           no        -                reasoned
//	from one container into another                        no        other-layer      probe
//
// With * a file of the host that everyone may read or write stays readable or
// writable. 2025-52881 is only partly stopped, since runc itself makes the
// redirected write, as the host's root. All containers of a daemon have one
// mapping, so a process that has left its container can use the files of the
// others; it cannot reach their processes, since each container has a user
// namespace of its own.
package drill
