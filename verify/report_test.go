package verify

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAVerdictThatNobodySetIsUnknown(t *testing.T) {
	var f Finding
	assert.Equal(t, Unknown, f.Verdict)
}

func TestWordsOfReportsReadBackAsThemselves(t *testing.T) {
	for v := Unknown; v <= Skip; v++ {
		data, err := json.Marshal(v)
		require.NoError(t, err)
		var back Verdict
		require.NoError(t, json.Unmarshal(data, &back))
		assert.Equal(t, v, back)
	}
	for s := Info; s <= Critical; s++ {
		data, err := json.Marshal(s)
		require.NoError(t, err)
		var back Severity
		require.NoError(t, json.Unmarshal(data, &back))
		assert.Equal(t, s, back)
	}
	var v Verdict
	assert.EqualError(t, v.UnmarshalText([]byte("ok")), `"ok" is not a Verdict: one of ["unknown" "pass" "fail" "warn" "skip"]`)
	assert.Equal(t, "Verdict(9)", Verdict(9).String())
	assert.Equal(t, "Severity(-1)", Severity(-1).String())
}

func TestRemappedOnlyWhenDaemonAndKernelBothSaySo(t *testing.T) {
	report := func(d05, c01, c02, c03 Verdict) Report {
		r := Report{Findings: []Finding{
			{Check: "D05", Verdict: d05}, {Check: "C01", Verdict: c01}, {Check: "C02", Verdict: c02}, {Check: "C03", Verdict: c03},
			{Check: "I04", Verdict: Fail}, // has no say
		}}
		r.finish()
		return r
	}
	for _, c := range []struct {
		d05, c01, c02, c03, want Verdict
	}{
		{Pass, Pass, Pass, Pass, Pass},
		{Pass, Skip, Skip, Pass, Pass}, // no container runs
		{Fail, Pass, Pass, Pass, Fail},
		{Pass, Fail, Pass, Pass, Fail},
		{Pass, Pass, Fail, Pass, Fail},
		{Pass, Pass, Pass, Fail, Fail},
		{Unknown, Pass, Pass, Pass, Unknown},
		{Pass, Unknown, Pass, Pass, Unknown},
		{Pass, Pass, Pass, Unknown, Unknown},
		{Skip, Pass, Pass, Pass, Unknown}, // the daemon did not say it
		{Skip, Skip, Skip, Skip, Skip},
		{Unknown, Fail, Pass, Pass, Fail},
	} {
		assert.Equal(t, c.want, report(c.d05, c.c01, c.c02, c.c03).Summary.Remapped, "%v", c)
	}
	t.Run("not all were asked for", func(t *testing.T) {
		r := Report{Findings: []Finding{{Check: "D05", Verdict: Pass}, {Check: "C01", Verdict: Pass}}}
		r.finish()
		assert.Equal(t, Skip, r.Summary.Remapped)
		r.Coverage.Live = true
		r.finish()
		assert.Equal(t, "not asked", r.Summary.Text)
		r.Findings[1].Verdict = Fail
		r.finish()
		assert.Equal(t, Fail, r.Summary.Remapped, "one failure is enough for a no")
		r.Findings[1].Verdict = Unknown
		r.finish()
		assert.Equal(t, Unknown, r.Summary.Remapped)
	})
	t.Run("an allowed exception is no pass", func(t *testing.T) {
		r := Report{Findings: []Finding{{Check: "D05", Verdict: Pass}, {Check: "C01", Verdict: Skip, Allowed: "backup"}, {Check: "C02", Verdict: Pass}, {Check: "C03", Verdict: Pass}}}
		r.finish()
		assert.Equal(t, Warn, r.Summary.Remapped)
		assert.Equal(t, 1, r.Summary.Allowed)
	})
}

func TestFindingsComeInTheOrderOfTheCatalogueWorstFirst(t *testing.T) {
	r := Report{Findings: []Finding{
		{Check: "C01", Verdict: Pass, Subject: "a"}, {Check: "C01", Verdict: Fail, Severity: Medium, Subject: "b"},
		{Check: "C01", Verdict: Fail, Severity: Critical, Subject: "z"}, {Check: "C01", Verdict: Unknown, Subject: "c"},
		{Check: "K01", Verdict: Skip, Subject: "host"},
	}}
	r.finish()
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Check+" "+f.Verdict.String()+" "+f.Subject)
	}
	assert.Equal(t, []string{"K01 skip host", "C01 fail z", "C01 fail b", "C01 unknown c", "C01 pass a"}, got)
	assert.Equal(t, Summary{Pass: 1, Fail: 2, Skip: 1, Unknown: 1, Remapped: Fail, Text: "no"}, r.Summary)
}
