package verify

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// Docker's own may run with the map of its containers outside of any, as builds
// do. Another runtime's container may not.
func TestAContainerOfPodmanWithDockersMapMeetsTheRanges(t *testing.T) {
	for cgroup, want := range map[string][]string{
		"/machine.slice/libpod-" + idOld + ".scope": {"I08 fail"},
		"/system.slice/docker.service":              {},
	} {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, proc{pid: 100, container: idWeb}, proc{pid: 300})
		require.NoError(t, os.WriteFile(filepath.Join(opts.Proc.Root, "300/cgroup"), []byte("0::"+cgroup+"\n"), 0o644))
		r := run(t, opts)
		assert.Equal(t, want, bad(r), "%s: %s", cgroup, texts(r))
	}
}

// An exited is the error of a program that ran.
type exited int

func (e exited) Error() string { return fmt.Sprintf("getent: exit status %d", int(e)) }
func (e exited) ExitCode() int { return int(e) }

func TestANameServiceThatCouldNotBeAskedKnowsNobodyForAll(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(context.Context, ...string) ([]byte, error)
		want Verdict
		text string
	}{
		"getent finds nobody":   {func(context.Context, ...string) ([]byte, error) { return nil, exited(2) }, Pass, "no name service knows the first"},
		"getent finds somebody": {func(context.Context, ...string) ([]byte, error) { return []byte("ldap:*:165536:1::/:\n"), nil }, Fail, "knows ldap:*:165536"},
		"getent fails":          {func(context.Context, ...string) ([]byte, error) { return nil, exited(1) }, Unknown, "exit status 1"},
		"there is no getent":    {func(context.Context, ...string) ([]byte, error) { return nil, exec.ErrNotFound }, Unknown, "not found"},
		"a mounted host":        {nil, Skip, facts.Offline},
	} {
		e := remapped(web(engine.Container{}))
		opts := live(t, &e, proc{pid: 100, container: idWeb})
		opts.Checks, opts.Host.Run = []string{"I11"}, c.run
		list := run(t, opts).Findings
		i := slices.IndexFunc(list, func(f Finding) bool { return f.Subject == "getent" })
		require.GreaterOrEqual(t, i, 0, "%s: %v", name, list)
		got := list[i]
		assert.Equal(t, c.want, got.Verdict, "%s: %s", name, got.Text)
		assert.Contains(t, got.Text, c.text, name)
	}
}
