// Package reader reads /etc/subuid and /etc/subgid as each program does. They
// agree on plain lines only, "owner:100000:65536"; [Program] names the versions
// that were run.
package reader

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/enum"
)

// A Program reads subuid and subgid files.
type Program = enum.Of[programNames]

const (
	// Shadow413 is shadow-utils up to 4.14: newuidmap, getsubids, useradd.
	// Numbers are as in C, 0x and octal included, and wrap below zero. 4.13 of
	// Debian 12 was run. A build with glibc 2.38 or later reads 0b101 too.
	Shadow413 Program = iota
	// Shadow417 is 4.15 to 4.17: no number below zero. 4.17.4 of Debian 13 was
	// run, which reads 0b101 as 5, by glibc 2.41.
	Shadow417
	// Shadow418 is 4.18: exactly three fields. 4.19 reads lines as 4.18 does and
	// refuses a file without a final newline, as 4.20 does: no Program is quite
	// like it. Neither was run here.
	Shadow418
	// Shadow420 is 4.20 and later: no ID past 4294967295, owners compared as
	// accounts, and a file without a final newline or with a NUL byte is
	// refused. 4.20.3 of Debian sid was run. To it a line of another account
	// with the owner's UID is the owner's too; [Read] knows only the Owner.
	Shadow420
	// Dockerd27 is dockerd 20.10 to 27: strict decimal, and lines under the
	// owner's name count only if there is none under its UID.
	Dockerd27
	// Dockerd is dockerd 28 and later. Its own parser runs,
	// github.com/moby/sys/user. A number it cannot read is 0, host root.
	Dockerd
	// ContainersStorage is podman, buildah and CRI-O, where they are built
	// without libsubid. It orders the ranges by their start. If a line has 64
	// KiB, it uses the lines before it; go.podman.io/storage, which newer ones
	// are built with, refuses the file.
	ContainersStorage
)

type programNames struct{}

func (programNames) Names() (string, []string) {
	return "Program", []string{"shadow-utils 4.13", "shadow-utils 4.17", "shadow-utils 4.18", "shadow-utils 4.20 and later",
		"dockerd 27 and earlier", "dockerd 28 and later", "podman and CRI-O"}
}

// Programs returns all programs in the order of the constants.
func Programs() []Program {
	var list []Program
	for p := Shadow413; p <= ContainersStorage; p++ {
		list = append(list, p)
	}
	return list
}

// An Owner is the account whose ranges a program looks up.
type Owner struct {
	Name string
	UID  *uint32 // nil: no account, or its UID is not known
}

// uid returns the UID in decimal, as the files have it, or "".
func (o Owner) uid() string {
	if o.UID == nil {
		return ""
	}
	return strconv.FormatUint(uint64(*o.UID), 10)
}

// Is reports whether an owner field is o to any program: the name or the UID,
// which shadow-utils from 4.20 on reads as C does.
func (o Owner) Is(field string) bool { return o.is(field) || o.account(field) }

// is reports whether a field is the name or the UID in plain decimal.
func (o Owner) is(field string) bool {
	return field != "" && (field == o.Name || field[0] <= '9' && field == o.uid())
}

// account reports the same for shadow-utils from 4.20 on, which looks up the
// field's account, by number first. Without an account not even the same name
// matches.
func (o Owner) account(field string) bool {
	if o.UID == nil {
		return false
	}
	if n, ok := cDecimal(field); ok {
		return n == uint64(*o.UID)
	}
	return field == o.Name
}

// A Reading is one range as a program holds it after reading a file, in 64
// bits. Its numbers may not be IDs: 0 for what dockerd cannot read, negative,
// or far past the last ID. Those of shadow-utils are to be taken as unsigned.
type Reading struct {
	Line         int
	Start, Count int64
	ID           int64 // the first ID of the container; 0 unless it is one of a [Map]
}

// Read returns the ranges that a program finds for an owner in the text of a
// file, invalid ones included, in the order in which they go into a container.
// An error means that the program refuses the whole file, and names the line.
func Read(p Program, file, text string, o Owner) (list []Reading, err error) {
	var bad refusal
	switch p {
	case Shadow413, Shadow417, Shadow418, Shadow420:
		list, bad = readShadow(p, text, o)
	case Dockerd:
		list, bad = readDockerd(text, o)
	case Dockerd27:
		list, bad = readDockerd27(text, o)
	case ContainersStorage:
		list, bad = readContainersStorage(text, o)
	default:
		return nil, fmt.Errorf("%s: no such reader: %v", file, p)
	}
	if bad.why != "" {
		return nil, &usernskit.FileError{File: file, Line: bad.line,
			Err: fmt.Errorf("%v cannot read this and refuses the whole file: %s", p, bad.why)}
	}
	return list, nil
}

// A refusal is why a program refuses a file, and the line. An empty why means
// that it does not.
type refusal struct {
	line int
	why  string
}

// A Map is the map that a dockerd makes from one of the two files.
type Map struct {
	// Readings are the extents in the order of the container's IDs. If there
	// are none and Refused is nil, the account does not have a line, and
	// dockerd does not start.
	Readings []Reading
	// Refused is why dockerd does not start with the file: it does not exist
	// ([fs.ErrNotExist]), or dockerd cannot read it.
	Refused error
	// Unsure is why the owner of some lines is not known.
	Unsure error
}

// Lay returns the map that a program makes from a file's text, one range after
// the other. A nil text means that the file does not exist.
func Lay(p Program, file string, text *string, o Owner) (m Map) {
	if text == nil {
		m.Refused = &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		return m
	}
	if m.Readings, m.Refused = Read(p, file, *text, o); m.Refused != nil {
		return m
	}
	next := int64(0)
	for i := range m.Readings {
		m.Readings[i].ID = next
		next += m.Readings[i].Count
	}
	return m
}
