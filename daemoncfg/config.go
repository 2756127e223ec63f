package daemoncfg

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// Read reads the daemon.json that dockerd reads on h, see [dockerd.Startup.ConfigFile].
// A missing file is a configuration without members.
func Read(ctx context.Context, h usernskit.Host) (*Document, error) {
	s, err := dockerd.Read(ctx, h)
	if err != nil {
		return nil, err
	}
	doc, _, err := readConfig(h, s.ConfigFile)
	return doc, err
}

// readConfig reads a daemon.json of the host. before is nil where there is no
// file; the document is then a blank one.
func readConfig(h usernskit.Host, file string) (doc *Document, before []byte, err error) {
	before, err = h.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		before, err = nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	doc, err = Parse(file, before)
	return doc, before, err
}

// stringAt returns the string at path, and whether there is one.
func stringAt(d *Document, path ...string) (string, bool) {
	raw, ok := d.Get(path...)
	if !ok {
		return "", false
	}
	var s *string
	if err := json.Unmarshal(raw, &s); err != nil || s == nil {
		return "", false
	}
	return *s, true
}
