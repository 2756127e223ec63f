// Package shift moves the owners of a directory tree from one range of host IDs
// to another, so that data of containers that were not remapped is theirs again
// in remapped ones, and back.
//
//	job, err := shift.Plan(ctx, "/srv/data", from, to, shift.Options{})
//	if err != nil {
//		return err
//	}
//	job, err = shift.Run(ctx, job, nil)
//
// An ID of a container is from.ToHost(id) before and to.ToHost(id) after: to move
// data into the range of dockerd, from maps every ID to itself.
//
// # What it guarantees
//
// What chown(1) loses is kept: setuid, setgid, file capabilities and POSIX ACLs,
// whose own IDs are moved too. Times, other extended attributes, hard links,
// holes and project IDs stay as they are. The tree is then what the kernel shows
// of the old one through an idmapped mount; its tests ask the kernel.
//
// A file's own owner tells whether it is done. So a job that was killed at any
// point goes on when it is planned again, and a job that is done does nothing
// again. The way back, [Undo], is the job with the ranges swapped, and may begin
// where the job was killed. What an owner cannot tell is in a journal, synced
// before the file is touched.
//
// The tree may be hostile: everything is reached by descriptors below the
// directory, no symbolic link is followed, no mount is entered, and each change
// is made to the very inode that was looked at. What is added, renamed or given back
// behind a job's back, up to its last look at every owner, is found and moved, or
// the job ends with [ErrMissed]. Two jobs for one directory keep each other off.
//
// # A copy instead
//
// With [Options.Into] the tree stays as it is, and is made again in another place
// with the owners moved, as it would be after a job: for a volume whose original
// is the backup. Room is looked for before. The copy is made beside its place,
// compared, put on the disk and then renamed, so it is whole or not there; a job
// that was killed is begun again. A tree that is written to in the meantime gives
// [ErrMissed] and no copy.
//
// # What it does not
//
// The kernel sets ctime, and nothing sets it back. A hard link from outside of
// the tree to a file in it shares the file's new owner. IDs in neither range stay
// as they are and are counted in [Report.Outside].
package shift
