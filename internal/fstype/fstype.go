// Package fstype has the table of how file systems treat user namespaces:
// whether a server decides about access, and whether a mount can be idmapped.
package fstype

import (
	"errors"
	"strings"

	"github.com/usernskit/usernskit/internal/answer"
)

// A fact is what is known of one type of file system.
type fact struct {
	remote bool
	// idmap is the first Linux whose mounts of this type can be idmapped;
	// never where no Linux can, depends where a server or driver decides.
	idmap string
}

const (
	never   = "never"
	depends = "depends"
)

// table has the types as mountinfo names them. Mounts of a type can be idmapped
// if its fs_flags in the kernel have FS_ALLOW_IDMAP; mount_setattr(2) returns
// EINVAL for the others.
var table = map[string]fact{
	"nfs": {true, never}, "nfs4": {true, never}, "cifs": {true, never}, "smb3": {true, never}, "smbfs": {true, never},
	"9p": {true, never}, "afs": {true, never}, "gpfs": {true, never}, "glusterfs": {true, never}, "lustre": {true, never},
	"beegfs": {true, never}, "ocfs2": {true, never}, "gfs2": {true, never}, "orangefs": {true, never},
	"vboxsf": {true, never}, "vmhgfs": {true, never}, "prl_fs": {true, never},
	"ceph": {true, "6.7"}, "fuse": {true, depends}, "virtiofs": {true, depends},

	"ext4": {false, "5.12"}, "xfs": {false, "5.12"}, "vfat": {false, "5.12"}, "msdos": {false, "5.12"},
	"btrfs": {false, "5.15"}, "ntfs3": {false, "5.15"}, "f2fs": {false, "5.18"}, "erofs": {false, "5.19"},
	"squashfs": {false, "6.2"}, "tmpfs": {false, "6.3"}, "hugetlbfs": {false, "6.9"},
	"zfs": {false, depends}, "bcachefs": {false, depends}, "fuseblk": {false, depends},

	"overlay": {false, never}, "proc": {false, never}, "sysfs": {false, never}, "cgroup": {false, never},
	"cgroup2": {false, never}, "devtmpfs": {false, never}, "devpts": {false, never}, "mqueue": {false, never},
	"securityfs": {false, never}, "debugfs": {false, never}, "tracefs": {false, never}, "bpf": {false, never},
	"ext2": {false, never}, "ext3": {false, never}, "iso9660": {false, never}, "exfat": {false, never},
	"ecryptfs": {false, never}, "aufs": {false, never}, "nilfs2": {false, never}, "jfs": {false, never},
}

func lookup(fstype string) (fact, bool) {
	if strings.HasPrefix(fstype, "fuse.") {
		fstype = "fuse"
	}
	f, ok := table[fstype]
	return f, ok
}

// Remote reports whether a server or program that does not know user namespaces
// decides about access on a file system of that type.
func Remote(fstype string) bool {
	f, _ := lookup(fstype)
	return f.remote
}

// errDepends and errNotListed are why Idmap cannot tell.
var (
	errDepends   = errors.New("its server or driver decides whether a mount can be idmapped")
	errNotListed = errors.New("not a file system that is known here")
)

// Idmap returns the first Linux version, as in "5.12", that can idmap mounts of
// that type.
func Idmap(fstype string) answer.Answer[string] {
	f, ok := lookup(fstype)
	switch {
	case !ok:
		return answer.Unknown[string](errNotListed)
	case f.idmap == depends:
		return answer.Unknown[string](errDepends)
	case f.idmap == never:
		return answer.Absent[string]()
	}
	return answer.Found(f.idmap)
}
