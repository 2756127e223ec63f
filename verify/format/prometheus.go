package format

import (
	"fmt"
	"io"
	"strings"

	"github.com/usernskit/usernskit/verify"
)

// Prometheus writes the report in the text format of Prometheus, for the
// textfile collector of node_exporter: the number of findings of each check by
// verdict, and the summary. Every check that ran has a series, so that an alert
// can distinguish "no findings" from "did not run".
func Prometheus(w io.Writer, r verify.Report) error {
	var b strings.Builder
	b.WriteString("# HELP usernskit_check Findings of a check, by verdict.\n# TYPE usernskit_check gauge\n")
	type key struct {
		check, verdict, severity string
	}
	count := map[key]int{}
	var order []key
	for _, f := range r.Findings {
		k := key{f.Check, f.Verdict.String(), f.Severity.String()}
		if count[k] == 0 {
			order = append(order, k)
		}
		count[k]++
	}
	for _, k := range order {
		fmt.Fprintf(&b, "usernskit_check{check=%q,verdict=%q,severity=%q} %d\n", k.check, k.verdict, k.severity, count[k])
	}
	remapped := 0
	if r.Summary.Remapped == verify.Pass {
		remapped = 1
	}
	b.WriteString("# HELP usernskit_remapped 1 if every process of every container is remapped, 0 if not or not known.\n" +
		"# TYPE usernskit_remapped gauge\n")
	fmt.Fprintf(&b, "usernskit_remapped{verdict=%q} %d\n", r.Summary.Remapped, remapped)
	_, err := io.WriteString(w, b.String())
	return err
}
