package daemoncfg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// A Setting is the remapping that is configured. The zero value is none.
type Setting struct {
	Value string // as written, "" where it is no string
	Place string // "/etc/docker/daemon.json:3", "/etc/default/docker:7 (DOCKER_OPTS)"
	// On is set where dockerd, started with this, remaps: Remap is then the
	// value, and else Err says why it does not.
	On    bool
	Remap Remap
	Err   error
}

// Current returns the remapping that dockerd finds when it starts on h, in its
// daemon.json or among its flags. What a dockerd that runs has in force may be
// something else.
func Current(ctx context.Context, h usernskit.Host) (Setting, error) {
	s, err := dockerd.Read(ctx, h)
	if err != nil {
		return Setting{}, err
	}
	doc, _, err := readConfig(h, s.ConfigFile)
	if err != nil {
		return Setting{}, err
	}
	return current(s, doc), nil
}

func current(s dockerd.Startup, doc *Document) Setting {
	raw, inFile := doc.Get(remapKey)
	flag, isFlag := s.Flag(remapKey)
	var set Setting
	switch {
	case inFile:
		line, _ := doc.Position(remapKey)
		set.Place = fmt.Sprintf("%s:%d", doc.name, line)
		if string(raw) == "null" {
			set.Err = &remapError{"", "null is no remapping at all", true}
		} else if set.Value, set.Err = unquoteValue(string(raw)); set.Err != nil {
			set.Err = &remapError{string(raw), "dockerd does not start with a value that is no string", false}
		}
	case isFlag:
		set.Place, set.Value = flag.Place(), flag.Value
	default:
		return Setting{}
	}
	if inFile && isFlag {
		set.Err = &ConflictError{Key: remapKey, Flag: flag, Fix: "remove one of them"}
	}
	if set.Err == nil {
		set.Remap, set.Err = ParseRemap(set.Value)
	}
	set.On = set.Err == nil
	return set
}

func isFailOpen(err error) bool { return errors.Is(err, ErrFailOpen) }

// unquoteValue reads a string of JSON, and nothing else.
func unquoteValue(raw string) (s string, err error) {
	if raw == "null" { // which Unmarshal leaves alone
		return "", errors.New("null is no string")
	}
	err = json.Unmarshal([]byte(raw), &s)
	return s, err
}
