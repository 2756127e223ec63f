package format

import (
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/verify"
)

// object is a JSON object of SARIF 2.1.0. Its properties are named as in
// https://docs.oasis-open.org/sarif/sarif/v2.1.0.
type object = map[string]any

func message(s string) object { return object{"text": s} }

// SARIF writes the report as a SARIF 2.1.0 log of one run. Passed, skipped and
// unknown findings are results of the kinds "pass", "notApplicable" and "open",
// all with the level "none".
func SARIF(w io.Writer, r verify.Report) error {
	rules, index := []object{}, map[string]int{}
	for i, c := range verify.Checks() {
		index[c.ID] = i
		help := "Reads: " + c.Reads
		if c.Remedy != "" {
			help += "\nRemedy: " + c.Remedy
		}
		properties := object{"problem.severity": c.Severity.String()}
		if len(c.Refs) > 0 {
			properties["tags"] = c.Refs
		}
		rules = append(rules, object{
			"id": c.ID, "name": c.Name,
			"shortDescription":     message(c.Title + "."),
			"fullDescription":      message(c.Why),
			"help":                 message(help),
			"defaultConfiguration": object{"level": level(c.Severity)},
			"properties":           properties,
		})
	}
	notSeen := []object{}
	for _, m := range r.Coverage.Missing {
		notSeen = append(notSeen, object{"level": "warning", "message": message("not seen: " + m)})
	}
	results := []object{}
	for _, f := range r.Findings {
		if _, ok := index[f.Check]; !ok { // not of the catalogue: a probe of verify/drill
			index[f.Check] = len(rules)
			rules = append(rules, object{"id": f.Check, "shortDescription": message(f.Name + ".")})
		}
		result := object{
			"ruleId": f.Check, "ruleIndex": index[f.Check],
			"message":             message(strings.Join(append([]string{f.Text}, details(f)...), "\n")),
			"locations":           []object{location(f.Subject)},
			"partialFingerprints": object{"usernskit/v1": f.Check + ":" + f.Subject},
		}
		result["kind"], result["level"] = kind(f)
		if f.Allowed != "" {
			result["suppressions"] = []object{{"kind": "external", "justification": f.Allowed}}
		}
		results = append(results, result)
	}
	return writeJSON(w, object{
		"$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		"version": "2.1.0",
		"runs": []object{{
			"tool":        object{"driver": object{"name": "usernskit verify", "rules": rules}},
			"invocations": []object{{"executionSuccessful": true, "toolExecutionNotifications": notSeen}},
			"results":     results,
		}},
	})
}

// kind returns the kind and the level of a result. An allowed finding does not
// say whether it was a failure or a warning, and has the level of a warning.
func kind(f verify.Finding) (string, string) {
	switch {
	case f.Verdict == verify.Fail:
		return "fail", level(f.Severity)
	case f.Verdict == verify.Warn, f.Allowed != "":
		return "fail", level(min(f.Severity, verify.Medium))
	case f.Verdict == verify.Pass:
		return "pass", "none"
	case f.Verdict == verify.Skip:
		return "notApplicable", "none"
	}
	return "open", "none"
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

// fileAndLine matches a line and a column at the end of a path.
var fileAndLine = regexp.MustCompile(`^(.*?):(\d{1,9})(?::(\d{1,9}))?$`)

// location is a place in a file if the subject is a path, else a name.
func location(subject string) object {
	if !strings.HasPrefix(subject, "/") {
		kind := "resource"
		if strings.HasPrefix(subject, "container/") {
			kind = "module"
		}
		return object{"logicalLocations": []object{{"fullyQualifiedName": subject, "kind": kind}}}
	}
	place := object{}
	if m := fileAndLine.FindStringSubmatch(subject); m != nil {
		subject = m[1]
		region := object{}
		for i, key := range []string{"startLine", "startColumn"} {
			if n, err := strconv.Atoi(m[2+i]); err == nil && n > 0 {
				region[key] = n
			}
		}
		if len(region) > 0 {
			place["region"] = region
		}
	}
	file := url.URL{Scheme: "file", Path: subject}
	place["artifactLocation"] = object{"uri": file.String()}
	return object{"physicalLocation": place}
}
