package verify

import (
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
)

func TestTheCatalogueIsWhole(t *testing.T) {
	var ids []string
	names := map[string]bool{}
	for _, c := range Checks() {
		ids = append(ids, c.ID)
		assert.Regexp(t, regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`), c.Name, c.ID)
		assert.False(t, names[c.Name], "%s: name taken", c.ID)
		names[c.Name] = true
		for what, text := range map[string]string{"title": c.Title, "why": c.Why, "reads": c.Reads} {
			assert.NotEmpty(t, text, "%s has no %s", c.ID, what)
		}
		assert.NotRegexp(t, `\.$`, c.Title, "%s: String ends it", c.ID)
		assert.Regexp(t, `\.$`, c.Why, c.ID)
		assert.Regexp(t, `\.$`, c.Reads, c.ID)
		if c.Severity >= Medium {
			assert.NotEmpty(t, c.Remedy, "%s says what is wrong and not what to do", c.ID)
		}
	}
	// K01, K02, ... then I01, ...: in their order, and none left out.
	groups, last := "KIDC", 0
	for _, id := range ids {
		n, err := strconv.Atoi(id[1:])
		require.NoError(t, err, id)
		if id[0] != groups[0] {
			groups, last = groups[1:], 0
		}
		require.True(t, groups != "" && id[0] == groups[0] && n == last+1, "%s is out of order", id)
		last = n
	}
	assert.Len(t, groups, 1, "a group is missing")
}

func TestBothNumbersOfTheBenchmarkAreGiven(t *testing.T) {
	for id, want := range map[string][]string{
		"D05": {"CIS Docker 1.11.0: 2.8", "CIS Docker 1.6.0: 2.9"},
		"C04": {"CIS Docker 1.3.1: 5.30", "CIS Docker 1.6.0: 5.31"},
	} {
		c, err := Explain(id)
		require.NoError(t, err)
		for _, ref := range want {
			assert.True(t, slices.Contains(c.Refs, ref), "%s lacks %s", id, ref)
		}
	}
}

func TestChecksAreFoundByIDAndName(t *testing.T) {
	for _, id := range []string{"C01", "c01", "process-host-ids"} {
		c, err := Explain(id)
		require.NoError(t, err)
		assert.Equal(t, "C01", c.ID)
	}
	for _, id := range []string{"", "C15", "C1", "process"} {
		_, err := Explain(id)
		assert.Error(t, err, id)
	}
}

// A check that does not say which facts it needs would judge what nobody read.
func TestACheckSaysTheSameAloneAsAmongAll(t *testing.T) {
	stopped := remapped(web(engine.Container{Userns: "host", Privileged: true, Network: "container:old"}))
	stopped.Plugins, stopped.LiveRestore, stopped.RootDir = []engine.Plugin{{ID: "p", Name: "p"}}, true, "/var/lib/docker"
	fine := remapped(web(engine.Container{Mounts: []engine.Mount{{Type: "volume", Name: "v", Source: "/var/lib/docker/165536.165536/volumes/v/_data"}}}))
	for name, opts := range map[string]Options{
		"a good host":             live(t, &fine, proc{pid: 100, container: idWeb}),
		"a bad host":              live(t, &stopped, hostRoot(100, idWeb), proc{pid: 300, maps: "0 165540 100"}),
		"a daemon that is down":   {Host: hosttest.Tree(t, good+storeTree[1:]), Docker: refusing},
		"a tree that is empty":    {Host: hosttest.Tree(t, "-- etc/x --\n")},
		"a tree of EL 7":          {Host: with(t, hosttest.Tree(t, good), map[string]string{"etc/os-release": "ID=centos\nVERSION_ID=7\n", "etc/sysctl.d/90-stig.conf": "user.max_user_namespaces = 0\n", "boot/vmlinuz-3.10.0-1160.el7.x86_64": "x", "boot/grub2/grub.cfg": "x", "etc/default/grub": "GRUB_CMDLINE_LINUX=\"\"\n"})},
		"a tree without a range":  {Host: with(t, hosttest.Tree(t, good), map[string]string{"etc/subuid": "x"})},
		"nothing can be read":     {Host: hosttest.Tree(t, "-- etc/passwd/x --\n-- etc/subuid/x --\n-- etc/docker/daemon.json/x --\n-- proc/self/x --\n"), Docker: refusing},
		"a container of nobody's": live(t, &fine, proc{pid: 100, container: idWeb}, hostRoot(200, idOld)),
	} {
		opts.Deep = true
		all := map[string][]Finding{}
		for _, f := range run(t, opts).Findings {
			all[f.Check] = append(all[f.Check], f)
		}
		for _, c := range Checks() {
			opts.Checks = []string{c.ID}
			assert.Equal(t, all[c.ID], run(t, opts).Findings, "%s: %s", name, c.ID)
		}
	}
}
