package facts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/subid/reader"
)

// A config is dockerd's configuration.
type config struct {
	Startup    dockerd.Startup
	StartupErr error

	File    string // daemon.json as this dockerd finds it
	Doc     *daemoncfg.Document
	DocErr  error // unreadable, or refused by dockerd
	Missing bool  // there is none
	// Problems are what keeps dockerd from starting, and what does nothing.
	Problems []daemoncfg.Problem

	// What userns-remap says, from whichever place sets it.
	Value string
	Place string // "/etc/docker/daemon.json:3", or the flag's place
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
	c.File = c.Startup.ConfigFile
	if c.File == "" {
		c.File = dockerd.DefaultFile
	}
	data, err := h.ReadFile(c.File)
	switch {
	case err == nil:
		c.Doc, c.DocErr = daemoncfg.Parse(c.File, data)
	case IsNotExist(err) && !c.Startup.ConfigFileGiven:
		c.Missing = true
	default:
		c.DocErr = err
	}
	c.DataRoot = dockerd.DefaultDataRoot
	if c.Startup.DataRoot != "" {
		c.DataRoot = path.Clean(c.Startup.DataRoot)
	}

	if c.StartupErr != nil {
		c.Err = c.StartupErr
	} else if doc, err := daemoncfg.Open(h, c.Startup); err == nil {
		set := doc.Setting()
		c.Value, c.Place, c.remap, c.On, c.Err = set.Value, set.Place, set.Remap, set.On, set.Err
	} else if c.DocErr == nil {
		c.Err = err
	}
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
	if f.Config.StartupErr != nil {
		return
	}
	if doc, err := daemoncfg.Open(f.Host, f.Config.Startup); err == nil {
		f.Config.Problems = daemoncfg.Check(ctx, f.Host, f.Config.Startup, doc, nil)
	}
}

// Unread is why the configuration is not known, or nil. One that dockerd
// refuses is known.
func (c config) Unread() error {
	switch {
	case c.StartupErr != nil: // a flag may name another daemon.json
		return fmt.Errorf("how dockerd is started is not known: %w", c.StartupErr)
	case errors.Is(c.DocErr, daemoncfg.ErrInvalid):
		return nil
	}
	return c.DocErr
}

// Raw returns a key of daemon.json as it is written there, else "".
func (c config) Raw(keys ...string) string {
	if c.Doc == nil {
		return ""
	}
	raw, _ := c.Doc.Get(keys...)
	return string(raw)
}

// InFile reports whether daemon.json has a key.
func (c config) InFile(keys ...string) bool { return c.Raw(keys...) != "" }

// Is reports whether a key of daemon.json is true.
func (c config) Is(keys ...string) bool {
	return c.Raw(keys...) == "true"
}

// hosts returns where daemon.json has the daemon listen.
func (c config) hosts() []string {
	var list []string
	_ = json.Unmarshal([]byte(c.Raw("hosts")), &list) // Document.Lint reports what is not a list
	return list
}

// listens returns where the daemon listens: on what its flags and its file say, or
// on the usual socket. Which one systemd opens for it, fd://, is not looked up.
func (c config) listens() []string {
	list := c.hosts()
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
	on, source = c.Is("live-restore"), c.File
	flag, given := c.Startup.Flag("live-restore")
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

// namespace returns the configured containerd namespace, or "".
func (c config) namespace() string {
	if flag, ok := c.Startup.Flag("containerd-namespace"); ok {
		return flag.Value
	}
	return c.text("containerd-namespace")
}

// text returns a key of daemon.json that is a string, else "".
func (c config) text(key string) string {
	var text string
	_ = json.Unmarshal([]byte(c.Raw(key)), &text) // what is not a string is for Document.Lint
	return text
}

// storeName returns the UID.GID of the configured map, if any.
func (f *Facts) storeName(ctx context.Context) (string, bool) {
	if !f.Config.On {
		return "", false
	}
	f.readSet(ctx)
	var i ids
	i.UID, i.GID = f.sides(ctx, reader.Dockerd)
	return i.Root(), i.Mapped()
}

// StoreName is the name of the store of a map that starts at these IDs.
func StoreName(uid, gid uint32) string {
	return strconv.FormatUint(uint64(uid), 10) + "." + strconv.FormatUint(uint64(gid), 10)
}

// ParseStore splits "/var/lib/docker/100000.100000" into the data-root and the
// first host IDs. A daemon that does not remap has no IDs there.
func ParseStore(dir string) (root string, uid, gid uint32, ok bool) {
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
