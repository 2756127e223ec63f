package accounts

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// The real getent asks nss-systemd here, which serves the user records of
// /etc/userdb: accounts that are not in /etc/passwd.
func TestRealGetent(t *testing.T) {
	if !hosttest.Private(t, "getent") {
		return
	}
	modules, err := filepath.Glob("/lib*/*/libnss_systemd.so.2")
	require.NoError(t, err)
	if len(modules) == 0 {
		t.Skip("needs libnss-systemd")
	}
	require.NoError(t, os.MkdirAll("/etc/userdb", 0o755))
	require.NoError(t, os.WriteFile("/etc/userdb/jdoe.user", []byte(`{"userName":"jdoe","uid":222586300,"gid":222586300}`), 0o644))
	require.NoError(t, os.Symlink("jdoe.user", "/etc/userdb/222586300.user"))
	require.NoError(t, os.WriteFile("/etc/nsswitch.conf", []byte("passwd: files systemd\ngroup: files\n"), 0o644))

	out, err := exec.Command("getent", "passwd", "jdoe").CombinedOutput()
	require.NoError(t, err, "nss-systemd serves /etc/userdb: %s", out)
	l := New(usernskit.Host{})
	jdoe := "{jdoe 222586300 222586300  0 []}"
	assert.Equal(t, jdoe, l.ByName(t.Context(), Passwd, "jdoe").String())
	assert.Equal(t, jdoe, l.ByID(t.Context(), Passwd, 222586300).String())
	assert.Equal(t, "absent", l.ByName(t.Context(), Passwd, "no-such-user").String(), "exit code 2")
	assert.Equal(t, "absent", l.ByID(t.Context(), Passwd, 222586301).String())
	assert.Equal(t, "absent", l.ByName(t.Context(), Group, "jdoe").String(), "by the file alone")
	root, ok, err := l.ByID(t.Context(), Passwd, 0).Get()
	assert.NoError(t, err)
	assert.True(t, ok)
	assert.Equal(t, "/etc/passwd", root.File)

	l = New(usernskit.Host{})
	l.Ask(t.Context(), Passwd, "gone", "jdoe", "222586300", "222586301")
	assert.Len(t, l.dbs[Passwd].asked, 4, "several keys in one getent")
	assert.Equal(t, "absent", l.ByName(t.Context(), Passwd, "gone").String())
	assert.Equal(t, jdoe, l.ByID(t.Context(), Passwd, 222586300).String())

	require.NoError(t, os.Rename("/etc/passwd", "/etc/passwd.away"))
	_, _, err = New(usernskit.Host{}).ByName(t.Context(), Passwd, "no-such-user").Get()
	assert.ErrorIs(t, err, os.ErrNotExist, "a host without /etc/passwd tells nothing")
}
