// Package fleet shares one ID space between many hosts, so that hosts which
// share a file system or move containers agree about who may use which IDs.
//
//	space := fleet.Space{Min: 1 << 20, Count: 65536, Slots: 10000}
//	claim, plan, err := fleet.Plan(ctx, host, registry, fleet.Request{Space: space})
//	...
//	receipt, err := host.Apply(ctx, plan)
//	...
//	err = claim.Confirm(ctx, registry)
//
// A slot is a range of equal size, counted from the start of the space. A
// [Registry] keeps the claims: fleet/file is a file that configuration
// management distributes, fleet/etcd (a module of its own) a set of keys in
// etcd. /etc/subuid and /etc/subgid decide on each host: commands that look at
// a host, and undo, do not need the registry.
//
// It guarantees that two holders never have the same slot, and that a slot
// which overlaps anything on the host is not used. It does not guarantee that the
// registry is complete: [Audit] compares it with what the hosts export.
//
// Nothing expires. Files on a host outlive the host's connection to the
// registry, and the data of its containers outlives its files: so a claim does
// not have a lease, undoing a plan leaves the claim, and a released slot is
// given again only on request.
//
// # How far it goes
//
// A claim is a key and about 150 bytes. With 10,000 hosts a registry holds 2
// MB, and [Plan] asks for one slot most of the time. One million slots fit the
// 32-bit ID space only up to 4,294 IDs each, too few for most images (they use
// ID 65534): with 65,536 IDs each the space ends at 65,535 slots. On paper one
// million claims are 250 MB in etcd with their history before compaction,
// within its default quota of 2 GB; a List of them takes 1,000 pages and
// several seconds. Where the space is almost full, Plan lists all claims once.
package fleet
