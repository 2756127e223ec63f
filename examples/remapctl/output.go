package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// An output is standard output that remembers its first error, for the commands
// that print line by line. After that error it takes nothing any more.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(data []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.w.Write(data)
	o.err = err
	return n, err
}

// lost is why data could not be printed; nil where all was.
func (e *env) lost() error {
	if o, ok := e.out.(*output); ok {
		return o.err
	}
	return nil
}

// told is how a command ends that returned err: without its data it has not done
// what it is for, whatever it found. What it did is done all the same.
func (e *env) told(err error) error {
	lost := e.lost()
	var code exitCode
	switch {
	case lost == nil, err != nil && !errors.As(err, &code) && !errors.Is(err, lost):
		return err
	case e.done != "":
		e.note("%s, but could not be told: %v", e.done, lost)
		return incomplete
	}
	return fmt.Errorf("standard output: %w", lost)
}

// file returns the file that a stream is.
func file(stream any) (*os.File, bool) {
	if o, ok := stream.(*output); ok {
		stream = o.w
	}
	f, ok := stream.(*os.File)
	return f, ok
}
