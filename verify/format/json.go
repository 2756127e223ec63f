package format

import (
	"encoding/json"
	"io"

	"github.com/usernskit/usernskit/verify"
)

// SchemaVersion is the "schema" of the JSON that this package writes. Fields
// may be added under the same number; existing ones keep their meaning.
const SchemaVersion = 1

// JSON writes the report as one JSON object: schema, findings, coverage
// and summary, as the fields of [verify.Report] are tagged.
func JSON(w io.Writer, r verify.Report) error {
	// Lists are never null.
	findings := make([]verify.Finding, len(r.Findings))
	for i, f := range r.Findings {
		f.Evidence, f.Refs = orEmpty(f.Evidence), orEmpty(f.Refs)
		findings[i] = f
	}
	r.Findings = findings
	c := &r.Coverage
	c.Missing, c.Others, c.Daemons = orEmpty(c.Missing), orEmpty(c.Others), orEmpty(c.Daemons)
	return writeJSON(w, struct {
		Schema int `json:"schema"`
		verify.Report
	}{SchemaVersion, r})
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
