// Package hostfs reads, replaces and locks files below a directory that is
// taken for "/".
//
// Paths mean what they would mean after chroot(2): an absolute symbolic link
// resolves inside the root. The root and the directories on the way are taken
// to belong to root; against someone who can rename directories there while we
// walk, nothing here protects.
package hostfs
