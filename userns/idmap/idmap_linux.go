package idmap

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/answer"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
)

func clone(ctx context.Context, path string, m userns.Mapping) (*Tree, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, failed("open_tree", path, err)
	}
	tree := &Tree{os.NewFile(uintptr(fd), path)}
	ns, err := probe.Namespace(ctx, m)
	if err != nil {
		tree.Close()
		return nil, err
	}
	defer ns.Close()
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(ns.Fd())}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		err = failed(opSetattr, path, err)
		tree.Close()
		return nil, err
	}
	return tree, nil
}

func (t *Tree) attach(target string) error {
	err := unix.MoveMount(int(t.file.Fd()), "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err != nil {
		return failed("move_mount", target, err)
	}
	return nil
}

func failed(op, path string, err error) error {
	errno := syscall.Errno(0)
	if !errors.As(err, &errno) {
		return err
	}
	e := &Error{Op: op, Path: path, Errno: errno}
	if list, err := mounts(userns.FS{}, os.Getpid()); err == nil {
		if id, err := mountID(path); err == nil {
			if i := slices.IndexFunc(list, func(m Mount) bool { return m.ID == id }); i >= 0 {
				e.FSType = list[i].FSType
			}
		}
	}
	return e
}

// mountID returns the ID of the mount that a path is on, as mountinfo has it.
func mountID(path string) (int, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_MNT_ID, &st)
	if err == nil && st.Mask&unix.STATX_MNT_ID == 0 {
		err = unix.ENOSYS
	}
	return int(st.Mnt_id), err
}

func mounts(proc userns.FS, pid int) ([]Mount, error) {
	root := proc.Root
	if root == "" {
		root = "/proc"
	}
	dir := root + "/" + strconv.Itoa(pid)
	data, err := os.ReadFile(dir + "/mountinfo")
	if err != nil {
		return nil, err
	}
	infos, err := mountinfo.GetMountsFromReader(bytes.NewReader(data), nil)
	if err != nil {
		return nil, fmt.Errorf("%s/mountinfo: %w", dir, err)
	}
	var list []Mount
	idmapped := false
	for _, info := range infos {
		m := Mount{ID: info.ID, Point: info.Mountpoint, FSType: info.FSType, Mapping: answer.Absent[userns.Mapping]()}
		if slices.Contains(strings.Split(info.Options, ","), "idmapped") {
			idmapped = true
			m.Mapping = answer.Unknown[userns.Mapping](errNotShown)
		}
		list = append(list, m)
	}
	if !idmapped {
		return list, nil
	}
	maps, err := readMaps(dir + "/ns/mnt")
	for i, m := range list {
		if _, plain, open := m.Mapping.Get(); open == nil && !plain {
			continue
		}
		switch found, ok := maps[m.ID]; {
		case err != nil:
			list[i].Mapping = answer.Unknown[userns.Mapping](err)
		case ok:
			list[i].Mapping = found
		}
	}
	return list, nil
}

var errNotShown = errors.New("the kernel does not show the map of this mount")

// statmount(2) and listmount(2), include/uapi/linux/mount.h.
const (
	statmountMntBasic = 0x2
	statmountUIDMap   = 0x2000
	statmountGIDMap   = 0x4000
	lsmtRoot          = ^uint64(0)

	// Offsets of fields in struct statmount.
	atMask    = 8
	atIDOld   = 56
	atAttr    = 64
	atUIDMap  = 152 // the number of extents, and 4 on, where they begin
	atGIDMap  = 160
	atStrings = 512
)

// A mntIDReq is struct mnt_id_req.
type mntIDReq struct {
	size, spare      uint32
	mntID, param, ns uint64
}

// readMaps reads the maps of all mounts of a mount namespace, by the ID that
// mountinfo has.
func readMaps(namespace string) (map[int]answer.Answer[userns.Mapping], error) {
	f, err := os.Open(namespace)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var ns uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.NS_GET_MNTNS_ID, uintptr(unsafe.Pointer(&ns))); errno != 0 {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotSupported, namespace, errno)
	}
	maps := map[int]answer.Answer[userns.Mapping]{}
	for last := uint64(0); ; {
		var ids [256]uint64
		req := mntIDReq{size: 32, mntID: lsmtRoot, param: last, ns: ns}
		n, _, errno := unix.Syscall6(unix.SYS_LISTMOUNT, uintptr(unsafe.Pointer(&req)), uintptr(unsafe.Pointer(&ids)), uintptr(len(ids)), 0, 0, 0)
		if errno != 0 {
			return nil, fmt.Errorf("%w: listmount: %w", ErrNotSupported, errno)
		}
		for _, id := range ids[:n] {
			old, m, err := statmount(id, ns)
			switch {
			case errors.Is(err, unix.ENOENT): // it was unmounted
			case err != nil:
				return nil, err
			default:
				maps[old] = m
			}
		}
		if int(n) < len(ids) {
			return maps, nil
		}
		last = ids[n-1]
	}
}

// statmount returns the ID that mountinfo has for a mount, and its map.
func statmount(id, ns uint64) (int, answer.Answer[userns.Mapping], error) {
	req := mntIDReq{size: 32, mntID: id, param: statmountMntBasic | statmountUIDMap | statmountGIDMap, ns: ns}
	buf := make([]byte, 4096)
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATMOUNT, uintptr(unsafe.Pointer(&req)), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0, 0)
		if errno == unix.EOVERFLOW && len(buf) < 1<<20 {
			buf = make([]byte, 2*len(buf))
			continue
		}
		if errno == unix.ENOENT {
			return 0, answer.Answer[userns.Mapping]{}, errno
		}
		if errno != 0 {
			return 0, answer.Answer[userns.Mapping]{}, fmt.Errorf("%w: statmount: %w", ErrNotSupported, errno)
		}
		break
	}
	mask := binary.NativeEndian.Uint64(buf[atMask:])
	old := int(binary.NativeEndian.Uint32(buf[atIDOld:]))
	if binary.NativeEndian.Uint64(buf[atAttr:])&unix.MOUNT_ATTR_IDMAP == 0 {
		return old, answer.Absent[userns.Mapping](), nil
	}
	if mask&statmountUIDMap == 0 || mask&statmountGIDMap == 0 {
		return old, answer.Unknown[userns.Mapping](errNotShown), nil
	}
	var m userns.Mapping
	var err error
	if m.UID, err = extents(buf, atUIDMap); err == nil {
		m.GID, err = extents(buf, atGIDMap)
	}
	if err != nil {
		return old, answer.Unknown[userns.Mapping](err), nil
	}
	return old, answer.Found(m), nil
}

// extents reads a map: strings that end in a zero byte, one for each extent.
func extents(buf []byte, at int) (userns.Map, error) {
	n, off := binary.NativeEndian.Uint32(buf[at:]), binary.NativeEndian.Uint32(buf[at+4:])
	if n == 0 || int(n) > userns.MaxExtents || int(off) > len(buf)-atStrings {
		return userns.Map{}, errNotShown
	}
	parts := bytes.SplitN(buf[atStrings+int(off):], []byte{0}, int(n)+1)
	if len(parts) <= int(n) {
		return userns.Map{}, errNotShown
	}
	return userns.ParseMap("statmount", bytes.Join(parts[:n], []byte("\n")))
}
