package shift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A comparer walks a tree and its copy side by side.
type comparer struct {
	worker
	contents bool
	links    map[uint64]*link // the copies of files with several names, by the inode number in the tree
	read     int64            // bytes of contents, and a block for each file
}

// A link is a file of a copy with the names that it has outside of what was compared.
type link struct {
	inode  uint64
	others uint32
}

// compare returns an error that matches ErrDiffers if copied is not the copy that
// the job makes, and the number of bytes that were read.
func compare(ctx context.Context, j Job, copied string, contents bool) (read int64, err error) {
	root, st, err := j.openRoot()
	if err != nil {
		return 0, err
	}
	defer unix.Close(root)
	other, copyOf, err := Job{Dir: copied}.openRoot()
	if err != nil {
		return 0, err
	}
	defer unix.Close(other)
	w := &walk{translation: translation{j.From, j.To}, ctx: ctx}
	c := comparer{worker: worker{walk: w, buf: make([]byte, 64<<10)}, contents: contents, links: map[uint64]*link{}}
	err = c.same(nil, "", root, other, st, copyOf)
	for _, l := range c.links {
		if err == nil && l.others > 0 {
			err = fmt.Errorf("%w: a file of the copy, inode %d, has hard links elsewhere", ErrDiffers, l.inode)
		}
	}
	return c.read, err
}

// same compares two inodes that are open with O_PATH, and all below them.
func (c *comparer) same(parent *dir, name string, from, to int, st, is unix.Statx_t) error {
	c.read += 4096
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	differs := func(what string) error {
		return parent.failed("compare", name, fmt.Errorf("%w: %s", ErrDiffers, what))
	}
	kind := st.Mode & unix.S_IFMT
	uid, _ := c.uid(st.Uid)
	gid, _ := c.gid(st.Gid)
	switch {
	case is.Mode&unix.S_IFMT != kind:
		return differs("the kind of file")
	case is.Uid != uid || is.Gid != gid:
		return differs(fmt.Sprintf("the owner is %d:%d, not %d:%d", is.Uid, is.Gid, uid, gid))
	case is.Mode != st.Mode:
		return differs(fmt.Sprintf("the mode is %o, not %o", is.Mode&perms, st.Mode&perms))
	case kind != unix.S_IFDIR && is.Mtime != st.Mtime:
		return differs("the time of its last change")
	case is.Rdev_major != st.Rdev_major || is.Rdev_minor != st.Rdev_minor:
		return differs("the device")
	case kind != unix.S_IFDIR && is.Size != st.Size:
		return differs("the size")
	case kind != unix.S_IFDIR && is.Nlink > st.Nlink: // it has fewer if the tree has links to outside
		return differs("the number of hard links")
	}
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		first := c.links[st.Ino]
		if first == nil {
			first = &link{is.Ino, is.Nlink}
			c.links[st.Ino] = first
		}
		if first.inode != is.Ino {
			return differs("what it is a hard link to")
		}
		first.others--
	}
	want, err := c.attributes(from, copied)
	if err != nil {
		return parent.failed("read attributes of", name, err)
	}
	have, err := c.attributes(to, copied)
	if err != nil {
		return parent.failed("read attributes of the copy of", name, err)
	}
	for _, list := range [][]attribute{want, have} { // file systems list them in any order
		slices.SortFunc(list, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	}
	if !slices.EqualFunc(want, have, func(a, b attribute) bool { return a.name == b.name && bytes.Equal(a.moved, b.value) }) {
		return differs("extended attributes")
	}
	switch {
	case kind == unix.S_IFDIR:
		err := c.below(&dir{fd: from, parent: parent, name: name}, to)
		if err == nil && is.Mtime != st.Mtime { // a difference inside says more
			err = differs("the time of its last change")
		}
		return err
	case kind == unix.S_IFLNK, kind == unix.S_IFREG && c.contents:
		same, err := c.sameContent(from, to, kind)
		if err != nil {
			return parent.failed("read", name, err)
		}
		if !same {
			return differs("the content")
		}
	}
	return nil
}

// below compares what a directory and its copy hold: each name of the one is in
// the other.
func (c *comparer) below(d *dir, to int) error {
	err := d.each(func(name string, fd int, st unix.Statx_t) error {
		other, err := beneath(to, name, unix.O_PATH)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EXDEV) {
			return d.failed("compare", name, fmt.Errorf("%w: it is not in the copy", ErrDiffers))
		}
		if err != nil {
			return d.failed("open the copy of", name, err)
		}
		defer unix.Close(other)
		is, err := stat(other)
		if err != nil {
			return d.failed("stat the copy of", name, err)
		}
		return c.same(d, name, fd, other, st, is)
	})
	if err != nil {
		return err
	}
	return (&dir{fd: to, parent: d.parent, name: d.name}).names(func(name string) error {
		var st unix.Stat_t
		err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			err = fmt.Errorf("%w: it is only in the copy", ErrDiffers)
		}
		return d.failed("compare", name, err)
	})
}

func (c *comparer) sameContent(from, to int, kind uint16) (bool, error) {
	a, b := c.buf[:len(c.buf)/2], c.buf[len(c.buf)/2:]
	if kind == unix.S_IFLNK {
		n, err := unix.Readlinkat(from, "", a)
		m, err2 := unix.Readlinkat(to, "", b)
		return n == m && bytes.Equal(a[:max(n, 0)], b[:max(m, 0)]), errors.Join(err, err2)
	}
	in, err := reopen(from, unix.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer unix.Close(in)
	other, err := reopen(to, unix.O_RDONLY)
	if err != nil {
		return false, err
	}
	defer unix.Close(other)
	for at := int64(0); ; {
		if c.ctx.Err() != nil {
			return false, context.Cause(c.ctx)
		}
		n, err := unix.Pread(in, a, at)
		c.read += int64(max(n, 0))
		m, err2 := unix.Pread(other, b, at)
		if err := errors.Join(err, err2); err != nil || n != m || !bytes.Equal(a[:n], b[:m]) {
			return false, err
		}
		if n == 0 {
			return true, nil
		}
		at += int64(n)
	}
}
