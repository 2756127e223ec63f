package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/subid"
)

// A config is what dockerd is configured to do.
type config struct {
	startup    dockerd.Startup
	startupErr error

	file    string // daemon.json as this dockerd finds it
	doc     *daemoncfg.Document
	docErr  error // it cannot be read, or dockerd would refuse it
	missing bool  // there is none

	// What userns-remap says, from whichever place sets it.
	value string
	place string // "/etc/docker/daemon.json:3", or the flag's place
	remap daemoncfg.Remap
	on    bool  // a value that makes dockerd remap
	err   error // why a value does not

	dataRoot string // without UID.GID
}

func readConfig(ctx context.Context, h usernskit.Host, override string) config {
	var c config
	c.startup, c.startupErr = dockerd.Read(ctx, h)
	c.file = c.startup.ConfigFile
	if c.file == "" {
		c.file = dockerd.DefaultFile
	}
	data, err := h.ReadFile(c.file)
	switch {
	case err == nil:
		c.doc, c.docErr = daemoncfg.Parse(c.file, data)
	case isNotExist(err) && !c.startup.ConfigFileGiven:
		c.missing = true
	default:
		c.docErr = err
	}
	c.dataRoot = dockerd.DefaultDataRoot
	if c.startup.DataRoot != "" {
		c.dataRoot = path.Clean(c.startup.DataRoot)
	}

	set, err := daemoncfg.Current(ctx, h)
	c.value, c.place, c.remap, c.on, c.err = set.Value, set.Place, set.Remap, set.On, set.Err
	if err != nil && c.docErr == nil {
		c.err = err
	}
	if override != "" {
		c.value, c.place = override, "the option"
		c.remap, c.err = daemoncfg.ParseRemap(override)
		c.on = c.err == nil
	}
	return c
}

// unread is why it is not known what is configured, or nil. What can be read
// and makes dockerd refuse is known.
func (c config) unread() error {
	switch {
	case c.startupErr != nil: // a flag may name another daemon.json
		return fmt.Errorf("how dockerd is started is not known: %w", c.startupErr)
	case errors.Is(c.docErr, daemoncfg.ErrInvalid):
		return nil
	}
	return c.docErr
}

// raw returns a key of daemon.json as it stands there, else "".
func (c config) raw(keys ...string) string {
	if c.doc == nil {
		return ""
	}
	raw, _ := c.doc.Get(keys...)
	return string(raw)
}

// inFile reports whether daemon.json has a key.
func (c config) inFile(keys ...string) bool { return c.raw(keys...) != "" }

// is reports whether a key of daemon.json is true.
func (c config) is(keys ...string) bool {
	return c.raw(keys...) == "true"
}

// hosts returns what daemon.json has the daemon listen on.
func (c config) hosts() []string {
	var list []string
	_ = json.Unmarshal([]byte(c.raw("hosts")), &list) // what is no list is for D01
	return list
}

// liveRestore reports whether live-restore is on, and what says so. dockerd does
// not start with a flag that strconv.ParseBool does not take.
func (c config) liveRestore() (on bool, source string, err error) {
	on, source = c.is("live-restore"), c.file
	flag, given := c.startup.Flag("live-restore")
	if !given {
		return on, source, nil
	}
	flagged, err := strconv.ParseBool(flag.Value)
	if err != nil {
		return false, flag.Place(), fmt.Errorf("--live-restore=%s: %w", flag.Value, err)
	}
	if flagged {
		on, source = true, flag.Place()
	}
	return on, source, nil
}

// namespace returns the containerd namespace that the daemon is told to use, or
// "".
func (c config) namespace() string {
	if flag, ok := c.startup.Flag("containerd-namespace"); ok {
		return flag.Value
	}
	name := ""
	_ = json.Unmarshal([]byte(c.raw("containerd-namespace")), &name)
	return name
}

// storeName returns the UID.GID of the configured map, where there is one.
func (c config) storeName(ctx context.Context, h usernskit.Host) (string, bool) {
	if !c.on {
		return "", false
	}
	i := readFiles(ctx, h, c, subid.Dockerd)
	if !i.mapped() {
		return "", false
	}
	return i.root(), true
}

func storeOf(uid, gid uint32) string {
	return strconv.FormatUint(uint64(uid), 10) + "." + strconv.FormatUint(uint64(gid), 10)
}

// parseStore splits "/var/lib/docker/100000.100000" into the data-root and the
// first host IDs. A daemon that does not remap has no IDs there.
func parseStore(dir string) (root string, uid, gid uint32, ok bool) {
	base := path.Base(dir)
	if !storeName.MatchString(base) {
		return dir, 0, 0, false
	}
	u, g, _ := strings.Cut(base, ".")
	u64, err1 := strconv.ParseUint(u, 10, 32)
	g64, err2 := strconv.ParseUint(g, 10, 32)
	if err1 != nil || err2 != nil {
		return dir, 0, 0, false
	}
	return path.Dir(dir), uint32(u64), uint32(g64), true
}
