package peerbench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Table writes results as Markdown, a line for each row. Times are those of
// usernskit; the number of a peer is how many times as long it took, as the
// median of the rounds with the smallest and the largest.
func Table(w io.Writer, results []Result) {
	fmt.Fprintln(w, "| work | input | usernskit | times as long: peers | aim |")
	fmt.Fprintln(w, "|---|---|---|---|---|")
	for _, r := range results {
		var peers []string
		for _, m := range r.Sides[1:] {
			peers = append(peers, fmt.Sprintf("%s %s%s", m.Name, m.Ratio, m.wrong()))
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s |\n", r.Work, r.Row.Size, r.own(), strings.Join(peers, "<br>"), r.Verdict())
	}
}

// Brief is Table with the largest input of each work, where that does not grow
// with it the smallest as well, and medians only. A row whose aim was not met is
// never left out, and says so.
func Brief(w io.Writer, results []Result) {
	fmt.Fprintln(w, "| work | usernskit | the others take |")
	fmt.Fprintln(w, "|---|---|---|")
	for i, r := range results {
		first := i == 0 || results[i-1].Work != r.Work
		last := i+1 == len(results) || results[i+1].Work != r.Work
		verdict, met := r.judge()
		if !last && (!first || r.Units > 0) && met {
			continue
		}
		var peers []string
		for _, m := range r.Sides[1:] {
			if m.Floor && !met {
				continue // the verdict has it
			}
			peers = append(peers, fmt.Sprintf("%s %sx%s", m.Name, digits(m.Ratio.Median), m.wrong()))
		}
		if !met {
			peers = append(peers, "aim "+verdict)
		}
		fmt.Fprintf(w, "| %s, %s | %s | %s |\n", r.Work, r.Row.Size, r.own(), strings.Join(peers, ", "))
	}
}

// own is what usernskit took.
func (r Result) own() string {
	own := Duration(r.Sides[0].Time) + r.Sides[0].wrong()
	if !r.Sides[0].Program {
		own += fmt.Sprintf(", %.0f allocs", r.Allocs)
	}
	return own
}

func (m Measured) wrong() string {
	if m.Why == "" {
		return ""
	}
	return " **wrong: " + m.Why + "**"
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
			cells = append(cells, fmt.Sprintf("%s: %.3g ns", r.Row.Size, ns))
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

// Verdict says what was aimed at and whether it was reached by the median: next
// to the fastest peer whose answer is right, and next to those with an aim of
// their own.
func (r Result) Verdict() string {
	verdict, _ := r.judge()
	return verdict
}

// judge is Verdict, and whether nothing was missed.
func (r Result) judge() (verdict string, met bool) {
	if r.Row.Target == 0 {
		return "", true
	}
	aim := digits(r.Row.Target) + "x"
	met = r.Fastest().Ratio.Median >= r.Row.Target
	for _, m := range r.Sides[1:] {
		if m.Target > 0 {
			aim += fmt.Sprintf(", %s %sx", m.Name, digits(m.Target))
			met = met && m.Ratio.Median >= m.Target
		}
	}
	switch {
	case r.Fastest().Name == "":
		return aim + ": no peer is right", true
	case met:
		return aim + ": met", true
	}
	for _, m := range r.Sides[1:] {
		if m.Floor {
			return fmt.Sprintf("%s: %s times %s", aim, digits(1/m.Ratio.Median), m.Name), false
		}
	}
	return aim + ": **not met**", false
}

// Fastest returns the fastest peer whose answer is right and that has no aim of
// its own.
func (r Result) Fastest() (best Measured) {
	for _, m := range r.Sides[1:] {
		if m.Why == "" && m.Target == 0 && !m.Floor && (best.Name == "" || m.Ratio.Median < best.Ratio.Median) {
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
