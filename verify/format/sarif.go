package format

import (
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/verify"
)

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool        sarifTool         `json:"tool"`
	Invocations []sarifInvocation `json:"invocations"`
	Results     []sarifResult     `json:"results"`
}

type sarifTool struct {
	Driver struct {
		Name  string      `json:"name"`
		Rules []sarifRule `json:"rules"`
	} `json:"driver"`
}

type sarifRule struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Short   sarifText `json:"shortDescription"`
	Full    sarifText `json:"fullDescription"`
	Help    sarifText `json:"help"`
	Default struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
	Properties struct {
		Severity string   `json:"problem.severity"`
		Tags     []string `json:"tags,omitempty"`
	} `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
}

type sarifNotification struct {
	Level   string    `json:"level"`
	Message sarifText `json:"message"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Kind         string             `json:"kind"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprint  map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

type sarifLocation struct {
	Physical *sarifPhysical `json:"physicalLocation,omitempty"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
	Region *sarifRegion `json:"region,omitempty"`
}

type sarifRegion struct {
	Line   int `json:"startLine"`
	Column int `json:"startColumn,omitempty"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
	Kind string `json:"kind"`
}

// SARIF writes the report as a SARIF 2.1.0 log of one run. Passed and
// skipped checks are results of the kinds "pass" and "notApplicable", what is
// unknown is of the kind "open"; none of them has a level.
func SARIF(w io.Writer, r verify.Report) error {
	run := sarifRun{Results: []sarifResult{}, Invocations: []sarifInvocation{{Successful: true}}}
	run.Tool.Driver.Name = "usernskit verify"
	index := map[string]int{}
	for i, c := range verify.Checks() {
		index[c.ID] = i
		rule := sarifRule{ID: c.ID, Name: c.Name, Short: sarifText{c.Title + "."}, Full: sarifText{c.Why}, Help: sarifText{"Reads: " + c.Reads}}
		if c.Remedy != "" {
			rule.Help.Text += "\nRemedy: " + c.Remedy
		}
		rule.Default.Level = level(c.Severity)
		rule.Properties.Severity = c.Severity.String()
		rule.Properties.Tags = c.Refs
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule)
	}
	for _, m := range r.Coverage.Missing {
		inv := &run.Invocations[0]
		inv.Notifications = append(inv.Notifications, sarifNotification{Level: "warning", Message: sarifText{"not seen: " + m}})
	}
	for _, f := range r.Findings {
		res := sarifResult{
			RuleID: f.Check, RuleIndex: index[f.Check], Kind: "fail", Level: "none",
			Message:     sarifText{strings.TrimSuffix(f.Text+"\n"+details(f), "\n")},
			Locations:   []sarifLocation{location(f.Subject)},
			Fingerprint: map[string]string{"usernskit/v1": f.Check + ":" + f.Subject},
		}
		switch {
		case f.Allowed != "":
			// An allowed failure keeps its level.
			res.Level = level(f.Severity)
			res.Suppressions = []sarifSuppression{{Kind: "external", Justification: f.Allowed}}
		case f.Verdict == verify.Fail:
			res.Level = level(f.Severity)
		case f.Verdict == verify.Warn:
			res.Level = "warning"
			if f.Severity == verify.Info {
				res.Level = "note"
			}
		case f.Verdict == verify.Pass:
			res.Kind = "pass"
		case f.Verdict == verify.Skip:
			res.Kind = "notApplicable"
		default:
			res.Kind = "open"
		}
		run.Results = append(run.Results, res)
	}
	return writeJSON(w, sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func level(s verify.Severity) string {
	switch s {
	case verify.High, verify.Critical:
		return "error"
	case verify.Medium, verify.Low:
		return "warning"
	}
	return "note"
}

// location is a place in a file where the subject is one, else a name.
func location(subject string) sarifLocation {
	if !strings.HasPrefix(subject, "/") {
		kind := "resource"
		if strings.HasPrefix(subject, "container/") {
			kind = "module"
		}
		return sarifLocation{Logical: []sarifLogical{{Name: subject, Kind: kind}}}
	}
	p := &sarifPhysical{}
	p.Artifact.URI = "file://" + uriPath(subject)
	if m := regexp.MustCompile(`^(.*?):(\d{1,9})(?::(\d{1,9}))?$`).FindStringSubmatch(subject); m != nil {
		p.Artifact.URI = "file://" + uriPath(m[1])
		p.Region = &sarifRegion{}
		p.Region.Line, _ = strconv.Atoi(m[2])
		p.Region.Column, _ = strconv.Atoi(m[3])
	}
	return sarifLocation{Physical: p}
}

// uriPath escapes a path for a URI (RFC 3986), byte by byte.
func uriPath(path string) string {
	var b strings.Builder
	for _, c := range []byte(path) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("/-._~", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)+0x100, 16)[1:]))
		}
	}
	return b.String()
}
