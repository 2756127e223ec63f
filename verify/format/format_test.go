package format

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/verify"
)

// sampleReport has every verdict, and names that try to break out of the format.
func sampleReport() verify.Report {
	r := verify.Report{
		Findings: []verify.Finding{
			{Check: "K02", Name: "max-userns", Verdict: verify.Pass, Severity: verify.Critical, Subject: "host", Text: "15000"},
			{Check: "K07", Name: "selftest-map", Verdict: verify.Unknown, Severity: verify.Critical, Subject: "host", Text: "needs root"},
			{Check: "K08", Name: "selftest-ipc", Verdict: verify.Skip, Subject: "host", Text: "not the running host"},
			{Check: "I04", Name: "uid-gid-aligned", Verdict: verify.Warn, Severity: verify.Low, Subject: "host", Text: "differ"},
			{Check: "I05", Name: "root-not-identity", Verdict: verify.Fail, Severity: verify.Critical, Subject: "/etc/subuid:3", Text: `"0:65536" <&> ]]>`,
				Evidence: []verify.Evidence{{Source: "/etc/subuid:3", Got: "dockremap:0:65536", Want: "a start above 999"}, {Source: "docker info", Got: "x"}},
				Remedy:   verify.Remedy{Text: "Move it.", Command: "vi /etc/subuid"}, Refs: []string{"CIS Docker 1.6.0: 2.9"}},
			{Check: "D01", Name: "config-valid", Verdict: verify.Fail, Severity: verify.Critical, Subject: "/etc/a file/daemon.json:3:14", Text: "comment"},
			{Check: "C01", Name: "process-host-ids", Verdict: verify.Fail, Severity: verify.Critical, Subject: "container/a\x1b[2J\nPASS b", Text: "process 7 (\x07\u202eevil) is root"},
			{Check: "C04", Name: "userns-host", Verdict: verify.Skip, Severity: verify.High, Subject: "container/backup", Text: "runs with --userns=host; allowed: disks", Allowed: "disks"},
		},
		Coverage: verify.Coverage{Host: "/", Live: true, Docker: "unix:///run/docker.sock", Processes: 12, Missing: []string{"2 processes"}},
	}
	r.Summary = verify.Summary{Pass: 1, Fail: 3, Warn: 1, Skip: 2, Unknown: 1, Allowed: 1, Text: "cannot tell"}
	return r
}

func render(t *testing.T, write func(*bytes.Buffer) error) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}

func TestTextForPeople(t *testing.T) {
	r := sampleReport()
	assert.Equal(t, `unknown K07 critical  host                          needs root
warn    I04 low       host                          differ
fail    I05 critical  /etc/subuid:3                 "0:65536" <&> ]]>
fail    D01 critical  /etc/a file/daemon.json:3:14  comment
fail    C01 critical  container/a\x1b[2J\nPASS b    process 7 (\a\u202eevil) is root
skip    C04 -         container/backup              runs with --userns=host; allowed: disks
1 passed, 3 failed, 1 warning, 1 unknown, 2 skipped (1 allowed)
not seen: 2 processes
remapped: cannot tell
`, render(t, func(b *bytes.Buffer) error { return Text(b, r, Options{}) }))

	all := render(t, func(b *bytes.Buffer) error { return Text(b, r, Options{All: true, Evidence: true}) })
	assert.Contains(t, all, `fail    I05 critical  /etc/subuid:3                 "0:65536" <&> ]]>
          /etc/subuid:3: dockremap:0:65536 (want a start above 999)
          docker info: x
          remedy: Move it.
          # vi /etc/subuid
`)
	assert.Contains(t, all, "pass    K02 -         host")
	assert.NotContains(t, all, "\x1b")
	assert.Contains(t, render(t, func(b *bytes.Buffer) error { return Text(b, r, Options{Color: true}) }), "\x1b[31;1mfail   \x1b[0m")
}

// What follows from one cause is one line, however each check words it.
func TestOneCauseOnce(t *testing.T) {
	const down, file = "the daemon does not answer: dial unix /run/d.sock: connect: refused", "open /etc/subuid: too many levels of symbolic links"
	unknown := func(check, subject, text string) verify.Finding {
		return verify.Finding{Check: check, Subject: subject, Text: text}
	}
	r := verify.Report{Coverage: verify.Coverage{Missing: []string{down, "2 processes"}}, Findings: []verify.Finding{
		unknown("I02", "/etc/subuid", "its ranges are not known: "+file),
		unknown("I08", "host", "other owners' ranges are not known: "+file),
		{Check: "D04", Verdict: verify.Fail, Subject: "docker", Text: down},
		unknown("D06", "docker", down), unknown("C03", "docker", "the daemon's containers are not known: "+down),
		unknown("C01", "process/7", "open /proc/7: permission denied"), unknown("C01", "process/8", "open /proc/8: permission denied"),
	}}
	assert.Equal(t, `unknown I02 info      /etc/subuid  its ranges are not known: open /etc/subuid: too many levels of symbolic links (so I08 cannot be told)
fail    D04 info      docker       the daemon does not answer: dial unix /run/d.sock: connect: refused (so D06, C03 cannot be told)
unknown C01 info      process/7    open /proc/7: permission denied
unknown C01 info      process/8    open /proc/8: permission denied
0 passed, 0 failed, 0 warnings, 0 unknown, 0 skipped
not seen: 2 processes
remapped: 
`, render(t, func(b *bytes.Buffer) error { return Text(b, r, Options{}) }))
}

func TestNoNameMovesTheCursorOrStartsALine(t *testing.T) {
	lines := 0
	text := render(t, func(b *bytes.Buffer) error { return Text(b, sampleReport(), Options{All: true}) })
	for line := range strings.Lines(text) {
		lines++
		for _, c := range strings.TrimSuffix(line, "\n") {
			assert.False(t, unicode.IsControl(c) || c == '\u202e', "%q", line)
		}
	}
	assert.Equal(t, 8+3, lines, "one line for each finding, and three for the summary")
}

func TestJSONHasTheFieldsOfTheContract(t *testing.T) {
	text := render(t, func(b *bytes.Buffer) error { return JSON(b, sampleReport()) })
	var doc struct {
		Schema   int
		Findings []map[string]any
		Coverage map[string]any
		Summary  map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	assert.Equal(t, 1, doc.Schema)
	require.Len(t, doc.Findings, 8)
	f := doc.Findings[4]
	assert.Equal(t, "I05", f["check"])
	assert.Equal(t, "fail", f["verdict"])
	assert.Equal(t, "critical", f["severity"])
	assert.Equal(t, "/etc/subuid:3", f["subject"])
	assert.Equal(t, map[string]any{"source": "/etc/subuid:3", "got": "dockremap:0:65536", "want": "a start above 999"}, f["evidence"].([]any)[0])
	assert.Equal(t, map[string]any{"text": "Move it.", "command": "vi /etc/subuid"}, f["remedy"])
	assert.Equal(t, []any{"CIS Docker 1.6.0: 2.9"}, f["refs"])
	assert.Equal(t, "unknown", doc.Summary["remapped"])
	assert.EqualValues(t, 3, doc.Summary["fail"])
	assert.Equal(t, true, doc.Coverage["live"])

	var back verify.Report
	require.NoError(t, json.Unmarshal([]byte(text), &back))
	assert.Equal(t, text, render(t, func(b *bytes.Buffer) error { return JSON(b, back) }), "reads back as itself")
	assert.NotContains(t, text, "null")
	assert.Contains(t, render(t, func(b *bytes.Buffer) error { return JSON(b, verify.Report{}) }), `"findings": []`)
}

func TestJUnitHasACaseForEachFinding(t *testing.T) {
	text := render(t, func(b *bytes.Buffer) error { return JUnit(b, sampleReport()) })
	var suite junitSuite
	require.NoError(t, xml.Unmarshal([]byte(text), &suite))
	assert.Equal(t, 8, suite.Tests)
	assert.Len(t, suite.Cases, 8)
	assert.Equal(t, 3, suite.Failures)
	assert.Equal(t, 3, suite.Skipped)
	failed, skipped := 0, 0
	for _, c := range suite.Cases {
		if c.Failure != nil {
			failed++
		}
		if c.Skipped != nil {
			skipped++
			assert.NotEmpty(t, c.Skipped.Message)
		}
	}
	assert.Equal(t, suite.Failures, failed)
	assert.Equal(t, suite.Skipped, skipped)
	assert.Contains(t, text, "unknown: needs root")
	assert.NotContains(t, text, "\x1b")
}

func TestSARIFIsValidByItsSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("testdata/sarif-2.1.0.schema.json")
	require.NoError(t, err)
	text := render(t, func(b *bytes.Buffer) error { return SARIF(b, sampleReport()) })
	var doc any
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	assert.NoError(t, schema.Validate(doc))

	t.Run("and the check of it can fail", func(t *testing.T) {
		for _, c := range []struct{ from, to string }{
			{`"version": "2.1.0"`, `"version": "2.0"`},
			{`"kind": "pass"`, `"kind": "passed"`},
			{`"ruleId"`, `"rule"`},
			{`"startLine": 3`, `"startLine": 0`},
			{`"startLine": 3`, `"startLine": "3"`},
			{`"executionSuccessful": true`, `"executionSuccessful": 1`},
			{`"name": "usernskit verify",`, ``},
		} {
			broken := strings.Replace(text, c.from, c.to, 1)
			require.NotEqual(t, text, broken, "%s does not occur", c.from)
			var doc any
			require.NoError(t, json.Unmarshal([]byte(broken), &doc), c.from)
			assert.Error(t, schema.Validate(doc), "%s for %s passes", c.to, c.from)
		}
	})
	t.Run("empty report", func(t *testing.T) {
		var doc any
		require.NoError(t, json.Unmarshal([]byte(render(t, func(b *bytes.Buffer) error { return SARIF(b, verify.Report{}) })), &doc))
		assert.NoError(t, schema.Validate(doc))
	})
}

func TestSARIFSaysWhereAndHowBad(t *testing.T) {
	type text struct{ Text string }
	type result struct {
		RuleID    string
		RuleIndex int
		Kind      string
		Level     string
		Locations []struct {
			Physical *struct {
				Artifact struct{ URI string } `json:"artifactLocation"`
				Region   map[string]int
			} `json:"physicalLocation"`
			Logical []struct {
				Name string `json:"fullyQualifiedName"`
			} `json:"logicalLocations"`
		}
		Suppressions []struct{ Justification string }
	}
	var log struct {
		Runs []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Invocations []struct {
				Notifications []struct{ Message text } `json:"toolExecutionNotifications"`
			}
			Results []result
		}
	}
	report := sampleReport()
	report.Findings = append(report.Findings, verify.Finding{Check: "core-pattern", Name: "a probe of the drill"}, verify.Finding{Check: "shadow"}, verify.Finding{Check: "core-pattern"})
	require.NoError(t, json.Unmarshal([]byte(render(t, func(b *bytes.Buffer) error { return SARIF(b, report) })), &log))
	results := map[string]result{}
	for _, r := range log.Runs[0].Results {
		results[r.RuleID] = r
		assert.Equal(t, r.RuleID, log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID)
		// SARIF 3.27.10: a level other than none only where the kind is fail.
		assert.Equal(t, r.Kind == "fail", r.Level != "none", r.RuleID)
	}
	assert.Equal(t, "file:///etc/subuid", results["I05"].Locations[0].Physical.Artifact.URI)
	assert.Equal(t, 3, results["I05"].Locations[0].Physical.Region["startLine"])
	assert.Equal(t, "file:///etc/a%20file/daemon.json", results["D01"].Locations[0].Physical.Artifact.URI)
	assert.Equal(t, map[string]int{"startLine": 3, "startColumn": 14}, results["D01"].Locations[0].Physical.Region)
	assert.Nil(t, results["K07"].Locations[0].Physical)
	assert.Equal(t, "container/backup", results["C04"].Locations[0].Logical[0].Name)
	assert.Equal(t, "disks", results["C04"].Suppressions[0].Justification)
	for id, want := range map[string]string{"I05": "fail error", "I04": "fail warning", "K07": "open none", "K02": "pass none", "K08": "notApplicable none"} {
		assert.Equal(t, want, results[id].Kind+" "+results[id].Level, id)
	}
	f := verify.Finding{Verdict: verify.Warn, Severity: verify.High}
	_, warned := kind(f)
	f.Verdict, f.Allowed = verify.Skip, "disks"
	_, allowed := kind(f)
	assert.Equal(t, warned, allowed, "an allowance does not make a warning worse")
	assert.Len(t, log.Runs[0].Tool.Driver.Rules, len(verify.Checks())+2)
	assert.Contains(t, log.Runs[0].Invocations[0].Notifications[0].Message.Text, "2 processes")
}
