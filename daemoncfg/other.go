//go:build !linux

package daemoncfg

import "errors"

func unnamedFile([]byte) (string, func() error, error) { return "", nil, errors.ErrUnsupported }
