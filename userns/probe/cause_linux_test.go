package probe

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/userns"
)

func TestARefusalIsExplainedByItsCircumstances(t *testing.T) {
	var many []userns.Extent
	for i := range uint32(6) {
		many = append(many, userns.Extent{ID: i * 2, HostID: i * 2, Count: 1})
	}
	six, err := userns.NewMap(many...)
	require.NoError(t, err)
	const create = "create the namespace"
	on := func(c circumstances) circumstances { c.compiledIn = true; return c }
	for _, c := range []struct {
		step          string
		errno         syscall.Errno
		c             circumstances
		cause, remedy string // parts; "": none at all
	}{
		{create, syscall.ENOSPC, on(circumstances{root: true, maxUserNS: "0"}), "max_user_namespaces is 0", "sysctl -w"},
		{create, syscall.EUSERS, on(circumstances{maxUserNS: "0"}), "max_user_namespaces is 0", "sysctl -w"},
		{create, syscall.ENOSPC, on(circumstances{root: true, maxUserNS: "12"}), "is 12 and used up", "sysctl -w"},
		{create, syscall.ENOSPC, on(circumstances{root: true}), "is not known and used up", "sysctl -w"},
		{create, syscall.EINVAL, circumstances{root: true}, "CONFIG_USER_NS", "boot a kernel"},
		{create, syscall.EINVAL, on(circumstances{root: true}), "as RHEL 7 does", "user_namespace.enable=1"},
		{create, syscall.EPERM, on(circumstances{root: true}), "a chroot", ""},
		{create, syscall.EPERM, on(circumstances{}), "needs root", "as root"},
		{"write uid_map", syscall.EPERM, on(circumstances{}), "only root", "as root"},
		{"write gid_map", syscall.EPERM, on(circumstances{root: true}), "may not give out all", "all capabilities"},
		{"write uid_map", syscall.EINVAL, on(circumstances{root: true}), "fewer than 6 ranges", "fewer"},
		{"write gid_map", syscall.EINVAL, on(circumstances{root: true}), "", ""},
		{"start a process", syscall.EPERM, on(circumstances{root: true}), "yama", ""},
		{"become a user of the namespace", syscall.EACCES, on(circumstances{root: true}), "may execute", "executable for all"},
		{create, syscall.EIO, on(circumstances{root: true}), "", ""},
	} {
		cause, remedy := explain(c.step, c.errno, userns.Mapping{UID: six}, c.c)
		assert.Contains(t, cause, c.cause, "%s: %v", c.step, c.errno)
		assert.Equal(t, c.cause == "", cause == "", cause)
		assert.Contains(t, remedy, c.remedy, "%s: %v", c.step, c.errno)
		assert.Equal(t, c.remedy == "", remedy == "", remedy)
	}
}
