// Package answer is this module's form of an answer to a question about a host:
// found, absent after a complete look, or cannot tell.
package answer

import (
	"errors"
	"fmt"
)

// An Answer is the result of a look at a host: a value, absent, or the reason
// why neither is known. The zero Answer is unknown.
//
// Only an absence after a complete look may become a "no" or a pass.
type Answer[T any] struct {
	value T
	state state
	why   error
}

type state int

const (
	unknown state = iota
	found
	absent
)

// errNotLooked is the reason of the zero Answer.
var errNotLooked = errors.New("nobody looked")

// Found is the answer that holds a value.
func Found[T any](value T) Answer[T] { return Answer[T]{value: value, state: found} }

// Absent is the answer of a complete look that found nothing.
func Absent[T any]() Answer[T] { return Answer[T]{state: absent} }

// Unknown is the answer of a look that failed or was incomplete; why is the
// reason.
func Unknown[T any](why error) Answer[T] { return Answer[T]{why: why} }

// Get returns the value if ok. An error means that the answer is unknown;
// without one, ok distinguishes found from absent.
func (a Answer[T]) Get() (value T, ok bool, err error) {
	if a.state == unknown {
		if a.why == nil {
			return value, false, errNotLooked
		}
		return value, false, a.why
	}
	return a.value, a.state == found, nil
}

// String prints the answer for tests and messages.
func (a Answer[T]) String() string {
	switch value, ok, err := a.Get(); {
	case err != nil:
		return fmt.Sprintf("cannot tell: %v", err)
	case ok:
		return fmt.Sprint(value)
	}
	return "absent"
}
