package peerbench

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Row is one piece of work on one input.
type Row struct {
	Work string // "parse subuid"
	Size string // "65e3 lines"

	// Target is the aim for the fastest correct peer: its time divided by that of
	// usernskit. 0 means no aim.
	Target float64

	// Sides[0] is usernskit. The others are peers.
	Sides []Side
}

// A Side is one library or program at the work of a row.
type Side struct {
	Name string

	// Program reports whether other processes do the work.
	Program bool
	// Before makes the input again before each Run of a Program. It is not timed.
	Before func() error
	// Run does the work.
	Run func() error
	// Floor marks a side that only makes the system calls of the work. A row that
	// misses its aim says how many times as long as its Floor usernskit takes.
	Floor bool
	// Ops is the number of operations in one Run; 0 means 1.
	Ops int

	// Wrong returns what is wrong with the answer, or "". If nil, the answer is
	// not checked.
	Wrong func() string
}

// side returns a Side whose run has an answer to check.
func side[T any](name string, run func() (T, error), wrong func(T) string) Side {
	kept := new(T) // so that no compiler leaves the work out
	return Side{
		Name: name,
		Run: func() (err error) {
			*kept, err = run()
			return err
		},
		Wrong: func() (why string) {
			defer func() {
				if r := recover(); r != nil {
					why = fmt.Sprint("panics: ", r)
				}
			}()
			answer, err := run()
			if err != nil {
				return err.Error()
			}
			return wrong(answer)
		},
	}
}

// equals returns a check that the answer is want.
func equals[T comparable](want T) func(T) string {
	return func(got T) string {
		if got == want {
			return ""
		}
		return fmt.Sprintf("%v instead of %v", got, want)
	}
}

// A Result is a row with what was measured, as medians of the rounds.
type Result struct {
	Row
	Sides  []Measured // as Row.Sides
	Again  float64    // usernskit's time divided by its own in other turns: the machine's noise
	Allocs float64    // per operation of usernskit
}

// Measured is one side's part of a result.
type Measured struct {
	Side
	Time  float64 // nanoseconds for one operation
	Ratio float64 // its time divided by usernskit's in the same round
	Why   string  // what is wrong with its answer, or ""
}

func median(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }

// Measure lets the sides of a row take turns, round after round, each for
// about the time of a batch.
func Measure(row Row, rounds int, batch time.Duration) (Result, error) {
	sides := append(slices.Clone(row.Sides), row.Sides[0]) // the last is usernskit again
	runs := make([]int, len(sides))
	for i, s := range sides {
		took, err := turn(s, 1) // warms up as well
		for n := 2; err == nil && took < batch/4; n *= 4 {
			took, err = turn(s, n)
			took /= time.Duration(n)
			if took*time.Duration(n) >= batch/4 {
				break
			}
		}
		if err != nil {
			return Result{}, fmt.Errorf("%s, %s: %s: %w", row.Work, row.Size, s.Name, err)
		}
		runs[i] = int(max(1, batch/max(took, 1)))
	}
	times := make([][]float64, len(sides))
	for round := range rounds {
		for i := range sides {
			at := (i + round) % len(sides) // nobody is always the first after a pause
			took, err := turn(sides[at], runs[at])
			if err != nil {
				return Result{}, fmt.Errorf("%s, %s: %s: %w", row.Work, row.Size, sides[at].Name, err)
			}
			times[at] = append(times[at], float64(took)/float64(runs[at]*max(sides[at].Ops, 1)))
		}
	}
	result := Result{Row: row, Allocs: allocs(row.Sides[0])}
	for i, s := range sides {
		ratios := make([]float64, rounds)
		for r := range ratios {
			ratios[r] = times[i][r] / times[0][r]
		}
		if i == len(row.Sides) {
			result.Again = median(ratios)
			continue
		}
		m := Measured{Side: s, Time: median(times[i]), Ratio: median(ratios)}
		if s.Wrong != nil {
			m.Why = s.Wrong()
		}
		result.Sides = append(result.Sides, m)
	}
	return result, nil
}

// turn runs a side n times and returns the time of all runs. The heap holds no
// garbage of the side before. Libraries are charged CPU time, garbage collection
// included, which other programs on the machine hardly change. Programs, which
// also wait for disks, are charged the time on the clock.
func turn(s Side, n int) (time.Duration, error) {
	runtime.GC()
	if !s.Program {
		start := cpu()
		for range n {
			if err := s.Run(); err != nil {
				return 0, err
			}
		}
		return cpu() - start, nil
	}
	var sum time.Duration
	for range n {
		if s.Before != nil {
			if err := s.Before(); err != nil {
				return 0, err
			}
		}
		start := time.Now()
		if err := s.Run(); err != nil {
			return 0, err
		}
		sum += time.Since(start)
	}
	return sum, nil
}

// allocs counts the allocations of one operation.
func allocs(s Side) float64 {
	if s.Program {
		return 0 // another process allocates
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	const runs = 3
	runtime.ReadMemStats(&before)
	for range runs {
		_ = s.Run() // the timed turns would have returned an error
	}
	runtime.ReadMemStats(&after)
	// Rounded down: the background allocates a few times too.
	return float64((after.Mallocs - before.Mallocs) / uint64(runs*max(s.Ops, 1)))
}

// cpu returns the CPU time that this process has used.
func cpu() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic("BUG: no CPU clock: " + err.Error())
	}
	return time.Duration(t.Nano())
}

// Table writes results as Markdown, a line for each row: the time of usernskit,
// and how many times as long the others took.
func Table(w io.Writer, results []Result) {
	fmt.Fprintln(w, "| work | usernskit | the others take |")
	fmt.Fprintln(w, "|---|---|---|")
	for _, r := range results {
		own := Duration(r.Sides[0].Time) + r.Sides[0].wrong()
		if !r.Sides[0].Program {
			own += fmt.Sprintf(", %.0f allocs", r.Allocs)
		}
		var others []string
		for _, m := range r.Sides[1:] {
			others = append(others, fmt.Sprintf("%s %sx%s", m.Name, digits(m.Ratio), m.wrong()))
		}
		if missed := r.missed(); missed != "" {
			others = append(others, missed)
		}
		fmt.Fprintf(w, "| %s, %s | %s | %s |\n", r.Work, r.Size, own, strings.Join(others, ", "))
	}
}

func (m Measured) wrong() string {
	if m.Why == "" {
		return ""
	}
	return " **wrong: " + m.Why + "**"
}

func digits(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2g", x)
}

// missed returns a note that the aim was missed, or "".
func (r Result) missed() string {
	if fastest := r.Fastest(); fastest.Name == "" || fastest.Ratio >= r.Target {
		return ""
	}
	aim := "aim " + digits(r.Target) + "x: "
	for _, m := range r.Sides[1:] {
		if m.Floor {
			return aim + digits(1/m.Ratio) + " times " + m.Name
		}
	}
	return aim + "**not met**"
}

// Fastest returns the fastest peer whose answer is right, or the zero Measured if
// there is none.
func (r Result) Fastest() (best Measured) {
	for _, m := range r.Sides[1:] {
		if m.Why == "" && !m.Floor && (best.Name == "" || m.Ratio < best.Ratio) {
			best = m
		}
	}
	return best
}

// Duration formats nanoseconds with two or three significant digits.
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
