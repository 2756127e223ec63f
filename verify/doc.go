// Package verify proves that a Docker host remaps user IDs, or reports where it
// does not or what is unknown.
//
//	report, err := verify.Run(ctx, verify.Options{
//		Docker: func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, "") },
//	})
//	...
//	format.Text(os.Stdout, report, format.Options{})
//	fmt.Println(report.Summary.Remapped)
//
// A configuration with userns-remap proves nothing, nor does a daemon that
// reports userns: a range may start at 0, a restart may be pending, a container
// may have survived the restart. The proof is that the host IDs of every
// process of every container, as the kernel shows them, are in the ranges;
// [Summary.Remapped] needs that and the daemon's report. [Checks] lists the
// checks, [Explain] explains one.
//
// # Verdicts
//
// What cannot be read is [Unknown] and never passes. An ordinary user can read
// most sources, but not all; the report names what is missing.
//
// For a [usernskit.Host] that is a directory of files, checks that need a
// running host are a [Skip], and what the files do not answer is Unknown. A
// well prepared image passes, with a Summary.Remapped of Skip. If the daemon is
// down, its containers are read from the files below the data-root.
//
// # What it does not see
//
// A report is valid for the moment in which it was made. Containers that start
// or end while they are read are read again; those that still cannot be read
// are counted in Coverage.Passing. A process that a subverted kernel hides is
// not found.
//
// If a host has several dockerds, the one that answers is judged, by its own
// unit, flags and files. Coverage.Daemons says where to ask the others.
//
// "Every process" means every process of this daemon's containers and managed
// plugins, and any in a container's control group, mount or PID namespace.
// Containers of other programs (podman, containerd) are counted in
// Coverage.Others, and C03 warns if they are not remapped. Those of another
// dockerd fail C01 if they are not remapped. A root process that has left all of
// a container's namespaces is an ordinary process of the host.
//
// Inside a container the IDs in /proc may not be the host's, and are then not
// judged. A container that audits its host needs --pid=host and --userns=host,
// the host's root mounted as [Options].Host, and the daemon's socket; it is in
// the host's user namespace itself, and the report exempts it.
//
// # CIS benchmarks
//
// CIS benchmarks look for userns-remap in the configuration and for
// --userns=host in the containers' settings. [Check.Refs] has the numbers of
// these recommendations.
package verify
