package verify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/verify/engine"
)

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func TestAnAllowanceCoversThatExceptionAndNoOther(t *testing.T) {
	e := &engine.Engine{Containers: []engine.Container{
		{ID: "1", Name: "backup", Image: "img:1", Labels: map[string]string{"k": "v"}, Userns: "host"},
		{ID: "2", Name: "web", Image: "img:1"},
	}}
	now := day(2026, 6, 30)
	for name, c := range map[string]struct {
		allow   Allowance
		finding Finding
		want    bool
	}{
		"by name":                         {Allowance{What: UsernsHost, Subject: "backup"}, Finding{Check: "C04", Subject: "container/backup"}, true},
		"its processes too":               {Allowance{What: UsernsHost, Subject: "backup"}, Finding{Check: "C01", Subject: "container/backup"}, true},
		"by image":                        {Allowance{What: UsernsHost, Subject: "image:img:1"}, Finding{Check: "C04", Subject: "container/backup"}, true},
		"by label":                        {Allowance{What: UsernsHost, Subject: "label:k=v"}, Finding{Check: "C04", Subject: "container/backup"}, true},
		"by another label":                {Allowance{What: UsernsHost, Subject: "label:k=w"}, Finding{Check: "C04", Subject: "container/backup"}, false},
		"another container":               {Allowance{What: UsernsHost, Subject: "web"}, Finding{Check: "C04", Subject: "container/backup"}, false},
		"a root without the option":       {Allowance{What: UsernsHost, Subject: "web"}, Finding{Check: "C01", Subject: "container/web"}, false},
		"an image without the option":     {Allowance{What: UsernsHost, Subject: "image:img:1"}, Finding{Check: "C01", Subject: "container/web"}, false},
		"another check of the same":       {Allowance{What: UsernsHost, Subject: "backup"}, Finding{Check: "C07", Subject: "container/backup"}, false},
		"an orphan that nobody knows":     {Allowance{What: UsernsHost, Subject: "backup"}, Finding{Check: "C01", Subject: "container/0123456789ab"}, false},
		"a check by its subject":          {Allowance{What: "K03", Subject: "/etc/x:1"}, Finding{Check: "K03", Subject: "/etc/x:1"}, true},
		"a check by a container's name":   {Allowance{What: "C07", Subject: "backup"}, Finding{Check: "C07", Subject: "container/backup"}, true},
		"on its last day":                 {Allowance{What: UsernsHost, Subject: "backup", Until: day(2026, 6, 30)}, Finding{Check: "C04", Subject: "container/backup"}, true},
		"on the day after":                {Allowance{What: UsernsHost, Subject: "backup", Until: day(2026, 6, 29)}, Finding{Check: "C04", Subject: "container/backup"}, false},
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
		allow(list, []Allowance{{What: UsernsHost, Subject: "backup", Until: day(2026, 1, 1)}}, e, now)
		assert.Equal(t, "x; the allowance ended on 2026-01-01", list[0].Text)
	})
}

func TestAnAllowanceIsNotForAContainerWhoseIDStartsLikeTheName(t *testing.T) {
	e := remapped(engine.Container{ID: idOld, Name: "old", Image: "trusted"}, web(engine.Container{}))
	e.Containers[1].Name = idOld[:12] // container/222222222222
	assert.Equal(t, idWeb, e.Container(idOld[:12]).ID)
	f := Finding{Check: "C01", Subject: subjectOf(&e.Containers[1])}
	assert.False(t, Allowance{What: "C01", Subject: "image:trusted"}.covers(f, containerOf(&e, f.Subject)))
}
