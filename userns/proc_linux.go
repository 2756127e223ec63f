package userns

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit"
)

// maxProcFile bounds every file read below /proc, in bytes. The longest in
// practice is the status of a process in 65536 groups.
const maxProcFile = 1 << 20

// A procDir is an open /proc/PID. After the process has ended, every access
// fails with ESRCH or ENOENT, and never reaches another process with the same
// PID.
//
// It holds the kernel's struct pid, as a pidfd does, and also works on old
// kernels and with a /proc of another PID namespace. PIDFD_GET_INFO (Linux
// 6.13) lacks groups, name and NSpid, so status would be read anyway.
type procDir struct {
	fd   int
	name string // for errors
}

func (f FS) root() string {
	if f.Root == "" {
		return "/proc"
	}
	return f.Root
}

func (f FS) open(name string) (procDir, error) {
	path := f.root() + "/" + name
	return openDir(unix.AT_FDCWD, path, path)
}

// dir opens a directory below d.
func (d procDir) dir(name string) (procDir, error) { return openDir(d.fd, name, d.name+"/"+name) }

func openDir(at int, path, name string) (procDir, error) {
	fd, err := unix.Openat(at, path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return procDir{}, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return procDir{fd, name}, nil
}

func (d procDir) close() { unix.Close(d.fd) }

// A procFile is a file of a process, open for reading until close. An [os.File]
// would cost two more system calls.
type procFile struct {
	fd   int
	name string // for errors
}

func (f *procFile) close() { unix.Close(f.fd) }

// file opens a file of the process for reading.
func (d procDir) file(name string) (*procFile, error) {
	path := d.name + "/" + name
	fd, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		// uid_map and gid_map of a process that is being reaped give EINVAL
		// (proc_id_map_open in the kernel's fs/proc/base.c).
		if err == unix.EINVAL && !d.alive() {
			err = unix.ESRCH
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &procFile{fd, path}, nil
}

// names lists a directory of the process.
func (d procDir) names(name string) ([]string, error) {
	f, err := d.file(name)
	if err != nil {
		return nil, err
	}
	list := os.NewFile(uintptr(f.fd), f.name)
	defer list.Close()
	return list.Readdirnames(-1)
}

// read reads a file of the process. A file that the kernel does not have is
// empty.
func (d procDir) read(name string, buf []byte) ([]byte, error) {
	f, err := d.file(name)
	if err != nil {
		if errors.Is(err, unix.ENOENT) && name != "status" && d.alive() {
			return nil, nil
		}
		return nil, err
	}
	defer f.close()
	return f.read(buf)
}

// read reads f from its beginning, into buf if it is large enough.
func (f *procFile) read(buf []byte) ([]byte, error) {
	buf = buf[:cap(buf)]
	if len(buf) == 0 {
		buf = make([]byte, 4096)
	}
	n := 0
	for {
		if n == len(buf) {
			if n >= maxProcFile {
				return nil, &fs.PathError{Op: "read", Path: f.name, Err: usernskit.ErrTooLarge}
			}
			buf = append(buf, make([]byte, len(buf))...)
		}
		// At an offset, so that an open file can be read again.
		m, err := unix.Pread(f.fd, buf[n:], int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: f.name, Err: err}
		case m == 0:
			return buf[:n], nil
		default:
			n += m
		}
	}
}

// alive reports whether the process of d still exists, perhaps as a zombie.
func (d procDir) alive() bool {
	var st unix.Stat_t
	return unix.Fstatat(d.fd, "status", &st, 0) == nil
}

// readlink reads a link into buf.
func (d procDir) readlink(name string, buf []byte) ([]byte, error) {
	n, err := unix.Readlinkat(d.fd, name, buf)
	return buf[:max(n, 0)], err
}

// namespace returns the inode of a namespace link, as in "user:[4026531837]".
func (d procDir) namespace(kind string) (uint64, error) {
	var buf [64]byte
	link, err := d.readlink("ns/"+kind, buf[:])
	if err != nil {
		return 0, &fs.PathError{Op: "readlink", Path: d.name + "/ns/" + kind, Err: err}
	}
	return parseNamespace(kind, string(link))
}

func parseNamespace(kind, link string) (uint64, error) {
	inode, ok := strings.CutPrefix(link, kind+":[")
	if ok {
		inode, ok = strings.CutSuffix(inode, "]")
	}
	n, err := strconv.ParseUint(inode, 10, 64)
	if !ok || err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a link to a %s namespace", link, kind)
	}
	return n, nil
}

// isGone reports whether err says that the process has ended.
func isGone(err error) bool { return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) }

// isDenied reports whether err is a lack of permission.
func isDenied(err error) bool { return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) }

func (f FS) mapping(pid int) (Mapping, error) {
	dir, err := f.open(strconv.Itoa(pid))
	if err != nil {
		return Mapping{}, err
	}
	defer dir.close()
	m, err := dir.mapping()
	if isGone(err) && !errors.Is(err, fs.ErrNotExist) { // ESRCH says the same
		err = &fs.PathError{Op: "read", Path: dir.name, Err: fs.ErrNotExist}
	}
	return m, err
}

// mapping reads both maps, and reads them again if the process moved to another
// namespace in between.
func (d procDir) mapping() (Mapping, error) {
	for {
		before, noLink := d.namespace("user")
		s, err := d.openSpace()
		if err != nil {
			return Mapping{}, err
		}
		m, err := s.read(nil)
		s.close()
		if noLink != nil {
			return m, err
		}
		// A process can only move to a descendant of its user namespace, at
		// most 32 levels down, so this ends.
		after, gone := d.namespace("user")
		if gone != nil {
			return Mapping{}, gone
		}
		if before == after {
			return m, err
		}
	}
}

func (f FS) view() (View, error) {
	self, err := f.open("self")
	if err != nil {
		return View{}, err
	}
	defer self.close()
	var v View
	// What cannot be read stays 0, "not known".
	v.UserNS, _ = self.namespace("user")
	v.PIDNS, _ = self.namespace("pid")
	// This /proc may show a PID namespace above our own, as the host's does
	// when mounted into a container. Its first process is in that namespace.
	// There is none above the initial one.
	if v.PIDNS != InitialPIDNS {
		if first, err := f.open("1"); err == nil {
			if ns, err := first.namespace("pid"); err == nil {
				v.PIDNS = ns
			}
			first.close()
		}
	}
	// Usually nothing is hidden from root, and the mounts of a host with many
	// containers take longer to read than its processes.
	status, noStatus := self.read("status", nil)
	if noStatus == nil && seesAll(status) {
		return v, nil
	}
	mounts, err := self.read("mountinfo", nil)
	if err != nil {
		return View{}, err
	}
	options, err := f.mountOptions(mounts)
	if err != nil {
		return View{}, err
	}
	if options["hidepid"] != "" {
		if noStatus != nil {
			return View{}, noStatus
		}
		v.HidePID = hiding(options, status)
	}
	return v, nil
}

// mountOptions returns the options of the proc mount that f reads.
func (f FS) mountOptions(data []byte) (map[string]string, error) {
	root, err := filepath.EvalSymlinks(f.root())
	if err == nil {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return nil, err
	}
	infos, err := mountinfo.GetMountsFromReader(bytes.NewReader(data), mountinfo.FSTypeFilter("proc"))
	if err != nil {
		return nil, err
	}
	options := map[string]string{}
	exact := false
	for _, info := range infos {
		// Of several mounts on one place the last is on top. A root that is not
		// a mount point gets the options of /proc.
		if at := info.Mountpoint == root; at || info.Mountpoint == "/proc" && !exact {
			exact = exact || at
			clear(options)
			for o := range strings.SplitSeq(info.VFSOptions, ",") {
				name, value, _ := strings.Cut(o, "=")
				options[name] = value
			}
		}
	}
	return options, nil
}

// capSysPtrace is the bit of CAP_SYS_PTRACE, which lifts hidepid
// (fs/proc/base.c, has_pid_permissions).
const capSysPtrace = 19

// seesAll reports whether hidepid hides nothing from the reader with this
// status.
func seesAll(status []byte) bool {
	for line := range bytes.Lines(status) {
		if caps, ok := bytes.CutPrefix(line, []byte("CapEff:")); ok {
			bits, err := strconv.ParseUint(string(bytes.TrimSpace(caps)), 16, 64)
			return err == nil && bits>>capSysPtrace&1 == 1
		}
	}
	return false
}

// hiding returns hidepid if it hides processes from a reader with this status,
// who lacks CAP_SYS_PTRACE.
func hiding(options map[string]string, status []byte) string {
	value := options["hidepid"]
	if value == "off" || value == "0" {
		return ""
	}
	var p Process
	if parseStatus(status, &p) != nil || value == "ptraceable" || value == "4" {
		return value
	}
	gid, err := strconv.ParseUint(options["gid"], 10, 32)
	if err != nil { // without gid= the group is root's
		gid = 0
	}
	if slices.Contains(append(p.Groups, p.GID[3]), uint32(gid)) {
		return ""
	}
	return value
}

// A space is a user namespace, held by the two open maps of one of its
// processes. While they are open, its inode number is not reused.
type space struct {
	uid, gid *procFile // nil: the kernel has no such file
	mapping  Mapping
	final    bool // both maps are written and cannot change
	kept     bool // a scan keeps it open for the next process
}

func (d procDir) openSpace() (*space, error) {
	s := &space{}
	var err error
	if s.uid, err = d.mapFile("uid_map"); err == nil {
		s.gid, err = d.mapFile("gid_map")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (d procDir) mapFile(name string) (*procFile, error) {
	f, err := d.file(name)
	if errors.Is(err, unix.ENOENT) && d.alive() {
		return nil, nil
	}
	return f, err
}

// release closes s unless it is kept. s may be nil.
func (s *space) release() {
	if s != nil && !s.kept {
		s.close()
	}
}

func (s *space) close() {
	for _, f := range []*procFile{s.uid, s.gid} {
		if f != nil {
			f.close()
		}
	}
}

// read returns the maps, and reads them again until both are written.
func (s *space) read(buf []byte) (Mapping, error) {
	if s.final {
		return s.mapping, nil
	}
	var m Mapping
	var err error
	if m.UID, err = s.uid.readMap(buf); err == nil {
		m.GID, err = s.gid.readMap(buf)
	}
	if err != nil {
		return Mapping{}, err
	}
	s.mapping, s.final = m, !m.UID.IsZero() && !m.GID.IsZero()
	return m, nil
}

// readMap reads a map. A nil f has the zero Map.
func (f *procFile) readMap(buf []byte) (Map, error) {
	if f == nil {
		return Map{}, nil
	}
	data, err := f.read(buf)
	if err != nil {
		return Map{}, err
	}
	return ParseMap(f.name, data)
}

// SysProcIDMap returns the map for UidMappings or GidMappings of
// [syscall.SysProcAttr], to start a program in a namespace with this map.
func (m Map) SysProcIDMap() []syscall.SysProcIDMap {
	var out []syscall.SysProcIDMap
	for _, e := range m.Extents() {
		out = append(out, syscall.SysProcIDMap{ContainerID: int(e.ID), HostID: int(e.HostID), Size: int(e.Count)})
	}
	return out
}
