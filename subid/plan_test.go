package subid_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

const passwd = "-- etc/passwd --\nroot:x:0:0::/root:/bin/sh\ndockremap:x:990:990::/:/bin/false\nalice:x:1000:1000::/:/bin/sh\n" +
	"-- etc/group --\nroot:x:0:\ndockremap:x:990:\nalice:x:1000:\n"

// host is a tree with both files and the usual accounts.
func host(t testing.TB, subuid, subgid string, more ...string) usernskit.Host {
	t.Helper()
	return hosttest.Tree(t, passwd+"-- etc/subuid --\n"+subuid+"-- etc/subgid --\n"+subgid+strings.Join(more, ""))
}

// after returns what the files hold once a plan is applied, by path.
func after(p usernskit.Plan) map[string]string {
	files := map[string]string{}
	for _, c := range p.Changes {
		files[c.Path] = string(c.After)
	}
	return files
}

func preset(program string, maxPods uint32) subid.Request {
	want, err := subid.Preset(program, maxPods)
	if err != nil {
		panic(err)
	}
	return want
}

func docker() subid.Request { return preset("docker", 0) }

func warnings(p usernskit.Plan) (ids []string) {
	for _, w := range p.Warnings {
		ids = append(ids, w.ID)
	}
	return ids
}

func TestPlanGivesTheSameFreeRangeInBothFiles(t *testing.T) {
	h := host(t, "# Users\r\nalice:100000:65536\n", "bob:165536:10")
	grant, plan, err := subid.Plan(t.Context(), h, docker())
	require.NoError(t, err)
	free := subid.Range{Start: 165546, Count: 65536}
	assert.Equal(t, subid.Grant{Owner: "dockremap", UID: free, GID: free}, grant)
	assert.Equal(t, map[string]string{
		"/etc/subuid": "# Users\r\nalice:100000:65536\ndockremap:165546:65536\n",
		"/etc/subgid": "bob:165536:10\ndockremap:165546:65536\n",
	}, after(plan))
	assert.Empty(t, plan.Warnings)
	for _, c := range plan.Changes {
		assert.True(t, c.Shadow)
	}
}

func TestPlanTakesTheStartThatIsAskedFor(t *testing.T) {
	want := docker()
	want.Start = 123000
	grant, plan, err := subid.Plan(t.Context(), host(t, "alice:300000:65536\n", ""), want)
	require.NoError(t, err)
	assert.Equal(t, "123000:65536", grant.UID.String())
	assert.Equal(t, "123000:65536", grant.GID.String())
	assert.Equal(t, "alice:300000:65536\ndockremap:123000:65536\n", after(plan)["/etc/subuid"])
	assert.Equal(t, "dockremap:123000:65536\n", after(plan)["/etc/subgid"])
}

func TestPlanMakesMissingFiles(t *testing.T) {
	_, plan, err := subid.Plan(t.Context(), hosttest.Tree(t, passwd), docker())
	require.NoError(t, err)
	require.Len(t, plan.Changes, 2)
	for _, c := range plan.Changes {
		assert.Nil(t, c.Before)
		assert.Equal(t, "dockremap:100000:65536\n", string(c.After))
		assert.EqualValues(t, 0o644, c.Mode)
	}
}

func TestPlanKeepsAGoodRange(t *testing.T) {
	for name, c := range map[string]struct{ subuid, subgid, uid, gid, changed, warns string }{
		"in both":               {"alice:100000:65536\ndockremap:231072:65536\n", "dockremap:231072:65536\n", "231072:65536", "231072:65536", "", ""},
		"under the UID":         {"990:231072:65536\n", "990:231072:65536\n", "231072:65536", "231072:65536", "", ""},
		"more than asked for":   {"dockremap:200000:100000\n", "dockremap:200000:100000\n", "200000:100000", "200000:100000", "", ""},
		"in several lines":      {"dockremap:200000:1\ndockremap:300000:65535\n", "dockremap:200000:1\ndockremap:300000:65535\n", "200000:1", "200000:1", "", ""},
		"in subuid only":        {"dockremap:231072:65536\n", "alice:100000:65536\n", "231072:65536", "231072:65536", "/etc/subgid", ""},
		"in subgid only":        {"", "dockremap:231072:65536\n", "231072:65536", "231072:65536", "/etc/subuid", ""},
		"two that differ":       {"dockremap:231072:65536\n", "dockremap:331072:65536\n", "231072:65536", "331072:65536", "", "uid-gid-differ"},
		"where nspawn may pick": {"dockremap:600000:65536\n", "dockremap:600000:65536\n", "600000:65536", "600000:65536", "", ""},
		"commented out above":   {"#dockremap:231072:65536\ndockremap:231072:65536\n", "dockremap:231072:65536\n", "231072:65536", "231072:65536", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			grant, plan, err := subid.Plan(t.Context(), host(t, c.subuid, c.subgid), docker())
			require.NoError(t, err)
			assert.Equal(t, c.uid, grant.UID.String())
			assert.Equal(t, c.gid, grant.GID.String())
			assert.Equal(t, c.changed != "/etc/subuid", grant.UIDExisting)
			assert.Equal(t, c.changed != "/etc/subgid", grant.GIDExisting)
			changed := ""
			for path, text := range after(plan) {
				changed += path
				assert.True(t, strings.HasSuffix(text, "dockremap:231072:65536\n"), text)
			}
			assert.Equal(t, c.changed, changed)
			assert.Equal(t, c.warns, strings.Join(warnings(plan), " "))
		})
	}
}

func TestPlanRefusesWhatIsNotSafe(t *testing.T) {
	const good = "dockremap:231072:65536\n"
	theirs := docker()
	from := func(start uint32) subid.Request { r := docker(); r.Start = start; return r }
	for name, c := range map[string]struct {
		subuid, subgid string
		want           subid.Request
		is             error
		text           string
	}{
		"a start that someone has":    {"alice:110000:1000\n", "", from(100000), subid.ErrOverlap, "/etc/subuid:1: dockremap:100000:65536 overlaps alice:110000:1000"},
		"one that a group's line has": {"", "\nalice:110000:1000\n", from(100000), subid.ErrOverlap, "/etc/subgid:2: dockremap:100000:65536 overlaps alice:110000:1000"},
		"one for some reader only":    {"alice:0x1adb0:1000\n", "", from(100000), subid.ErrOverlap, "/etc/subuid:1: dockremap:100000:65536 overlaps alice:110000:1000"},
		"the IDs of accounts":         {"", "", from(500), subid.ErrReserved, "dockremap:500:65536 has IDs of 1 to 999, reserved: system users"},
		"an ID of DynamicUser":        {"", "", from(65000), subid.ErrReserved, "dockremap:65000:65536 has IDs of 61184 to 65519, reserved: DynamicUser= of systemd"},
		"an ID from 2^31 on":          {"", "", from(2147483647), subid.ErrReserved, "dockremap:2147483647:65536 has IDs of 2147483648 to 4294967294, reserved: IDs from 2^31 on, which programs with signed numbers get wrong"},
		"the end of the IDs":          {"", "", from(4294967290), subid.ErrInvalid, "dockremap:4294967290:65536 runs past the last ID, 4294967295"},
		"one where another stands":    {good, good, from(123000), subid.ErrHasRange, "/etc/subuid:1: dockremap has 231072:65536 already, not one that starts at 123000; release it first"},
		"more than stands there":      {good, good, subid.Request{Owner: "dockremap", Count: 100000}, subid.ErrHasRange, "/etc/subuid:1: dockremap has 231072:65536 already, fewer than 100000 IDs; release it first"},
		"a line shared with alice":    {good, good + "alice:231080:1\n", theirs, subid.ErrOverlap, "/etc/subgid:2: dockremap:231072:65536 overlaps alice:231080:1"},
		"a line shared with itself":   {good + good, good, theirs, subid.ErrOverlap, "/etc/subuid:2: dockremap:231072:65536 overlaps dockremap:231072:65536"},
		"host root":                   {"dockremap:0:65536\n", "", theirs, subid.ErrReserved, "/etc/subuid:1: dockremap:0:65536 has IDs of 0 to 0, reserved: the root user"},
		"a small line":                {"\ndockremap:231072:65535\n", "", theirs, subid.ErrSmallRange, "/etc/subuid:2: dockremap:231072:65535: with fewer than 65536 IDs, ID 65534 (nobody) of an image cannot be mapped"},
		"few IDs":                     {"", "", subid.Request{Owner: "dockremap", Count: 65535}, subid.ErrSmallRange, "65535 IDs for dockremap: with fewer than 65536 IDs, ID 65534 (nobody) of an image cannot be mapped"},
		"name and UID both":           {good + "990:400000:65536\n", good, theirs, subid.ErrUnsafeLine, `/etc/subuid:2: readers differ about lines under "dockremap" and under "990", name and UID of one account: keep one kind`},
		"a line that dockerd reads as 0": {"# x\ndockremap:0x186a0:65536\n", good, theirs, subid.ErrUnsafeLine,
			`/etc/subuid:2: readers differ about "dockremap:0x186a0:65536": all shadow-utils read 100000:65536; dockerd 27 and earlier and podman and CRI-O fail for "dockremap"; dockerd 28 and later read this as host ID 0 (0:65536); write it in plain decimal, or remove it`},
		"no name":                       {"", "", subid.Request{}, subid.ErrInvalid, "no owner given"},
		"subgid taken where subuid is":  {good, "alice:231072:1\n", theirs, subid.ErrOverlap, "/etc/subgid:1: dockremap:231072:65536 overlaps alice:231072:1"},
		"a start between the kubelet's": {"", "", subid.Request{Owner: "kubelet", Start: 100000, Policy: preset("kubelet", 1).Policy}, subid.ErrInvalid, "kubelet:100000:65536 does not start at a multiple of 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			grant, plan, err := subid.Plan(t.Context(), host(t, c.subuid, c.subgid), c.want)
			assert.ErrorIs(t, err, c.is)
			assert.EqualError(t, err, c.text)
			assert.Zero(t, grant)
			assert.Zero(t, plan)
		})
	}
}

// The files are looked at side by side. The answer does not depend on which of
// the two is done first, nor does the order of the changes.
func TestPlanIsTheSameEveryTime(t *testing.T) {
	long := strings.Repeat("user:4000000000:1\n", 20000)
	for _, c := range [][2]string{{long, ""}, {"", long}} {
		for range 20 {
			_, _, err := subid.Plan(t.Context(), host(t, c[0]+"dockremap:0:1\n", c[1]+"dockremap:1:65536\n"), docker())
			var conflict *subid.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.Equal(t, "/etc/subuid", conflict.Have.File)

			h := host(t, c[0], c[1])
			_, plan, err := subid.Plan(t.Context(), h, docker())
			require.NoError(t, err)
			require.Len(t, plan.Changes, 2)
			for i, path := range []string{"/etc/subuid", "/etc/subgid"} {
				before, err := h.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, path, plan.Changes[i].Path)
				require.Equal(t, before, plan.Changes[i].Before)
				require.NotNil(t, plan.Changes[i].Before, "an empty file is not a missing one")
			}
		}
	}
}

func TestPlanAvoidsWhatTheCallerSays(t *testing.T) {
	want := docker()
	want.Policy.Avoid = []subid.Range{{Start: 100000, Count: 1}, {Start: 165537, Count: 1}}
	grant, _, err := subid.Plan(t.Context(), host(t, "", ""), want)
	require.NoError(t, err)
	assert.Equal(t, "100001:65536", grant.UID.String())
	want.Start = 165000
	_, _, err = subid.Plan(t.Context(), host(t, "", ""), want)
	assert.ErrorIs(t, err, subid.ErrOverlap)
}

// Docker's own allocator, on the inputs on which it overlaps: 28 and later
// read root's lines only, and no version sees a small range within another.
func TestWhereDockerOverlapsWeDoNot(t *testing.T) {
	for _, c := range []struct {
		name, subuid  string
		docker, wants uint32
	}{
		{"alice has the first range", "alice:100000:65536\n", 100000, 165536},
		{"a small range within", "alice:110000:1000\n", 100000, 111000},
		{"a small range in the hole", "a:100000:65536\nb:170000:100\nc:240000:65536\n", 165536, 170100},
	} {
		theirs := subid.Range{Start: c.docker, Count: 65536}
		overlaps := false
		for c := range subid.Parse("subuid", []byte(c.subuid)).Ranges() {
			overlaps = overlaps || c.Range.Overlaps(theirs)
		}
		assert.True(t, overlaps, "%s: Docker's answer is wrong", c.name)
		grant, _, err := subid.Plan(t.Context(), host(t, c.subuid, ""), docker())
		require.NoError(t, err)
		assert.Equal(t, subid.Range{Start: c.wants, Count: 65536}, grant.UID, c.name)
	}
}

func TestPlanFollowsLoginDefs(t *testing.T) {
	for name, c := range map[string]struct{ defs, want string }{
		"its window":             {"SUB_UID_MIN 200000\nSUB_GID_MIN\t210000\n", "210000:65536"},
		"octal and hex":          {"SUB_UID_MIN 01000000\nSUB_UID_MAX 0xffffff\n", "262144:65536"},
		"commented copies":       {"# SUB_UID_MIN 300000\n#SUB_UID_MIN 300000\n SUB_UID_MIN 200000 \n", "200000:65536"},
		"the last one":           {"SUB_UID_MIN 300000\nSUB_UID_MIN 200000\n", "200000:65536"},
		"a quoted value":         {"SUB_UID_MIN \"200000\"\n", "200000:65536"},
		"no number, the default": {"SUB_UID_MIN 200000 # mine\n", "100000:65536"},
		"a larger count":         {"SUB_UID_COUNT 100000\n", "100000:100000"},
		"not a smaller one":      {"SUB_UID_COUNT 0\nSUB_GID_COUNT 1000\n", "100000:65536"},
	} {
		grant, plan, err := subid.Plan(t.Context(), host(t, "", "", "-- etc/login.defs --\n"+c.defs), subid.Request{Owner: "alice"})
		require.NoError(t, err, name)
		assert.Equal(t, c.want, grant.UID.String(), name)
		assert.Empty(t, plan.Warnings)
	}
	_, _, err := subid.Plan(t.Context(), host(t, "", "", "-- etc/login.defs --\nSUB_GID_MIN 9\nSUB_GID_MAX 8\n"), docker())
	assert.EqualError(t, err, "/etc/login.defs: SUB_GID_MIN 9 is above SUB_GID_MAX 8 or any ID")

	grant, _, err := subid.Plan(t.Context(), hosttest.Tree(t, "-- usr/etc/login.defs --\nSUB_UID_MIN 300000\nSUB_UID_COUNT 70000\n-- etc/login.defs.d/a.defs --\nSUB_UID_MIN 400000\n-- etc/login.defs.d/b.conf --\nSUB_UID_MIN 1\n"), subid.Request{Owner: "x"})
	require.NoError(t, err)
	assert.Equal(t, "400000:70000", grant.UID.String(), "the vendor's, and what is on top")
}

// Nearly all of shadow's window is what systemd-nspawn picks from as well.
func TestPlanGoesWhereNspawnPicksOnlyWhenItMust(t *testing.T) {
	full := ""
	for start := 100000; start < 450000; start += 65536 {
		full += fmt.Sprintf("u%d:%d:65536\n", start, start)
	}
	grant, plan, err := subid.Plan(t.Context(), host(t, full, ""), docker())
	require.NoError(t, err)
	assert.Equal(t, "493216:65536", grant.UID.String())
	assert.Equal(t, []string{"reserved"}, warnings(plan))

	grant, plan, err = subid.Plan(t.Context(), host(t, "core:524288:65536\n", "", "-- etc/login.defs --\nSUB_UID_MIN 524288\nSUB_GID_MIN 524288\n"), docker())
	require.NoError(t, err)
	assert.Equal(t, "589824:65536", grant.UID.String(), "Fedora's login.defs points there")
	assert.Empty(t, plan.Warnings)

	grant, plan, err = subid.Plan(t.Context(), host(t, "", "", "-- etc/login.defs --\nSUB_UID_MIN 1000000\nSUB_UID_MAX 2000000000\nSUB_GID_MAX 2000000000\n"), docker())
	require.NoError(t, err)
	assert.Equal(t, "1000000:65536", grant.UID.String(), "and not behind all that nspawn has")
	assert.Empty(t, plan.Warnings)

	want := docker()
	want.Start = 1000000
	_, plan, err = subid.Plan(t.Context(), host(t, "", ""), want)
	require.NoError(t, err)
	assert.Equal(t, []string{"reserved"}, warnings(plan))
}

func TestExhaustedNamesTheLargestHole(t *testing.T) {
	want := subid.Request{Owner: "x", Policy: subid.Policy{Min: 100000, Max: 299999, Count: 100001}}
	_, plan, err := subid.Plan(t.Context(), host(t, "a:100010:1\nb:200011:1\n", "c:200009:1\n"), want)
	assert.Zero(t, plan)
	assert.ErrorIs(t, err, subid.ErrExhausted)
	assert.EqualError(t, err, "no 100001 free IDs in both files between 100000 and 299999; the largest hole is 100011:99998")
	want.Policy.Max = 100010
	want.Policy.Min = 100010
	_, _, err = subid.Plan(t.Context(), host(t, "a:100010:1\n", ""), want)
	assert.EqualError(t, err, "no 100001 free IDs in both files between 100010 and 100010, where all are taken")
	want.Policy = subid.Policy{Min: 5, Max: 4}
	_, _, err = subid.Plan(t.Context(), host(t, "", ""), want)
	assert.ErrorIs(t, err, subid.ErrInvalid)
}

func TestBothFilesGetTheSame(t *testing.T) {
	want := subid.Request{Owner: "x", Policy: subid.Policy{Min: 100000, Max: 199999}}
	h := host(t, "a:100000:30000\n", "b:170000:30000\n")
	_, _, err := subid.Plan(t.Context(), h, want)
	assert.ErrorIs(t, err, subid.ErrExhausted)
	h = host(t, "x:130000:65536\n", "b:190000:10000\n")
	_, _, err = subid.Plan(t.Context(), h, want)
	assert.ErrorIs(t, err, subid.ErrOverlap)
}

func TestSmallRangesAreARiskToAccept(t *testing.T) {
	want := subid.Request{Owner: "alice", Count: 1000, AllowSmall: true}
	grant, plan, err := subid.Plan(t.Context(), host(t, "", ""), want)
	require.NoError(t, err)
	assert.Equal(t, "100000:1000", grant.UID.String())
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "small-range", plan.Warnings[0].ID)
	assert.True(t, plan.Warnings[0].Risk)
}

func TestPresets(t *testing.T) {
	grant, plan, err := subid.Plan(t.Context(), host(t, "alice:100000:65536\n", ""), preset("kubelet", 110))
	require.NoError(t, err)
	assert.Equal(t, grant.UID, grant.GID)
	assert.Zero(t, grant.UID.Start%65536)
	assert.EqualValues(t, 110*65536, grant.UID.Count)
	assert.Equal(t, []string{"reserved", "no-account"}, warnings(plan), "110 pods do not fit elsewhere")
	assert.Empty(t, problems(t, after(plan)["/etc/subgid"]))

	grant, _, err = subid.Plan(t.Context(), host(t, "", ""), preset("podman", 0))
	require.NoError(t, err)
	assert.Equal(t, "100000:4194304", grant.UID.String())
	_, _, err = subid.Plan(t.Context(), host(t, "", ""), preset("kubelet", 4294967295))
	assert.ErrorIs(t, err, subid.ErrExhausted)
}

func TestPlanWarnsOfWhatStandsBesideIt(t *testing.T) {
	h := hosttest.Tree(t, passwd+"-- etc/subuid -> /srv/subuid --\n-- srv/subuid --\n# x\n\nbad line\nworse\n-- etc/subgid --\nu:1:1\nno\n-- etc/nsswitch.conf --\npasswd: files [NOTFOUND=continue] sss\ngroup: files\nsubid: sss\n")
	_, plan, err := subid.Plan(t.Context(), h, subid.Request{Owner: "ghost"})
	require.NoError(t, err)
	assert.Equal(t, []string{"accounts-unseen", "file-refused", "file-refused", "symlink", "nss-ignored", "accounts-unseen"}, warnings(plan))
	assert.Equal(t, `/etc/subuid:3: "bad line" is not three fields: dockerd 27 and earlier, podman and CRI-O refuse the whole file because of it`, plan.Warnings[1].String())
	assert.Contains(t, plan.Warnings[2].String(), `/etc/subgid:2: "no" is not three fields`)
	assert.Equal(t, `/etc/nsswitch.conf takes the passwd database from sss too: getent: not the running host: IDs of such accounts cannot be avoided`, plan.Warnings[5].Text)
}

func TestReleaseGivesEverythingBack(t *testing.T) {
	h := host(t, "# x\ndockremap:231072:65536\nalice:100000:65536\n", "990:231072:65536\r\n")
	plan, err := planRelease(t, h, "dockremap")
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"/etc/subuid": "# x\nalice:100000:65536\n", "/etc/subgid": ""}, after(plan))
	require.Len(t, plan.Warnings, 1)
	assert.Equal(t, "files with IDs of dockremap keep them, and belong to the next owner of the range: 231072:65536", plan.Warnings[0].Text)
	assert.NotNil(t, plan.Changes[1].After, "the file stays, empty")

	plan, err = planRelease(t, h, "nobody-here")
	require.NoError(t, err)
	assert.True(t, plan.Empty())
	_, err = planRelease(t, h, "")
	assert.ErrorIs(t, err, subid.ErrInvalid)
}

func TestFindGivesWhatPlanWould(t *testing.T) {
	grant, _, err := find(t, host(t, "dockremap:100000:65536\n", "bob:165536:4464\n"), subid.Request{Owner: "dockremap"})
	require.NoError(t, err)
	assert.Equal(t, "170000:65536", grant.UID.String())
	assert.Empty(t, grant.Owner)
	_, _, err = find(t, host(t, "alice:100000:65536\n", ""), subid.Request{Start: 100000})
	assert.EqualError(t, err, "/etc/subuid:1: 100000:65536 overlaps alice:100000:65536")
}

func TestUnreadableFilesAreErrors(t *testing.T) {
	_, _, err := subid.Plan(t.Context(), hosttest.Tree(t, "-- etc/subuid/x --\n"), docker())
	assert.ErrorIs(t, err, usernskit.ErrNotRegular)
	assert.ErrorContains(t, err, "/etc/subuid")
}

// login.defs with SUB_UID_MIN above SUB_UID_MAX stopped everything that chooses
// nothing, too.
func TestLimitsThatContradictStopOnlyChoosing(t *testing.T) {
	h := hosttest.Tree(t, "-- etc/login.defs --\nSUB_UID_MIN 700000000\n-- etc/passwd --\nroot:x:0:0::/:\nalice:x:1000:1000::/:\n-- etc/group --\nroot:x:0:\n"+
		"-- etc/subuid --\nalice:100000:65536\n-- etc/subgid --\nalice:100000:65536\n")
	for name, c := range map[string]struct {
		want subid.Request
		ok   bool
	}{
		"a start that is given":       {subid.Request{Owner: "bob", Start: 300000}, true},
		"an owner who has ranges":     {subid.Request{Owner: "alice"}, true},
		"a range that is to be found": {subid.Request{Owner: "bob"}, false},
		"a start that is taken":       {subid.Request{Owner: "bob", Start: 120000}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, p, err := subid.Plan(t.Context(), h, c.want)
			if !c.ok {
				require.Error(t, err)
				assert.Empty(t, p.Changes)
				return
			}
			require.NoError(t, err)
		})
	}
}
