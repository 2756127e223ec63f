package peerbench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Table writes results as Markdown, a line for each row. Times are those of
// usernskit; what stands with a peer is how many times as long it took, as the
// median of the rounds with the smallest and the largest.
func Table(w io.Writer, results []Result) {
	fmt.Fprintln(w, "| work | input | usernskit | times as long: peers | aim |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, r := range results {
		var peers []string
		for _, m := range r.Sides[1:] {
			text := fmt.Sprintf("%s %s", m.Name, m.Ratio)
			if m.Wrong != "" {
				text += " **wrong: " + m.Wrong + "**"
			}
			peers = append(peers, text)
		}
		own := Duration(r.Sides[0].Time)
		if r.Sides[0].Wrong != "" {
			own += " **wrong: " + r.Sides[0].Wrong + "**"
		}
		if !r.Row.Sides[0].Program {
			own += fmt.Sprintf(", %.0f allocs", r.Allocs)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", r.Work, r.Size, own, strings.Join(peers, "<br>"), r.Verdict())
	}
}

// Growth writes what a line, a process or a byte costs at each size.
func Growth(w io.Writer, results []Result) {
	fmt.Fprintln(w, "| work | per unit, as the input grows | largest to smallest input |")
	fmt.Fprintln(w, "|---|---|---|")
	for i := 0; i < len(results); {
		j := i
		var cells []string
		var per []float64
		for ; j < len(results) && results[j].Work == results[i].Work; j++ {
			r := results[j]
			if r.Units == 0 {
				continue
			}
			ns := r.Sides[0].Time / float64(r.Units)
			per = append(per, ns)
			cells = append(cells, fmt.Sprintf("%s: %.3g ns", r.Size, ns))
		}
		if len(per) > 1 {
			fmt.Fprintf(w, "| %s | %s | %.2f |\n", results[i].Work, strings.Join(cells, ", "), per[len(per)-1]/per[0])
		}
		i = j
	}
}

// String prints the median with its range, as in "8.1 (7.6..9.2)".
func (s Spread) String() string {
	return fmt.Sprintf("%s (%s..%s)", digits(s.Median), digits(s.Min), digits(s.Max))
}

func digits(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2g", x)
}

// Verdict says what was aimed at and whether it was reached: next to the
// fastest peer whose answer is right, by the median.
func (r Result) Verdict() string {
	if r.Target == 0 {
		return ""
	}
	fastest := r.Fastest()
	switch {
	case fastest.Name == "":
		return fmt.Sprintf("%gx: no peer is right", r.Target)
	case fastest.Ratio.Median >= r.Target:
		return fmt.Sprintf("%gx: met", r.Target)
	}
	return fmt.Sprintf("%gx: **not met**", r.Target)
}

// Fastest returns the fastest peer whose answer is right.
func (r Result) Fastest() (best Measured) {
	for _, m := range r.Sides[1:] {
		if m.Wrong == "" && (best.Name == "" || m.Ratio.Median < best.Ratio.Median) {
			best = m
		}
	}
	return best
}

// Duration prints nanoseconds with the digits that mean something.
func Duration(ns float64) string {
	if ns < 100 {
		return fmt.Sprintf("%.2g ns", ns)
	}
	d := time.Duration(ns)
	step := time.Duration(1)
	for d/step >= 1000 {
		step *= 10
	}
	return d.Round(step).String()
}
