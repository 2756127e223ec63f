//go:build !linux

package daemoncfg

import (
	"errors"
	"io"
)

// fileSystem would need a parser that is built for Linux only.
func fileSystem(io.Reader, string) (string, error) {
	return "", errors.New("mountinfo is read on Linux only")
}
