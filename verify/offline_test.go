package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
)

// bad returns "CHECK verdict" of every finding that is no pass and no skip,
// each once.
func bad(r Report) []string {
	list := []string{}
	for _, f := range r.Findings {
		if f.Verdict != Pass && f.Verdict != Skip {
			list = append(list, f.Check+" "+f.Verdict.String())
		}
	}
	return slices.Compact(list)
}

// exit is the code that a program ends with that counts warnings: 1 for any
// finding, 3 where something was not seen.
func exit(r Report) int {
	switch s := r.Summary; {
	case s.Fail+s.Warn > 0:
		return 1
	case s.Unknown > 0:
		return 3
	}
	return 0
}

func texts(r Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		if f.Verdict != Pass && f.Verdict != Skip {
			fmt.Fprintf(&b, "%s %s: %s\n", f.Check, f.Subject, f.Text)
		}
	}
	return b.String()
}

func TestAnImageThatIsPreparedWellPasses(t *testing.T) {
	r, err := Run(t.Context(), Options{Host: hosttest.Tree(t, good)})
	require.NoError(t, err)
	assert.Empty(t, bad(r), texts(r))
	assert.Equal(t, 0, exit(r))
	assert.Equal(t, Skip, r.Summary.Remapped, "no kernel was asked")
	assert.Equal(t, 0, r.Summary.Unknown)
	assert.Greater(t, r.Summary.Pass, 15)
	assert.False(t, r.Coverage.Live)
}

func TestOfflineStatesOfAHost(t *testing.T) {
	both := func(text string) map[string]string {
		return map[string]string{"etc/subuid": text, "etc/subgid": text}
	}
	daemon := func(text string) map[string]string { return map[string]string{"etc/docker/daemon.json": text} }
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
		text  string // that some finding says
	}{
		"no configuration":                    {map[string]string{"etc/docker/daemon.json": ""}, []string{"D01 fail"}, "no flag sets userns-remap"},
		"remap not set":                       {daemon(`{"debug": true}`), []string{"D01 fail"}, "userns-remap is not set"},
		"remap to root":                       {daemon(`{"userns-remap": "root"}`), []string{"I06 fail"}, "does not remap"},
		"remap to 0:0":                        {daemon(`{"userns-remap": "0:0"}`), []string{"I06 fail"}, ""},
		"remap empty":                         {daemon(`{"userns-remap": ""}`), []string{"D01 fail"}, ""},
		"remap in the wrong place":            {daemon(`{"x": {"userns-remap": "default"}}`), []string{"D01 fail", "D01 warn"}, "this one does nothing"},
		"a comment in daemon.json":            {daemon("{ // x\n}"), []string{"D01 fail"}, "daemon.json:1:3"},
		"key twice":                           {daemon(`{"userns-remap": "default", "userns-remap": ""}`), nil, "userns-remap"},
		"flag and key":                        {map[string]string{"etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --userns-remap=default\n"}, []string{"D01 fail", "D02 fail"}, "does not start"},
		"hosts in daemon.json and -H":         {map[string]string{"etc/docker/daemon.json": `{"userns-remap": "default", "hosts": ["unix:///var/run/docker.sock"]}`, "usr/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock\n"}, []string{"D02 fail"}, "hosts"},
		"a log driver in both":                {map[string]string{"etc/docker/daemon.json": `{"userns-remap": "default", "log-driver": "json-file"}`, "usr/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --log-driver=journald\n"}, []string{"D02 fail"}, "log-driver"},
		"a misspelled key":                    {daemon(`{"userns-remap": "default", "log-driverr": "x"}`), []string{"D01 fail"}, "log-driverr"},
		"flag alone":                          {map[string]string{"etc/docker/daemon.json": "", "etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --userns-remap=default\n"}, []string{}, ""},
		"image store of containerd":           {daemon(`{"userns-remap": "default", "features": {"containerd-snapshotter": true}}`), []string{"D03 fail"}, "29"},
		"image store of containerd is off":    {daemon(`{"userns-remap": "default", "features": {"containerd-snapshotter": false}}`), []string{}, ""},
		"image store of containerd, a flag":   {map[string]string{"etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --feature containerd-snapshotter=true\n"}, []string{"D03 fail"}, "29"},
		"image store of containerd in words":  {daemon(`{"userns-remap": "default", "features": {"containerd-snapshotter": "true"}}`), []string{"D01 fail"}, "features"},
		"live-restore that is neither":        {map[string]string{"etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --live-restore=maybe\n"}, nil, "maybe"},
		"root by another name":                {map[string]string{"etc/docker/daemon.json": `{"userns-remap": "toor"}`, "etc/passwd": "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\ntoor:x:0:\n", "etc/subuid": "toor:165536:65536\n", "etc/subgid": "toor:165536:65536\n"}, []string{"I06 fail"}, "root by its UID"},
		"a BOM":                               {daemon("\ufeff{\"userns-remap\": \"default\"}"), []string{"D01 fail"}, ""},
		"lines that end in CRLF":              {both("dockremap:165536:65536\r\n"), []string{}, ""},
		"a tab before the start":              {both("dockremap:\t165536:65536\n"), []string{"I02 warn", "I05 fail", "I07 fail"}, "root of the host"},
		"a range that is commented out":       {both("#dockremap:165536:65536\n"), []string{"I02 fail"}, "no range"},
		"the last ID of the system":           {both("dockremap:999:65536\n"), []string{"I05 fail", "I07 fail"}, "system accounts"},
		"ranges of a name that begins alike":  {both("dockremap2:165536:65536\n"), []string{"I02 fail"}, "no range"},
		"nothing to make dockremap with":      {map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n", "usr/bin/x": "x"}, []string{"D01 fail"}, "useradd"},
		"a flag names a file that is missing": {map[string]string{"etc/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd --config-file=/etc/docker/none.json\n"}, []string{"D01 fail"}, "it is missing"},
		"live-restore":                        {daemon(`{"userns-remap": "default", "live-restore": true}`), []string{"D10 warn"}, ""},
		"no such user":                        {daemon(`{"userns-remap": "nosuch"}`), []string{"I01 fail", "I02 fail"}, "nosuch"},
		"no group of that name":               {map[string]string{"etc/docker/daemon.json": `{"userns-remap": "alice"}`, "etc/group": "root:x:0:\ndockremap:x:231:\n"}, []string{"I01 fail"}, "group"},
		"default before dockremap is made":    {map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n"}, []string{}, ""},
		"default without user and range":      {map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\n", "etc/group": "root:x:0:\n", "etc/subuid": "alice:100000:65536\n"}, []string{"I02 fail"}, "will choose one"},
		"no subgid file":                      {map[string]string{"etc/subgid": ""}, []string{"I02 fail"}, "no such file"},
		"no range":                            {both("alice:100000:65536\n"), []string{"I02 fail"}, "no range for dockremap"},
		"by UID":                              {both("alice:100000:65536\n231:165536:65536\n"), []string{}, ""},
		"by name and by UID":                  {both("231:165536:65536\ndockremap:300000:65536\n"), []string{"I02 warn", "I10 warn"}, "reads other ranges"},
		"range from 0":                        {both("dockremap:0:65536\n"), []string{"I05 fail", "I07 fail"}, "root of the host"},
		"range from 500":                      {both("dockremap:500:65536\n"), []string{"I05 fail", "I07 fail"}, "system accounts"},
		"hex start":                           {both("dockremap:0x186a0:65536\n"), []string{"I02 warn", "I05 fail", "I07 fail"}, "reads 0:65536"},
		"login user first":                    {both("dockremap:1000:1\ndockremap:165536:65536\n"), []string{"I07 fail", "I09 warn", "I10 warn"}, "can become alice"},
		"too small":                           {both("alice:100000:65536\ndockremap:165536:1000\n"), []string{"I03 fail"}, "1000 IDs are too few"},
		"too small by one":                    {both("alice:100000:65536\ndockremap:165536:65535\n"), []string{"I03 fail"}, "65535 IDs are too few"},
		"an account right behind":             {map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\ndockremap:x:231:231::/:/bin/false\nnext:x:231072:1::/:/bin/sh\n"}, []string{}, ""},
		"an account at the last ID":           {map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\ndockremap:x:231:231::/:/bin/false\nlast:x:231071:1::/:/bin/sh\n"}, []string{"I07 fail"}, "can become last"},
		"two halves":                          {both("dockremap:165536:32768\ndockremap:300000:32768\n"), []string{"I10 warn"}, ""},
		"the same range twice":                {both("dockremap:165536:65536\ndockremap:165536:65536\n"), []string{"I10 fail", "K07 fail"}, "the kernel"},
		"group IDs elsewhere":                 {map[string]string{"etc/subgid": "dockremap:300000:65536\n"}, []string{"I04 warn"}, ""},
		"second ranges elsewhere":             {map[string]string{"etc/subuid": "dockremap:165536:65536\ndockremap:300000:65536\n", "etc/subgid": "dockremap:165536:65536\ndockremap:400000:65536\n"}, []string{"I04 warn", "I10 warn"}, "group IDs are 165536:65536, 400000:65536"},
		"more groups in the first range":      {map[string]string{"etc/subuid": "dockremap:165536:65536\ndockremap:300000:65536\n", "etc/subgid": "dockremap:165536:65537\ndockremap:300000:65536\n"}, []string{"I04 warn", "I10 warn"}, "group IDs are 165536:65537, 300000:65536"},
		"one range in two lines":              {map[string]string{"etc/subuid": "dockremap:165536:131072\n", "etc/subgid": "dockremap:165536:65536\ndockremap:231072:65536\n"}, []string{"I10 warn"}, ""},
		"overlap":                             {both("alice:100000:65536\ndockremap:165535:65536\n"), []string{"I08 fail"}, "165535:65536 overlaps 100000:65536 of alice"},
		"overlap with an odd line":            {both("alice:0x28000:65536\ndockremap:165536:65536\n"), []string{"I08 fail"}, "of alice"},
		"overlap in subgid only":              {map[string]string{"etc/subgid": "alice:170000:1\ndockremap:165536:65536\n"}, []string{"I08 fail"}, "of alice"},
		"overlap of a count past the last":    {both("alice:200000:65536\ndockremap:100000:4294967295\n"), []string{"I08 fail", "I09 warn", "K07 fail"}, "overlaps 200000:65536 of alice"},
		"overlap of an endless count":         {both("alice:200000:65536\ndockremap:100000:9223372036854775807\n"), []string{"I08 fail", "I09 warn", "K07 fail"}, "overlaps 200000:65536 of alice"},
		"in the range of machines":            {both("dockremap:524288:65536\n"), []string{"I09 warn"}, "systemd-nspawn"},
		"past 2^31":                           {both("dockremap:2147483648:65536\n"), []string{"I09 warn"}, "2^31"},
		"past the last ID":                    {both("dockremap:4294967290:65536\n"), []string{"I09 warn", "K07 fail"}, ""},
		"limit 0 at boot":                     {map[string]string{"etc/sysctl.d/90-stig.conf": "# V-1\nuser.max_user_namespaces = 0\n"}, []string{"K03 fail"}, ""},
		"limit 0 and put right":               {map[string]string{"etc/sysctl.d/90-stig.conf": "user.max_user_namespaces=0\n", "etc/sysctl.d/99.conf": "user.max_user_namespaces=15000\n"}, []string{}, ""},
		"a kernel without":                    {map[string]string{"boot/config-6.1": "CONFIG_USER_NS=y\n", "boot/config-3.1": "# CONFIG_USER_NS is not set\n"}, []string{"K01 fail"}, "without user namespaces"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Run(t.Context(), Options{Host: with(t, hosttest.Tree(t, good), c.files)})
			require.NoError(t, err)
			got := bad(r)
			if c.want != nil {
				want := slices.Clone(c.want)
				slices.Sort(want)
				slices.Sort(got)
				assert.Equal(t, want, got, texts(r))
			} else {
				assert.NotEmpty(t, got)
			}
			assert.Contains(t, texts(r), c.text)
		})
	}
}

// Nothing can be read of this host: there is a directory where each file
// should be, no process below its /proc, and the daemon refuses.
func TestWhatCannotBeReadNeverPasses(t *testing.T) {
	var tree strings.Builder
	for _, name := range []string{"etc/passwd", "etc/group", "etc/subuid", "etc/subgid", "etc/nsswitch.conf", "etc/login.defs", "etc/docker/daemon.json", "proc/self"} {
		fmt.Fprintf(&tree, "-- %s/x --\n", name)
	}
	tree.WriteString("-- var/lib/docker --\n-- etc/sysctl.d/99.conf -> 99.conf --\n")
	h := hosttest.Tree(t, tree.String())
	r, err := Run(t.Context(), Options{Host: h, Proc: procAt(h), Docker: refusing, Deep: true})
	require.NoError(t, err)
	for _, f := range r.Findings {
		switch f.Check {
		case "D02", "K05", "K06": // no unit starts dockerd here, and no kernel of EL 7 is installed: that is seen
		default:
			assert.NotEqual(t, Pass, f.Verdict, "%s %s: %s", f.Check, f.Subject, f.Text)
		}
	}
	for _, id := range []string{"K01", "K02", "I01", "I02", "I05", "I07", "I08", "D01", "D09", "D04", "D05", "D06", "C01", "C02", "C03", "C04", "C06", "C07"} {
		assert.True(t, slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == id && f.Verdict == Unknown }), "%s is not unknown", id)
	}
	assert.Equal(t, Unknown, r.Summary.Remapped)
	assert.Equal(t, 3, exit(r), texts(r))
}
