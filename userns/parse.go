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
// column. No text at all is the zero Map: the namespace has no map yet.
//
// It is as strict as the kernel and stricter about numbers: the kernel takes
// them modulo 2^32 and so makes host root of "0 4294967296 1". Only decimal
// digits are read, nothing above 4294967295, three numbers to a line.
//
// A first host ID of 4294967295 is how the kernel shows an ID to a reader
// whose own namespace lacks it; that is an error that matches [ErrUnmapped].
func ParseMap(name string, data []byte) (Map, error) {
	if len(data) == 0 {
		return Map{}, nil
	}
	var extents []Extent
	for n := 1; len(data) > 0; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		if n > MaxExtents {
			return Map{}, &usernskit.FileError{File: name, Line: n,
				Err: fmt.Errorf("%w: more than %d lines", ErrInvalidMap, MaxExtents)}
		}
		e, col, err := parseExtent(line)
		if err != nil {
			return Map{}, &usernskit.FileError{File: name, Line: n, Col: col, Err: err}
		}
		extents = append(extents, e)
	}
	m, err := NewMap(extents...)
	if bad := (*ExtentError)(nil); errors.As(err, &bad) {
		err = fmt.Errorf("%w: it %s", ErrInvalidMap, bad.Why)
		return Map{}, &usernskit.FileError{File: name, Line: bad.Index + 1, Err: err}
	}
	return m, err
}

// parseExtent reads one line. On error col is the column, from 1.
func parseExtent(line []byte) (e Extent, col int, err error) {
	var fields [3]uint32
	at := 0
	for i := range fields {
		for at < len(line) && isBlank(line[at]) {
			at++
		}
		start := at
		for at < len(line) && !isBlank(line[at]) {
			at++
		}
		if fields[i], err = parseID(line[start:at]); err != nil {
			return Extent{}, start + 1, err
		}
		if i == 1 && fields[i] == math.MaxUint32 {
			return Extent{}, start + 1, fmt.Errorf("%w in the namespace it was read from", ErrUnmapped)
		}
	}
	for ; at < len(line); at++ {
		if !isBlank(line[at]) {
			return Extent{}, at + 1, fmt.Errorf("%w: more than three numbers", ErrInvalidMap)
		}
	}
	return Extent{ID: fields[0], HostID: fields[1], Count: fields[2]}, 0, nil
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// parseID reads a plain decimal number of 32 bits. strconv.ParseUint would
// take a sign or not depending on its mood about base 0; bytes are counted
// here so that no other form gets in.
func parseID(field []byte) (uint32, error) {
	if len(field) == 0 {
		return 0, fmt.Errorf("%w: a number is missing", ErrInvalidMap)
	}
	n := uint64(0)
	for _, c := range field {
		if c < '0' || c > '9' {
			return 0, fmt.Errorf("%w: %q is not a decimal number", ErrInvalidMap, field)
		}
		if n = n*10 + uint64(c-'0'); n > math.MaxUint32 {
			return 0, fmt.Errorf("%w: %q is more than 4294967295", ErrInvalidMap, field)
		}
	}
	return uint32(n), nil
}

// MarshalText returns the map as it is written to uid_map, one extent a line.
// The kernel takes it in one write(2) of less than a page (4096 bytes).
func (m Map) MarshalText() ([]byte, error) {
	var b []byte
	for _, e := range m.Extents() {
		b = strconv.AppendUint(b, uint64(e.ID), 10)
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(e.HostID), 10)
		b = append(b, ' ')
		b = strconv.AppendUint(b, uint64(e.Count), 10)
		b = append(b, '\n')
	}
	return b, nil
}
