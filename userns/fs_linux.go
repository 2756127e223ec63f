package userns

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

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

// mapping reads both maps. They are of one namespace even if the process moves
// to another one meanwhile: then they are read again.
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
		// A process only ever moves to a descendant of its user namespace, at
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
	// This /proc may show a PID namespace above our own, as the host's does when
	// mounted into a container. Its first process tells; ours tells too when it
	// is in the topmost one.
	if v.PIDNS != InitialPIDNS {
		if first, err := f.open("1"); err == nil {
			if ns, err := first.namespace("pid"); err == nil {
				v.PIDNS = ns
			}
			first.close()
		}
	}
	// Nothing is hidden from root as a rule, and the mounts of a host with many
	// containers take longer to read than its processes.
	status, noStatus := self.read("status", nil)
	if noStatus == nil && seesAll(status) {
		return v, nil
	}
	mounts, err := self.read("mountinfo", nil)
	if err != nil {
		return View{}, err
	}
	options := f.mountOptions(mounts)
	if options["hidepid"] != "" {
		if noStatus != nil {
			return View{}, noStatus
		}
		v.HidePID = hiding(options, status)
	}
	return v, nil
}

// mountOptions returns the options of the proc file system that f is.
func (f FS) mountOptions(data []byte) map[string]string {
	root, err := filepath.Abs(f.root())
	if err != nil {
		return nil
	}
	infos, err := mountinfo.GetMountsFromReader(bytes.NewReader(data), mountinfo.FSTypeFilter("proc"))
	if err != nil {
		return nil
	}
	options := map[string]string{}
	exact := false
	for _, info := range infos {
		// Of several mounts on one place the last is on top. A tree that is no
		// mount, a copy for tests, goes by the options of its own /proc.
		if at := info.Mountpoint == root; at || info.Mountpoint == "/proc" && !exact {
			exact = exact || at
			clear(options)
			for o := range strings.SplitSeq(info.VFSOptions, ",") {
				name, value, _ := strings.Cut(o, "=")
				options[name] = value
			}
		}
	}
	return options
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

// hiding returns the value of hidepid where it hides processes from the reader
// with this status, who lacks CAP_SYS_PTRACE.
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
	for _, g := range append(p.Groups, p.GID[3]) {
		if g == uint32(gid) {
			return ""
		}
	}
	return value
}
