package shift

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/usernskit/usernskit/userns"
)

// A translation moves IDs from one mapping to another. The mappings have no host
// ID in common, so translating twice is the same as translating once.
type translation struct{ from, to userns.Mapping }

// A place says in which of the two ranges an ID is.
type place int

const (
	outside place = iota
	inOld
	inNew
)

func (t translation) uid(id uint32) (uint32, place) { return moved(id, t.from.UID, t.to.UID) }

func (t translation) gid(id uint32) (uint32, place) { return moved(id, t.from.GID, t.to.GID) }

func moved(id uint32, from, to userns.Map) (uint32, place) {
	if inside, ok := from.ToContainer(id); ok {
		if host, ok := to.ToHost(inside); ok {
			return host, inOld
		}
	}
	if _, ok := to.ToContainer(id); ok {
		return id, inNew
	}
	return id, outside
}

var (
	errACL = errors.New("an access control list in a form that is not known here")
	errCap = errors.New("file capabilities in a form that is not known here")
)

const (
	capName = "security.capability"
	aclName = "system.posix_acl_"
)

// attribute translates the IDs in the value of an extended attribute. taken reports
// whether it has one of the new range already.
func (t translation) attribute(name string, value []byte) (out []byte, taken bool, err error) {
	switch {
	case name == capName:
		return t.capability(value)
	case strings.HasPrefix(name, aclName):
		return t.acl(value)
	}
	return value, false, nil
}

// acl translates the IDs in an access control list, the value of the attribute
// system.posix_acl_access or _default (include/uapi/linux/posix_acl_xattr.h): a
// version of 4 bytes, and entries of tag, permissions and ID.
func (t translation) acl(value []byte) (out []byte, taken bool, err error) {
	const version, head, size, user, group = 2, 4, 8, 0x02, 0x08
	if len(value) < head || (len(value)-head)%size != 0 || binary.LittleEndian.Uint32(value) != version {
		return nil, false, errACL
	}
	out = bytes.Clone(value)
	for at := head; at < len(out); at += size {
		id := binary.LittleEndian.Uint32(out[at+4:])
		where := outside
		switch binary.LittleEndian.Uint16(out[at:]) {
		case user:
			id, where = t.uid(id)
		case group:
			id, where = t.gid(id)
		}
		if where == inOld {
			binary.LittleEndian.PutUint32(out[at+4:], id)
		}
		taken = taken || where == inNew
	}
	return out, taken, nil
}

// File capabilities, include/uapi/linux/capability.h: version 2 belongs to the
// host's root, version 3 to the root user that its last 4 bytes name.
const (
	capRevision  = 0xff000000
	capRevision2 = 0x02000000
	capRevision3 = 0x03000000
	capSize2     = 20
	capSize3     = 24
)

// capability translates the value of security.capability, as the kernel does for
// an idmapped mount.
func (t translation) capability(value []byte) (out []byte, taken bool, err error) {
	if len(value) != capSize2 && len(value) != capSize3 {
		return nil, false, errCap
	}
	magic, root := binary.LittleEndian.Uint32(value), uint32(0)
	switch {
	case magic&capRevision == capRevision2 && len(value) == capSize2:
	case magic&capRevision == capRevision3 && len(value) == capSize3:
		root = binary.LittleEndian.Uint32(value[capSize2:])
	default:
		return nil, false, errCap
	}
	root, where := t.uid(root)
	if where != inOld {
		return value, where == inNew, nil
	}
	out = bytes.Clone(value[:capSize2])
	if root == 0 {
		binary.LittleEndian.PutUint32(out, magic&^capRevision|capRevision2)
		return out, false, nil
	}
	binary.LittleEndian.PutUint32(out, magic&^capRevision|capRevision3)
	return binary.LittleEndian.AppendUint32(out, root), false, nil
}
