package facts

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// A config is dockerd's configuration.
type config struct {
	Startup    dockerd.Startup
	StartupErr error

	File    string              // daemon.json as this dockerd finds it
	Doc     *daemoncfg.Document // without members where there is no such file
	DocErr  error               // unreadable, or refused by dockerd
	Missing bool                // there is no such file
	// Problems keep dockerd from starting, or are settings that it ignores.
	Problems []daemoncfg.Problem

	// What userns-remap says, from whichever place sets it.
	Value string
	Place string // "/etc/docker/daemon.json:3", the flag's place, or File
	remap daemoncfg.Remap
	On    bool  // a value that makes dockerd remap
	Err   error // why a value does not

	DataRoot string // without UID.GID
}

func (f *Facts) readConfig(ctx context.Context) {
	h := f.Host
	c := &f.Config
	c.Startup, c.StartupErr = f.Daemon.Read(ctx, h)
	if c.StartupErr == nil {
		c.StartupErr = f.otherFiles()
	}
	c.File = cmp.Or(c.Startup.ConfigFile, dockerd.DefaultFile)
	c.DataRoot = path.Clean(cmp.Or(c.Startup.DataRoot, dockerd.DefaultDataRoot))
	startup := c.Startup
	startup.ConfigFile = c.File
	c.Doc, c.DocErr = daemoncfg.Open(h, startup)
	_, err := h.Stat(c.File)
	c.Missing = IsNotExist(err)
	switch {
	case c.StartupErr != nil:
		c.Err = c.StartupErr
	case c.DocErr == nil:
		set := c.Doc.Setting()
		c.Value, c.Place, c.remap, c.On, c.Err = set.Value, set.Place, set.Remap, set.On, set.Err
	}
	c.Place = cmp.Or(c.Place, c.File)
	if f.Remap != "" {
		c.Value, c.Place = f.Remap, "the option"
		c.remap, c.Err = daemoncfg.ParseRemap(f.Remap)
		c.On = c.Err == nil
	}
}

// otherFiles returns why the files are not those of the daemon: its socket is
// mounted into a container, or the tree is empty.
func (f *Facts) otherFiles() error {
	if !f.Live {
		if _, err := f.Host.Lstat("/etc"); IsNotExist(err) {
			return fmt.Errorf("%s has no /etc: it is not the root of a host", f.Host.Root)
		}
		return nil
	}
	ours, err := os.Stat("/")
	theirs, bad := os.Stat(fmt.Sprintf("/proc/%d/root", f.Daemon.PID))
	if f.Daemon.PID == 0 || err != nil || bad != nil || os.SameFile(ours, theirs) {
		return nil
	}
	return fmt.Errorf("process %d, the daemon, has another root directory than this process: mount that of the host and name it with the root option", f.Daemon.PID)
}

// readProblems reads what keeps dockerd from starting, except the ranges.
func (f *Facts) readProblems(ctx context.Context) {
	switch c := &f.Config; {
	case c.Doc == nil:
	case c.StartupErr == nil:
		c.Problems = daemoncfg.Check(ctx, f.Host, c.Startup, c.Doc, nil)
	case !c.Missing:
		c.Problems = c.Doc.Lint()
	}
}

// Unread is why the configuration is not known, or nil. A configuration that
// dockerd refuses is known.
func (c config) Unread() error {
	switch {
	case c.StartupErr != nil: // a flag may name another daemon.json
		return fmt.Errorf("how dockerd is started is not known: %w", c.StartupErr)
	case errors.Is(c.DocErr, daemoncfg.ErrInvalid):
		return nil
	}
	return c.DocErr
}

// get decodes a key of daemon.json into v, which stays as it is where there is no
// such key. Document.Lint reports a value of another type.
func (c config) get(v any, key string) {
	if c.Doc == nil {
		return
	}
	if raw, ok := c.Doc.Get(key); ok {
		_ = json.Unmarshal(raw, v)
	}
}

// text returns the value of a key that is a string, by a flag or daemon.json.
func (c config) text(key string) (text string) {
	if flag, ok := c.Startup.Flag(key); ok {
		return flag.Value
	}
	c.get(&text, key)
	return text
}

// Snapshotter returns what switches containerd's image store on, "" for nothing.
func (c config) Snapshotter() string {
	doc := c.Doc
	if doc == nil {
		doc = &daemoncfg.Document{}
	}
	at, on := daemoncfg.ImageStore(c.Startup, doc)
	switch {
	case !on:
		return ""
	case at.File == c.File:
		return c.File
	}
	return at.String()
}

// listens returns the addresses at which the daemon listens, by its flags and
// daemon.json, or else the usual socket. The socket that systemd opens for fd://
// is not looked up.
func (c config) listens() (list []string) {
	c.get(&list, "hosts")
	for _, flag := range c.Startup.Flags {
		if flag.Name == "host" {
			list = append(list, flag.Value)
		}
	}
	if list == nil {
		list = []string{"unix:///var/run/docker.sock"}
	}
	return list
}

// LiveRestore reports whether live-restore is on, and its source. dockerd does
// not start with a flag that strconv.ParseBool does not accept.
func (c config) LiveRestore() (on bool, source string, err error) {
	flag, given := c.Startup.Flag("live-restore")
	if given {
		if on, err = strconv.ParseBool(flag.Value); err != nil {
			return false, flag.Place(), fmt.Errorf("--live-restore=%s: %w", flag.Value, err)
		}
	}
	if on {
		return true, flag.Place(), nil
	}
	c.get(&on, "live-restore")
	return on, c.File, nil
}
