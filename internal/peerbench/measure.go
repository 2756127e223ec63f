package peerbench

import (
	"fmt"
	"runtime"
	"slices"
	"time"
)

// A Result is a row with what was measured.
type Result struct {
	Row
	Sides  []Measured // as Row.Sides
	Again  Spread     // usernskit next to itself: what the machine's noise makes of no difference
	Allocs float64    // per operation of usernskit
}

// Measured is one side's part of a result.
type Measured struct {
	Side
	Time  float64 // nanoseconds for one operation, the median
	Ratio Spread  // its time through that of usernskit in the same round
	Why   string  // what is wrong with its answer, or ""
}

// A Spread is a median and how far the rounds were apart.
type Spread struct{ Median, Min, Max float64 }

func spread(list []float64) Spread {
	s := slices.Sorted(slices.Values(list))
	return Spread{s[len(s)/2], s[0], s[len(s)-1]}
}

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
			result.Again = spread(ratios)
			continue
		}
		m := Measured{Side: s, Time: spread(times[i]).Median, Ratio: spread(ratios)}
		if s.Wrong != nil {
			m.Why = s.Wrong()
		}
		result.Sides = append(result.Sides, m)
	}
	return result, nil
}

// turn runs a side n times, on a heap that holds nothing of the side before.
// Libraries are charged the time on a CPU, collecting their garbage included,
// which other programs on the machine hardly change. Programs, which also wait
// for disks, are charged what passes on the clock.
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
		return 0 // a program's are its own
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	const runs = 3
	runtime.ReadMemStats(&before)
	for range runs {
		_ = s.Run() // an error has shown itself when it was timed
	}
	runtime.ReadMemStats(&after)
	// Whatever runs in the background allocates a few times as well.
	return float64((after.Mallocs - before.Mallocs) / uint64(runs*max(s.Ops, 1)))
}
