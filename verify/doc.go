// Package verify proves that a Docker host remaps user IDs, or says where it
// does not, or that it cannot tell.
//
//	report, err := verify.Run(ctx, verify.Options{
//		Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, "") },
//	})
//	...
//	format.Text(os.Stdout, report, format.Options{})
//	fmt.Println(report.Summary.Remapped)
//
// A configuration that says userns-remap proves nothing, and neither does a
// daemon that says userns: a range may start at 0, a restart may be pending, a
// container may have survived one. The proof is in the host IDs of every
// process of every container, as the kernel shows them, held against the
// ranges; [Summary.Remapped] rests on that and on the daemon's word together.
// [Checks] lists all that is looked at, [Explain] says what each is for.
//
// # Verdicts
//
// What cannot be looked at is [Unknown] and never passes. Run as an ordinary
// user most of it can be seen, but not all, and the report says so.
//
// A [usernskit.Host] that is a directory has files and nothing else. What only
// a running host can answer is then a [Skip] with that reason, and what its
// files should tell and do not is Unknown: an image that is prepared well
// passes with exit code 0, and Summary.Remapped says that nobody asked a
// kernel. With the daemon down its containers are read from the files below the
// data-root.
//
// # What it does not see
//
// A report holds for the moment it was made in. What does not fit, because a
// container came or went while it was read, is looked at again; what is gone by
// then is counted in Coverage.Passing. A process that hides from /proc because
// the kernel itself was subverted is not found.
//
// "Every process" is of this daemon's containers, its managed plugins and
// whatever is in a container's control group, mount or PID namespace. Containers
// of other programs (podman, containerd) are counted in Coverage.Others, and C03
// warns where they are in the host's user namespace. Those of another dockerd
// fail C01 where they are not remapped. Host root that has left all of a
// container's namespaces is a process of the host like any other.
//
// Inside a container the IDs in /proc may not be the host's, and then none is
// judged. A container that audits its host needs --pid=host and --userns=host,
// the host's root mounted as [Options].Host, and the daemon's socket; it is
// itself in the host's user namespace, and reported as that: allow it by name.
//
// # Others
//
// CIS benchmarks look for the option in the configuration and for
// --userns=host in the containers' settings: their numbers are in [Check.Refs].
package verify
