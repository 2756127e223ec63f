package main

import (
	"cmp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify"
)

func TestExitCodeFollowsTheWorstThatCounts(t *testing.T) {
	one := func(v verify.Verdict, s verify.Severity) verify.Finding {
		return verify.Finding{Verdict: v, Severity: s}
	}
	for name, c := range map[string]struct {
		gate string
		list []verify.Finding
		want error
	}{
		"nothing at all":                 {"", nil, nil},
		"passed and skipped":             {"", []verify.Finding{one(verify.Pass, verify.High), one(verify.Skip, verify.High)}, nil},
		"a failure":                      {"", []verify.Finding{one(verify.Pass, verify.High), one(verify.Fail, verify.Low)}, findings},
		"a warning":                      {"", []verify.Finding{one(verify.Warn, verify.Critical)}, nil},
		"a warning that counts":          {"warn", []verify.Finding{one(verify.Warn, verify.Low)}, findings},
		"information never counts":       {"warn", []verify.Finding{one(verify.Warn, verify.Info), one(verify.Fail, verify.Info)}, nil},
		"too mild a failure":             {"high", []verify.Finding{one(verify.Fail, verify.Medium)}, nil},
		"a severe failure":               {"high", []verify.Finding{one(verify.Fail, verify.High)}, findings},
		"a severe warning":               {"high", []verify.Finding{one(verify.Warn, verify.Critical)}, findings},
		"something not seen":             {"", []verify.Finding{one(verify.Unknown, verify.Low)}, incomplete},
		"a failure beats what is unseen": {"", []verify.Finding{one(verify.Unknown, verify.Critical), one(verify.Fail, verify.Low)}, findings},
		"and in any order":               {"", []verify.Finding{one(verify.Fail, verify.Low), one(verify.Unknown, verify.Critical)}, findings},
		"unseen stays when it is mild":   {"critical", []verify.Finding{one(verify.Fail, verify.Low), one(verify.Unknown, verify.Info)}, incomplete},
	} {
		assert.Equal(t, c.want, judge(verify.Report{Findings: c.list}, cmp.Or(c.gate, "fail"), false), name)
	}
	assert.NoError(t, judge(verify.Report{Findings: []verify.Finding{one(verify.Unknown, verify.High)}}, "fail", true))
}

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

func TestAllowancesAsTheyAreTyped(t *testing.T) {
	for text, want := range map[string]verify.Allowance{
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
		got, err := parseAllowance(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, bad := range []string{"", "web", "userns-host", "userns-host=", "=web", "Z01=web", "userns-host=web,until=tomorrow", "userns-host=web,until=2027-02-30", ",reason=x"} {
		a, err := parseAllowance(bad)
		assert.Error(t, err, bad)
		assert.Zero(t, a, bad)
	}
}

func FuzzParseAllowance(f *testing.F) {
	for _, s := range []string{"userns-host=web,reason=a,until=2027-01-31", ",until=,reason=", "c01=,reason==,", "a=b,reason=,reason=,until=2000-01-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAllowance(s)
		if err != nil {
			require.Zero(t, a)
			return
		}
		require.NotEmpty(t, a.What)
		require.NotEmpty(t, a.Subject)
	})
}
