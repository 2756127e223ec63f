// Package shift moves the owners of a directory tree from one range of host IDs
// to another, so that containers own their data again after remapping is turned
// on, or off.
//
//	job, err := shift.Plan(ctx, "/srv/data", from, to, shift.Options{})
//	if err != nil {
//		return err
//	}
//	job, err = shift.Run(ctx, job, nil)
//
// A container's ID is from.ToHost(id) on the host before the job and
// to.ToHost(id) after it. To move data into dockerd's range, from maps every ID to
// itself: see [Identity].
//
// # What it guarantees
//
// What chown(1) loses is kept: setuid, setgid, file capabilities and POSIX ACLs,
// whose own IDs are moved too. Times, other extended attributes, hard links,
// holes and project IDs stay as they are. The result is the tree that the kernel
// shows through an idmapped mount of the old one; the tests compare the two.
//
// The owner of a file shows whether the file is done. So a killed job continues
// when it is planned again, and a finished job changes nothing when it is run
// again. [Undo] is the job with the ranges swapped, and may begin where the job
// was killed. A journal, synced before the file is touched, holds what the owner
// cannot show.
//
// The tree may be hostile: everything is reached by descriptors below the
// directory, no symbolic link is followed, no mount is entered, and each change
// is made to the inode that was examined. Files that are added, renamed or given
// back to their old owner while the job runs, up to its last look at every owner,
// are found and moved, or the job ends with [ErrMissed]. Only one job at a time
// runs on a directory and what is in it.
//
// # A copy instead
//
// With [Options.Into] the job leaves the tree as it is, and makes a copy with the
// owners moved, as they would be after a job in place. The old tree is then the
// backup. The job first checks that there is enough space. It makes the copy
// beside its place, compares it, syncs it and renames it, so the copy is whole or
// absent. A killed job starts again. If the tree is written to in the meantime,
// the job ends with [ErrMissed] and makes no copy.
//
// # What it does not
//
// The kernel sets ctime, and nothing sets it back. A hard link outside the tree
// to a file in it shares the file's new owner; a copy does not have that link. IDs
// in neither range stay as they are; [Report.Outside] counts the files that have
// them.
package shift
