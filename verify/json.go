package verify

import (
	"encoding/json"
	"io"
)

// SchemaVersion is the "schema" of the JSON that this package writes. Fields may
// be added under the same number; none goes away or changes its meaning.
const SchemaVersion = 1

// WriteJSON writes the report as one JSON object: schema, findings, coverage
// and summary, as the fields of [Report] are tagged.
func (r Report) WriteJSON(w io.Writer) error {
	if r.Findings == nil {
		r.Findings = []Finding{} // a list to those who read it, never null
	}
	return writeJSON(w, struct {
		Schema int `json:"schema"`
		Report
	}{SchemaVersion, r})
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
