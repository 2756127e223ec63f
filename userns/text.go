package userns

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/usernskit/usernskit"
)

// ParseMap reads the text of /proc/PID/uid_map or gid_map, user_namespaces(7).
// The name is for errors, which are [*usernskit.FileError]s with line and
// column. Empty text is the zero Map: the namespace has no map yet.
//
// It is as strict as the kernel and stricter about numbers, which the kernel
// takes modulo 2^32: "0 4294967296 1" would be host root. Only decimal digits
// up to 4294967295 are read, three numbers on a line.
//
// A first host ID of 4294967295 is how the kernel shows an ID to a reader
// whose own namespace lacks it; that is an error that matches [ErrUnmapped].
func ParseMap(name string, data []byte) (Map, error) {
	if len(data) == 0 {
		return Map{}, nil
	}
	var extents []Extent
	for at := 0; at < len(data); {
		line := len(extents) + 1
		if line > MaxExtents {
			return Map{}, &usernskit.FileError{File: name, Line: line,
				Err: fmt.Errorf("%w: more than %d lines", ErrInvalidMap, MaxExtents)}
		}
		e, end, err := parseExtent(data, at)
		if err != nil {
			return Map{}, &usernskit.FileError{File: name, Line: line, Col: end - at + 1, Err: err}
		}
		extents = append(extents, e)
		at = end + 1
	}
	m, err := NewMap(extents...)
	if bad := (*extentError)(nil); errors.As(err, &bad) {
		err = fmt.Errorf("%w: it %s", ErrInvalidMap, bad.why)
		return Map{}, &usernskit.FileError{File: name, Line: bad.index + 1, Err: err}
	}
	return m, err
}

// parseExtent reads the line that begins at data[at:]. It returns where the
// line ends, or the place of the error.
func parseExtent(data []byte, at int) (e Extent, end int, err error) {
	if e.ID, at, err = parseID(data, at); err != nil {
		return Extent{}, at, err
	}
	if e.HostID, at, err = parseID(data, at); err != nil {
		return Extent{}, at, err
	}
	if e.HostID == math.MaxUint32 {
		return Extent{}, at - len("4294967295"), fmt.Errorf("%w in the namespace it was read from", ErrUnmapped)
	}
	if e.Count, at, err = parseID(data, at); err != nil {
		return Extent{}, at, err
	}
	for at < len(data) && isBlank(data[at]) {
		at++
	}
	if at < len(data) && data[at] != '\n' {
		return Extent{}, at, fmt.Errorf("%w: more than three numbers", ErrInvalidMap)
	}
	return e, at, nil
}

// parseID reads the number after the blanks at data[at:], and returns where it
// ends, or on error where it begins.
func parseID(data []byte, at int) (id uint32, end int, err error) {
	for at < len(data) && isBlank(data[at]) {
		at++
	}
	end = at
	for end < len(data) && data[end] != '\n' && !isBlank(data[end]) {
		end++
	}
	word := data[at:end]
	n, err := strconv.ParseUint(string(word), 10, 32)
	switch {
	case err == nil:
		return uint32(n), end, nil
	case len(word) == 0:
		err = fmt.Errorf("%w: a number is missing", ErrInvalidMap)
	case errors.Is(err, strconv.ErrRange):
		err = fmt.Errorf("%w: %.20q is more than 4294967295", ErrInvalidMap, word)
	default:
		err = fmt.Errorf("%w: %.20q is not a decimal number", ErrInvalidMap, word)
	}
	return 0, at, err
}

// isBlank reports whether c is one of the bytes that the kernel skips between
// numbers.
func isBlank(c byte) bool { return c == ' ' || c != '\n' && '\t' <= c && c <= '\r' }

// MarshalText returns the map as it is written to uid_map, one extent a line.
// The kernel takes it in one write(2) of less than a page (4096 bytes).
func (m Map) MarshalText() ([]byte, error) { return m.text(), nil }

// UnmarshalText reads what [Map.MarshalText] and [Map.String] write: extents of
// three numbers, one a line or with commas between them. It is as strict as
// [ParseMap]. Empty text and "no IDs" are the zero Map.
func (m *Map) UnmarshalText(text []byte) error {
	if string(text) == noIDs {
		text = nil
	}
	parsed, err := ParseMap("ID map", bytes.ReplaceAll(text, []byte(","), []byte("\n")))
	if err == nil {
		*m = parsed
	}
	return err
}

// MarshalText returns the extent as [Extent.String] does.
func (e Extent) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads one line of uid_map. [NewMap] checks whether the kernel
// would accept it.
func (e *Extent) UnmarshalText(text []byte) error {
	parsed, end, err := parseExtent(text, 0)
	if err == nil && end < len(text) {
		err = fmt.Errorf("%w: more than one line", ErrInvalidMap)
	}
	if err == nil {
		*e = parsed
	}
	return err
}
