package daemoncfg

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// Read reads the daemon.json that dockerd reads on h. A missing file is a
// configuration without members.
func Read(ctx context.Context, h usernskit.Host) (*Document, error) {
	s, err := dockerd.Read(ctx, h)
	if err != nil {
		return nil, err
	}
	return Open(h, s)
}

// Open is [Read] for a known startup.
func Open(h usernskit.Host, s dockerd.Startup) (*Document, error) {
	before, err := h.ReadFile(s.ConfigFile)
	if err != nil && !isNotExist(err) {
		return nil, err
	}
	doc, err := Parse(s.ConfigFile, before)
	if err != nil {
		return nil, err
	}
	doc.startup = &s
	return doc, nil
}

// resolve returns the path of the host to which name leads through symbolic links.
func resolve(h usernskit.Host, name string) (string, error) {
	root, err := h.Path("/")
	if err != nil {
		return "", err
	}
	at, err := h.Path(name)
	return path.Join("/", strings.TrimPrefix(at, root)), err
}

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// unquoteValue reads a JSON string. Any other value is an error.
func unquoteValue(raw string) (s string, err error) {
	if raw == "null" { // which Unmarshal ignores
		return "", errors.New("null is not a string")
	}
	err = json.Unmarshal([]byte(raw), &s)
	return s, err
}

// remapValue reads the value of userns-remap.
func remapValue(raw string) (string, error) {
	if raw == "null" {
		return "", failOpen("", "null turns remapping off")
	}
	value, err := unquoteValue(raw)
	if err != nil {
		return "", badRemap(raw, "dockerd does not start with a value that is not a string")
	}
	return value, nil
}

// A Setting is the configured remapping. The zero value means none.
type Setting struct {
	Value string        // as written, "" where it is not a string
	Place string        // "/etc/docker/daemon.json:3", "/etc/default/docker:7 (DOCKER_OPTS)"
	Pos   usernskit.Pos // the same without the variable
	// On: dockerd remaps containers as Remap says; otherwise Err is why not.
	On    bool
	Remap Remap
	Err   error

	byFlag bool
}

// Setting returns the remapping that dockerd finds at its next start: in the
// document with its edits or, after [Read] or [Open], among the flags. A running
// dockerd may have another one.
func (d *Document) Setting() Setting { return current(d.start(), d) }

// start is the document's startup, or an empty one if it has none.
func (d *Document) start() dockerd.Startup {
	if d.startup == nil {
		return dockerd.Startup{}
	}
	return *d.startup
}

func current(s dockerd.Startup, doc *Document) Setting {
	raw, inFile := doc.Get(remapKey)
	flag, isFlag := s.Flag(remapKey)
	var set Setting
	switch {
	case inFile:
		line, _ := doc.Position(remapKey)
		set.Pos = usernskit.Pos{File: doc.name, Line: line}
		set.Place = set.Pos.String()
		set.Value, set.Err = remapValue(string(raw))
	case isFlag:
		set.Place, set.Pos, set.Value, set.byFlag = flag.Place(), flag.Pos(), flag.Value, true
	default:
		return Setting{}
	}
	if inFile && isFlag {
		set.Err = conflict(flag, remapKey, doc.name, s.DropFlag(flag)).Err
	}
	if set.Err == nil {
		set.Remap, set.Err = ParseRemap(set.Value)
	}
	set.On = set.Err == nil
	return set
}
