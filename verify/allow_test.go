package verify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func TestAllowancesAsTheyAreTyped(t *testing.T) {
	for text, want := range map[string]Allowance{
		"userns-host=web": {What: "userns-host", Subject: "web"},
		"userns-host=web,reason=reads disks, all of them":      {What: "userns-host", Subject: "web", Reason: "reads disks, all of them"},
		"userns-host=web,until=2027-01-31":                     {What: "userns-host", Subject: "web", Until: day(2027, 1, 31)},
		"userns-host=web,reason=a,until=2027-01-31":            {What: "userns-host", Subject: "web", Reason: "a", Until: day(2027, 1, 31)},
		"userns-host=web,until=2027-01-31,reason=a":            {What: "userns-host", Subject: "web", Reason: "a", Until: day(2027, 1, 31)},
		"userns-host=image:registry:5000/backup:1":             {What: "userns-host", Subject: "image:registry:5000/backup:1"},
		"userns-host=label:com.example.host=yes,reason=agreed": {What: "userns-host", Subject: "label:com.example.host=yes", Reason: "agreed"},
		"c07=portainer":                    {What: "C07", Subject: "portainer"},
		"K03=/etc/sysctl.d/90-stig.conf:1": {What: "K03", Subject: "/etc/sysctl.d/90-stig.conf:1"},
	} {
		got, err := ParseAllowance(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, bad := range []string{"", "web", "userns-host", "userns-host=", "=web", "Z01=web", "userns-host=web,until=tomorrow", "userns-host=web,until=2027-02-30", ",reason=x"} {
		a, err := ParseAllowance(bad)
		assert.Error(t, err, bad)
		assert.Zero(t, a, bad)
	}
}

func TestAnAllowanceCoversThatExceptionAndNoOther(t *testing.T) {
	e := &Engine{Containers: []Container{
		{ID: "1", Name: "backup", Image: "img:1", Labels: map[string]string{"k": "v"}, Userns: "host"},
		{ID: "2", Name: "web", Image: "img:1"},
	}}
	now := day(2026, 6, 30)
	for name, c := range map[string]struct {
		allow   Allowance
		finding Finding
		want    bool
	}{
		"by name":                         {Allowance{What: usernsHost, Subject: "backup"}, Finding{Check: "C04", Subject: "container/backup"}, true},
		"its processes too":               {Allowance{What: usernsHost, Subject: "backup"}, Finding{Check: "C01", Subject: "container/backup"}, true},
		"by image":                        {Allowance{What: usernsHost, Subject: "image:img:1"}, Finding{Check: "C04", Subject: "container/backup"}, true},
		"by label":                        {Allowance{What: usernsHost, Subject: "label:k=v"}, Finding{Check: "C04", Subject: "container/backup"}, true},
		"by another label":                {Allowance{What: usernsHost, Subject: "label:k=w"}, Finding{Check: "C04", Subject: "container/backup"}, false},
		"another container":               {Allowance{What: usernsHost, Subject: "web"}, Finding{Check: "C04", Subject: "container/backup"}, false},
		"a root without the option":       {Allowance{What: usernsHost, Subject: "web"}, Finding{Check: "C01", Subject: "container/web"}, false},
		"an image without the option":     {Allowance{What: usernsHost, Subject: "image:img:1"}, Finding{Check: "C01", Subject: "container/web"}, false},
		"another check of the same":       {Allowance{What: usernsHost, Subject: "backup"}, Finding{Check: "C07", Subject: "container/backup"}, false},
		"an orphan that nobody knows":     {Allowance{What: usernsHost, Subject: "backup"}, Finding{Check: "C01", Subject: "container/0123456789ab"}, false},
		"a check by its subject":          {Allowance{What: "K03", Subject: "/etc/x:1"}, Finding{Check: "K03", Subject: "/etc/x:1"}, true},
		"a check by a container's name":   {Allowance{What: "C07", Subject: "backup"}, Finding{Check: "C07", Subject: "container/backup"}, true},
		"on its last day":                 {Allowance{What: usernsHost, Subject: "backup", Until: day(2026, 6, 30)}, Finding{Check: "C04", Subject: "container/backup"}, true},
		"on the day after":                {Allowance{What: usernsHost, Subject: "backup", Until: day(2026, 6, 29)}, Finding{Check: "C04", Subject: "container/backup"}, false},
		"what is unknown stays unknown":   {Allowance{What: "C04", Subject: "backup"}, Finding{Check: "C04", Subject: "container/backup", Verdict: Unknown}, false},
		"a container's name is no prefix": {Allowance{What: "C04", Subject: "back"}, Finding{Check: "C04", Subject: "container/backup"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.finding.Verdict != Unknown || name != "what is unknown stays unknown" {
				c.finding.Verdict = Fail
			}
			before := c.finding.Verdict
			list := []Finding{c.finding}
			allow(list, []Allowance{c.allow}, e, now)
			if c.want {
				assert.Equal(t, Skip, list[0].Verdict)
				assert.Equal(t, "no reason given", list[0].Allowed)
			} else {
				assert.Equal(t, before, list[0].Verdict)
				assert.Empty(t, list[0].Allowed)
			}
		})
	}
	t.Run("an expired one says so", func(t *testing.T) {
		list := []Finding{{Check: "C04", Subject: "container/backup", Verdict: Fail, Text: "x"}}
		allow(list, []Allowance{{What: usernsHost, Subject: "backup", Until: day(2026, 1, 1)}}, e, now)
		assert.Equal(t, "x; the allowance ended on 2026-01-01", list[0].Text)
	})
}

func FuzzParseAllowance(f *testing.F) {
	for _, s := range []string{"userns-host=web,reason=a,until=2027-01-31", ",until=,reason=", "c01=,reason==,", "a=b,reason=,reason=,until=2000-01-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAllowance(s)
		if err != nil {
			require.Zero(t, a)
			return
		}
		require.NotEmpty(t, a.What)
		require.NotEmpty(t, a.Subject)
	})
}

func TestAnAllowanceIsNotForAContainerWhoseIDStartsLikeTheName(t *testing.T) {
	e := remapped(Container{ID: idOld, Name: "old", Image: "trusted"}, web(Container{}))
	e.Containers[1].Name = idOld[:12] // container/222222222222
	assert.Equal(t, idWeb, e.Container(idOld[:12]).ID)
	f := Finding{Check: "C01", Subject: e.Containers[1].subject()}
	assert.False(t, Allowance{What: "C01", Subject: "image:trusted"}.covers(f, e.bySubject(f.Subject)))
}
