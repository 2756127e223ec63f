package main

import (
	"fmt"
	"io"
	"time"
)

// during runs do. A person at a terminal is told what takes so long once it has
// taken a second; anyone else is told nothing.
func (e *env) during(what string, do func() error) error {
	if !terminal(e.err) {
		return do()
	}
	return progress{e.err, time.Second}.during(what, do)
}

// A progress is a line on a terminal that goes away again.
type progress struct {
	w     io.Writer
	every time.Duration
}

func (p progress) during(what string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case err := <-done:
			if n > 1 {
				fmt.Fprint(p.w, "\r\x1b[K") // to the left edge, and clear the line
			}
			return err
		case <-tick.C:
			fmt.Fprintf(p.w, "\r%s ... %v", what, time.Duration(n)*p.every)
		}
	}
}
