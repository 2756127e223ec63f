package accounts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// The real getent finds a user of /etc/passwd exactly where nsswitch.conf names
// "files", or nothing, as we read it.
func TestGetentReadsNsswitch(t *testing.T) {
	for _, suite := range hosttest.DebianSuites {
		t.Run(suite, func(t *testing.T) {
			root := hosttest.Debian(t, suite)
			for _, conf := range []string{
				"passwd: files\n", "passwd: x\n", "passwd x\n", "passwd\tx\n", "passwd : x\n", "passwd:: x\n", " passwd:\vx\n", "passwd:x\r\n",
				"passwd: x # files\n", "passwd: x #files\n", "#passwd: x\n", "passwd:\n#\npasswd: x\n", "passwd: files\npasswd: x\n", "passwd: x\npasswd files\n",
				"passwd: x [UNAVAIL=continue] files\n", "passwd: x[NOTFOUND=continue]files\n", "passwd: FILES\n", "PASSWD: x\n", "passwd2: x\n", "passwd x: files\n",
			} {
				require.NoError(t, os.WriteFile(filepath.Join(root, "etc/nsswitch.conf"), []byte(conf), 0o644))
				err := exec.Command("chroot", root, "getent", "passwd", "alice").Run()
				list, sourcesErr := sources(usernskit.Host{Root: root}, "passwd")
				require.NoError(t, sourcesErr)
				assert.Equal(t, err == nil, len(list) == 0 || slices.Contains(list, "files"), "%q: %v, %q", conf, err, list)
			}
		})
	}
}

// The real getsubids tries to open the plug-in that we say it does.
func TestGetsubidsPlugin(t *testing.T) {
	for _, suite := range hosttest.DebianSuites {
		t.Run(suite, func(t *testing.T) {
			root := hosttest.Debian(t, suite)
			for conf, want := range map[string]string{
				"subid: sss\n": "sss", "subid:sss\n": "sss", "SubID:\tsss files\n": "sss", "subid: files sss\n": "", "subid: FILES\n": "FILES",
				" subid: sss\n": "", "subid : sss\n": "", "subid sss\n": "", "#subid: sss\n": "", "subid: \nsubid: sss\n": "sss",
				"subid: sss\nsubid: files\n": "sss", "subid: files\nsubid: sss\n": "", "subid: [x=y] sss\n": "[x=y]", "subid: # none\n": "#",
			} {
				require.NoError(t, os.WriteFile(filepath.Join(root, "etc/nsswitch.conf"), []byte("passwd: files\n"+conf), 0o644))
				got, err := SubIDPlugin(usernskit.Host{Root: root})
				require.NoError(t, err)
				assert.Equal(t, want, got, "%q", conf)
				out, _ := exec.Command("chroot", root, "getsubids", "alice").CombinedOutput()
				opens := regexp.MustCompile(`Error opening libsubid_(.*?)\.so: `).FindStringSubmatch(string(out))
				assert.Equal(t, want != "", opens != nil, "%q: %s", conf, out)
				if opens != nil {
					assert.Equal(t, want, opens[1], "%q", conf)
				}
			}
		})
	}
}
