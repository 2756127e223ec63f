package shift

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// A comparer walks a tree and its copy side by side.
type comparer struct {
	worker
	contents bool
	links    map[uint64]uint64 // the inodes of files that have several names
}

// compare returns an error that matches ErrDiffers where a tree is not the copy
// that a job makes.
func compare(ctx context.Context, j Job, copied string, contents bool) error {
	root, st, err := j.openRoot()
	if err != nil {
		return err
	}
	defer unix.Close(root)
	other, copyOf, err := Job{Dir: copied}.openRoot()
	if err != nil {
		return err
	}
	defer unix.Close(other)
	c := comparer{worker{walk: &walk{translation: j.translation(), ctx: ctx}, buf: make([]byte, 64<<10)}, contents, map[uint64]uint64{}}
	return c.same(nil, "", root, other, st, copyOf)
}

// same compares what is open as paths, and all below.
func (c *comparer) same(parent *dir, name string, from, to int, st, copied unix.Statx_t) error {
	if err := c.ctx.Err(); err != nil {
		return context.Cause(c.ctx)
	}
	differs := func(what string) error {
		return parent.failed("compare", name, fmt.Errorf("%w: %s", ErrDiffers, what))
	}
	kind := st.Mode & unix.S_IFMT
	uid, _ := c.uid(st.Uid)
	gid, _ := c.gid(st.Gid)
	switch {
	case copied.Mode&unix.S_IFMT != kind:
		return differs("the kind of file")
	case copied.Uid != uid || copied.Gid != gid:
		return differs(fmt.Sprintf("the owner is %d:%d, not %d:%d", copied.Uid, copied.Gid, uid, gid))
	case copied.Mode != st.Mode:
		return differs(fmt.Sprintf("the mode is %o, not %o", copied.Mode&perms, st.Mode&perms))
	case nanoseconds(copied.Mtime) != nanoseconds(st.Mtime):
		return differs("the time of its last change")
	case copied.Rdev_major != st.Rdev_major || copied.Rdev_minor != st.Rdev_minor:
		return differs("the device")
	case kind != unix.S_IFDIR && copied.Size != st.Size:
		return differs("the size")
	case kind != unix.S_IFDIR && copied.Nlink != st.Nlink:
		return differs("the number of hard links")
	}
	if kind != unix.S_IFDIR && st.Nlink > 1 {
		if first, ok := c.links[st.Ino]; ok && first != copied.Ino {
			return differs("what it is a hard link to")
		}
		c.links[st.Ino] = copied.Ino
	}
	want, err := c.xattrs(from)
	if err != nil {
		return parent.failed("read attributes of", name, err)
	}
	have, err := (&worker{walk: &walk{}, buf: c.buf}).xattrs(to)
	if err != nil {
		return parent.failed("read attributes of the copy of", name, err)
	}
	if !maps.EqualFunc(want, have, slices.Equal) {
		return differs("extended attributes")
	}
	switch {
	case kind == unix.S_IFDIR:
		return c.below(&dir{fd: from, parent: parent, name: name}, to)
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
// the other, which has as many.
func (c *comparer) below(d *dir, to int) error {
	names := 0
	err := eachName(d, func(name string) error {
		names++
		fd, err := beneath(d.fd, name, unix.O_PATH)
		if err != nil {
			return d.failed("open", name, err)
		}
		defer unix.Close(fd)
		other, err := beneath(to, name, unix.O_PATH)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EXDEV) {
			return d.failed("compare", name, fmt.Errorf("%w: it is not in the copy", ErrDiffers))
		}
		if err != nil {
			return d.failed("open the copy of", name, err)
		}
		defer unix.Close(other)
		st, err := stat(fd)
		if err != nil {
			return d.failed("stat", name, err)
		}
		copied, err := stat(other)
		if err != nil {
			return d.failed("stat the copy of", name, err)
		}
		return c.same(d, name, fd, other, st, copied)
	})
	if err != nil {
		return err
	}
	err = eachName(&dir{fd: to, parent: d.parent, name: d.name}, func(string) error { names--; return nil })
	if err == nil && names != 0 {
		err = d.failed("compare", "", fmt.Errorf("%w: the copy holds %d names more", ErrDiffers, -names))
	}
	return err
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
		if err := c.ctx.Err(); err != nil {
			return false, context.Cause(c.ctx)
		}
		n, err := unix.Pread(in, a, at)
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
