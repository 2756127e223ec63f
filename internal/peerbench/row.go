package peerbench

import "fmt"

// A Row is one piece of work on one input.
type Row struct {
	Work string // "parse subuid"
	Size string // "65e3 lines"

	// Units is how many lines, processes or bytes the input has; time per unit
	// is what should stay the same as it grows. 0: the row is about one size.
	Units int

	// Target is how many times as long as usernskit the fastest peer that is
	// right should take. 0: none is set.
	Target float64

	// Sides[0] is usernskit. The others are peers.
	Sides []Side
}

// A Side is one library or program at the work of a row.
type Side struct {
	Name string

	// Program: the work is done by other processes.
	Program bool
	// Before makes the input again where a program uses it up. It is not timed.
	Before func() error
	// Run does the work.
	Run func() error
	// Floor: no peer, but the system calls that the work takes with nothing done
	// about them. A row that has it and misses its aim says how far it is from that.
	Floor bool
	// Ops is how often Run does it; 0 is once.
	Ops int

	// Target is an aim of its own for this peer, right or wrong; the row's is
	// for the others. A third: usernskit may take three times as long.
	Target float64

	// Wrong says what is wrong with the answer, or "".
	Wrong func() string
}

// side makes a Side of work that has an answer.
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

// equals is the check of an answer that has to be this one.
func equals[T comparable](want T) func(T) string {
	return func(got T) string {
		if got == want {
			return ""
		}
		return fmt.Sprintf("%v instead of %v", got, want)
	}
}
