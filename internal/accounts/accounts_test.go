package accounts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// exit is the error of a program that ran and failed.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }
func (e exit) ExitCode() int { return int(e) }

// directory is a getent that knows one user which it does not list.
func directory(argv []string) ([]byte, error) {
	if len(argv) == 2 {
		return []byte("root:x:0:0::/:\n"), nil
	}
	var out strings.Builder
	var err error
	for _, key := range argv[2:] {
		switch strings.ToLower(key) {
		case "jdoe", "222586300":
			out.WriteString("jdoe:*:222586300:222586300::/:\n")
		default:
			err = exit(2)
		}
	}
	return []byte(out.String()), err
}

func tree(t *testing.T, text string, getent func(argv []string) ([]byte, error)) (h usernskit.Host, calls *[]string) {
	h = hosttest.Tree(t, text)
	calls = &[]string{}
	h.Run = func(_ context.Context, argv ...string) ([]byte, error) {
		*calls = append(*calls, strings.Join(argv, " "))
		if getent == nil {
			return nil, errors.New("no such program")
		}
		return getent(argv)
	}
	return h, calls
}

const files = `-- etc/passwd --
root:x:0:0::/:
# comment:x:5:5::/:
alice:x:1000:1001::/:
 bob:x:+01002:1002::/:
toor:x:0:0::/:
+nis
broken:x:abc:1::/:
large:x:4294967295:1::/:
-- etc/group --
root:x:0:
docker:x:998:alice,bob
`

func TestLookup(t *testing.T) {
	h, calls := tree(t, files, nil)
	l := New(h)
	name := func(db DB, name string) string { return l.ByName(t.Context(), db, name).String() }
	id := func(db DB, n uint32) string { return l.ByID(t.Context(), db, n).String() }
	assert.Equal(t, "{alice 1000 1001 /etc/passwd 3 []}", name(Passwd, "alice"))
	assert.Equal(t, "{bob 1002 1002 /etc/passwd 4 []}", id(Passwd, 1002), "numbers as the C library reads them")
	assert.Equal(t, "{root 0 0 /etc/passwd 1 []}", id(Passwd, 0), "the first of two")
	assert.Equal(t, "{docker 998 0 /etc/group 2 [alice bob]}", id(Group, 998))
	for _, missing := range []string{"", "carol", "# comment", "+nis", "broken", "large", "a:b", "-x", "1000"} {
		assert.Equal(t, "absent", name(Passwd, missing), missing)
	}
	assert.Equal(t, "absent", id(Passwd, 7))
	list, gap := l.All(t.Context(), Passwd)
	assert.Len(t, list, 4)
	assert.NoError(t, gap)
	assert.Empty(t, *calls, "no program is run where the files are all there is")
	assert.Equal(t, "DB(7)", DB(7).String())
}

func TestSources(t *testing.T) {
	for _, c := range []struct{ name, conf, want string }{
		{"none", "group: files\n", ""},
		{"plain", "passwd: files sss\n", "files,sss"},
		{"actions", "passwd:\tfiles [NOTFOUND=return UNAVAIL=continue] sss [x] ldap\n", "files,sss,ldap"},
		{"the last line counts", "passwd: sss\n passwd : files\n", "files"},
		{"unclosed action", "passwd: files [x sss\n", "files"},
		{"no colon", "passwd files sss\n", "files,sss"},
		{"a comment after the sources is none", "passwd: files # was: sss\n", "files,#,was:,sss"},
		{"comments", "#passwd: sss\n # passwd: sss\n", ""},
		{"another database", "passwd_compat: sss\npasswd2: sss\nPASSWD: sss\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := sources(hosttest.Tree(t, "-- etc/nsswitch.conf --\n"+c.conf), "passwd")
			require.NoError(t, err)
			assert.Equal(t, c.want, strings.Join(list, ","))
		})
	}
	list, err := sources(hosttest.Tree(t, files), "passwd")
	assert.Empty(t, list)
	assert.NoError(t, err)
}

func TestNotListedIsNotAbsent(t *testing.T) {
	h, calls := tree(t, files+"-- etc/nsswitch.conf --\npasswd: files sss\n", directory)
	l := New(h)
	jdoe := "{jdoe 222586300 222586300  0 []}"
	assert.Equal(t, jdoe, l.ByName(t.Context(), Passwd, "jdoe").String())
	assert.Equal(t, jdoe, l.ByID(t.Context(), Passwd, 222586300).String())
	assert.Equal(t, "absent", l.ByName(t.Context(), Passwd, "carol").String())
	assert.ErrorContains(t, whyNot(l.ByName(t.Context(), Passwd, "12345")), "getent cannot ask", "it would look for the number")
	assert.ErrorContains(t, whyNot(l.ByName(t.Context(), Passwd, "-x")), "getent cannot ask")
	list, gap := l.All(t.Context(), Passwd)
	assert.Len(t, list, 4)
	assert.ErrorContains(t, gap, "/etc/nsswitch.conf takes the passwd database from sss too, and getent lists none of theirs")
	before := len(*calls)
	l.ByName(t.Context(), Passwd, "jdoe")
	l.All(t.Context(), Passwd)
	assert.Len(t, *calls, before, "answers are remembered")
}

func whyNot[T any](a interface{ Get() (T, bool, error) }) error {
	_, _, err := a.Get()
	return err
}

func TestCannotTell(t *testing.T) {
	sss := files + "-- etc/nsswitch.conf --\npasswd: files sss\ngroup: files sss\n"
	failing := func(err error) func([]string) ([]byte, error) {
		return func([]string) ([]byte, error) { return nil, err }
	}
	for _, c := range []struct {
		name, tree, why string
		getent          func([]string) ([]byte, error)
	}{
		{"getent fails", sss, "exit status 1", failing(exit(1))},
		{"getent is killed", sss, "signal: killed", failing(errors.New("signal: killed"))},
		{"there is no getent", sss, "no such program", nil},
		{"getent prints nonsense", sss, "cannot read its answer", failing(nil)},
		{"a tree without passwd", "-- etc/group --\nroot:x:0:\n", "no such file", nil},
		{"a tree without programs", sss, "not the running host", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := tree(t, c.tree, c.getent)
			if strings.Contains(c.name, "without programs") {
				h.Run = nil
			}
			l := New(h)
			assert.ErrorContains(t, whyNot(l.ByName(t.Context(), Passwd, "carol")), c.why)
			assert.ErrorContains(t, whyNot(l.ByID(t.Context(), Passwd, 7)), c.why)
			if !strings.Contains(c.why, "its answer") {
				_, gap := l.All(t.Context(), Passwd)
				assert.ErrorContains(t, gap, c.why)
			}
		})
	}
	t.Run("what the file holds is found all the same", func(t *testing.T) {
		h, _ := tree(t, sss, nil)
		_, ok, err := New(h).ByName(t.Context(), Passwd, "alice").Get()
		assert.True(t, ok)
		assert.NoError(t, err)
	})
	t.Run("an unreadable nsswitch.conf", func(t *testing.T) {
		h, _ := tree(t, files+"-- etc/nsswitch.conf/x --\n", nil) // a directory
		assert.Error(t, whyNot(New(h).ByName(t.Context(), Passwd, "carol")))
	})
	t.Run("an entry of NIS", func(t *testing.T) {
		h, _ := tree(t, files+"-- etc/nsswitch.conf --\npasswd: compat\n", nil)
		assert.ErrorContains(t, whyNot(New(h).ByName(t.Context(), Passwd, "carol")), "compat")
	})
}

func TestAltfiles(t *testing.T) {
	h, calls := tree(t, files+"-- etc/nsswitch.conf --\npasswd: files altfiles systemd\n-- usr/lib/passwd --\ncore:x:500:500::/:\n", nil)
	l := New(h)
	assert.Equal(t, "{core 500 500 /usr/lib/passwd 1 []}", l.ByID(t.Context(), Passwd, 500).String())
	assert.Equal(t, "absent", l.ByName(t.Context(), Passwd, "carol").String(), "systemd has no accounts in a tree")
	assert.Empty(t, *calls)
}

func TestAsk(t *testing.T) {
	h, calls := tree(t, files+"-- etc/nsswitch.conf --\npasswd: files sss\n", directory)
	keys := []string{"alice", "jdoe", "222586300", "-x", "a:b", ""}
	for i := range 600 {
		keys = append(keys, fmt.Sprintf("gone%d", i))
	}
	l := New(h)
	l.Ask(t.Context(), Passwd, keys...)
	assert.Len(t, *calls, 3, "602 keys in three programs")
	assert.NotContains(t, (*calls)[0], "alice", "the file has it")
	_, ok, err := l.ByID(t.Context(), Passwd, 222586300).Get()
	assert.True(t, ok)
	assert.NoError(t, err)
	assert.Equal(t, "absent", l.ByName(t.Context(), Passwd, "gone599").String())
	assert.Len(t, *calls, 3)

	t.Run("a directory that ignores case", func(t *testing.T) {
		l := New(h)
		l.Ask(t.Context(), Passwd, "JDOE", "jdoe")
		before := len(*calls)
		for _, name := range []string{"JDOE", "jdoe"} {
			_, ok, _ := l.ByName(t.Context(), Passwd, name).Get()
			assert.True(t, ok, name)
		}
		assert.Len(t, *calls, before, "nothing was missing")
		l = New(h)
		l.Ask(t.Context(), Passwd, "JDOE", "gone", "jdoe")
		for name, want := range map[string]bool{"JDOE": true, "gone": false, "jdoe": true} {
			_, ok, err := l.ByName(t.Context(), Passwd, name).Get()
			assert.NoError(t, err)
			assert.Equal(t, want, ok, name)
		}
	})
}

func TestHangingGetent(t *testing.T) {
	h, calls := tree(t, files+"-- etc/nsswitch.conf --\npasswd: files sss\ngroup: files sss\n", nil)
	h.Run = func(ctx context.Context, argv ...string) ([]byte, error) {
		*calls = append(*calls, strings.Join(argv, " "))
		<-ctx.Done()
		return nil, errors.New("signal: killed")
	}
	t.Run("ends with the caller's context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		l, began := New(h), time.Now()
		assert.ErrorIs(t, whyNot(l.ByName(ctx, Passwd, "carol")), context.DeadlineExceeded)
		assert.Less(t, time.Since(began), time.Second)
		_, gap := l.All(ctx, Passwd)
		assert.ErrorIs(t, gap, context.DeadlineExceeded)
	})
	t.Run("has one time-out for all questions", func(t *testing.T) {
		if testing.Short() {
			t.Skip("waits for five seconds")
		}
		*calls = nil
		l, began := New(h), time.Now()
		for i := range uint32(50) {
			assert.ErrorContains(t, whyNot(l.ByID(t.Context(), Passwd, 5000+i)), "did not answer within 5s")
		}
		_, gap := l.All(t.Context(), Group)
		assert.ErrorContains(t, gap, "did not answer")
		assert.Less(t, time.Since(began), 7*time.Second)
		assert.Len(t, *calls, 1)
	})
}

func TestUnreadable(t *testing.T) {
	h := unreadable{usernskit.Host{Root: hosttest.Tree(t, files).Root}}
	l := New(h)
	assert.ErrorIs(t, whyNot(l.ByName(t.Context(), Group, "carol")), fs.ErrPermission)
	_, gap := l.All(t.Context(), Group)
	assert.ErrorIs(t, gap, fs.ErrPermission)
	assert.Equal(t, "absent", l.ByName(t.Context(), Passwd, "carol").String())
}

// unreadable is a host whose /etc/group may not be read.
type unreadable struct{ usernskit.Host }

func (h unreadable) ReadFile(path string) ([]byte, error) {
	if path == "/etc/group" {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}
	}
	return h.Host.ReadFile(path)
}

func FuzzParse(f *testing.F) {
	f.Add(files)
	f.Add("a:b:1:2\r\n\x00:x:1\n::::\n a:b: +01:")
	f.Fuzz(func(t *testing.T, text string) {
		for _, db := range []DB{Passwd, Group} {
			for _, a := range parse(db, "/etc/x", text) {
				assert.NotEmpty(t, a.Name)
				assert.False(t, slices.Contains([]byte("#+-"), a.Name[0]))
				assert.Positive(t, a.Line)
			}
		}
	})
}

// A stat is what a host says of each path; of others that they are not there.
type stat map[string]error

func (s stat) Stat(path string) (fs.FileInfo, error) {
	err, ok := s[path]
	if !ok {
		err = fs.ErrNotExist
	}
	return nil, err
}

func TestHasUseradd(t *testing.T) {
	for name, tt := range map[string]struct {
		host stat
		want bool
		err  error
	}{
		"useradd":                {stat{"/usr/sbin": nil, "/usr/sbin/useradd": nil}, true, nil},
		"adduser somewhere else": {stat{"/bin": nil, "/usr/local/bin": nil, "/usr/local/bin/adduser": nil}, true, nil},
		"programs, and none":     {stat{"/bin": nil}, false, nil},
		"no programs at all":     {stat{}, true, nil},
		"not to be seen":         {stat{"/bin": nil, "/usr/bin": fs.ErrPermission}, false, fs.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := HasUseradd(tt.host)
			assert.Equal(t, tt.want, got)
			assert.ErrorIs(t, err, tt.err)
		})
	}
}
