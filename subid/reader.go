package subid

import (
	"fmt"
	"strconv"

	"github.com/usernskit/usernskit"
)

// A Reader is a program that reads subuid and subgid files. They differ on
// lines that are not plain; [File.As] says what each one makes of them.
type Reader int

const (
	// Shadow413 is shadow-utils 4.13 to 4.17: newuidmap, getsubids, useradd.
	// Numbers are those of C, 0x and octal included, and wrap below zero.
	Shadow413 Reader = iota
	// Shadow418 is shadow-utils 4.18: three fields, no number below zero.
	Shadow418
	// Shadow420 is shadow-utils 4.20: no ID past 4294967295, owners compared
	// by their account, and a file without a final newline is refused, which
	// 4.19 did too.
	Shadow420
	// Dockerd27 is dockerd up to 27: strict decimal, and the lines of the
	// owner's name count only where there is none of its UID.
	Dockerd27
	// Dockerd is dockerd 28 and later, by the very code it uses, that of
	// github.com/moby/sys/user. A number it cannot read is 0, host root.
	Dockerd
	// ContainersStorage is podman, buildah and CRI-O, where they are built
	// without libsubid. It orders the ranges by their start.
	ContainersStorage
)

// Readers returns all readers there are.
func Readers() []Reader {
	return []Reader{Shadow413, Shadow418, Shadow420, Dockerd27, Dockerd, ContainersStorage}
}

// String returns the name that people know the program by.
func (r Reader) String() string {
	switch r {
	case Shadow413:
		return "shadow-utils 4.13 to 4.17"
	case Shadow418:
		return "shadow-utils 4.18"
	case Shadow420:
		return "shadow-utils 4.20 and later"
	case Dockerd27:
		return "dockerd 27 and earlier"
	case Dockerd:
		return "dockerd 28 and later"
	case ContainersStorage:
		return "podman and CRI-O"
	}
	return "Reader(" + strconv.Itoa(int(r)) + ")"
}

// An Owner is who a reader looks ranges up for.
type Owner struct {
	Name string
	UID  *uint32 // nil: there is no such account, or its UID is not known
}

// uid returns the UID in decimal, as the files have it, or "".
func (o Owner) uid() string {
	if o.UID == nil {
		return ""
	}
	return strconv.FormatUint(uint64(*o.UID), 10)
}

// is reports whether an owner field that is not empty means o.
func (o Owner) is(field string) bool {
	return field != "" && (field == o.Name || field[0] <= '9' && field == o.uid())
}

// A Reading is one range as a program holds it after reading a file. The
// numbers are the 64 bits it has: 0 for what dockerd cannot read, negative, or
// far past the last ID. Only shadow-utils before 4.18 takes them for unsigned.
type Reading struct {
	Line         int
	Start, Count int64
	ID           int64 // the container's ID for Start; 0 unless [Set.Mapped] says it
}

// As returns what a reader finds for an owner in these very bytes, in the
// order in which it would put the ranges into a container, nonsense included.
// An error means that the reader refuses the whole file and names the line.
func (f *File) As(r Reader, o Owner) ([]Reading, error) {
	switch r {
	case Shadow413, Shadow418, Shadow420:
		return f.asShadow(r, o)
	case Dockerd:
		return f.asDockerd(o)
	case Dockerd27:
		return f.asDockerd27(o)
	case ContainersStorage:
		return f.asContainersStorage(o)
	}
	return nil, fmt.Errorf("%s: no such reader: %v", f.name, r)
}

// refuse is the error of a reader that gives up at a line.
func (f *File) refuse(r Reader, line int, why string) error {
	return &usernskit.FileError{File: f.name, Line: line,
		Err: fmt.Errorf("%v cannot read this and refuses the whole file: %s", r, why)}
}
