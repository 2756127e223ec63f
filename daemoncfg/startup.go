package daemoncfg

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/usernskit/usernskit"
)

// Where things are unless a flag or daemon.json says otherwise.
const (
	DefaultFile     = "/etc/docker/daemon.json"
	DefaultDataRoot = "/var/lib/docker"

	snapFile     = "/var/snap/docker/current/config/daemon.json"
	snapDataRoot = "/var/snap/docker/common/var-lib-docker"
)

// A Startup is how dockerd is started on a host.
type Startup struct {
	// Init is what starts it: "systemd", "openrc", "sysvinit", "snap",
	// "rootless" for a dockerd in a user's own namespace, "process" for one
	// that runs and that nothing here starts, or "" for none at all.
	Init string
	// Files are the files that say so, in the order in which they are read.
	Files []string
	// Flags are the flags that dockerd is started with, the last one in force
	// where a name comes twice.
	Flags []Flag
	// ConfigFile is the daemon.json that dockerd reads. With ConfigFileGiven a
	// flag names it, and dockerd does not start while it is missing.
	ConfigFile      string
	ConfigFileGiven bool
	DataRoot        string
	Rootless        bool
	// PID is of the dockerd that runs, 0 where none was found.
	PID int
	// Unsure says, line by line, what could not be told from files: a flag may
	// be in force that is not in Flags.
	Unsure []string

	noSystemd bool
}

// ReadStartup finds out how dockerd is started on h: by the unit of systemd
// with its drop-ins and environment files, by an init script with the file that
// it sources, or by hand, seen in /proc. On the running host systemctl(1) tells
// which unit files count; elsewhere they are taken from the directories of
// systemd.unit(5). No unit at all is no error: such a host has the defaults.
func ReadStartup(h usernskit.Host) (Startup, error) {
	s := Startup{ConfigFile: DefaultFile, DataRoot: DefaultDataRoot, noSystemd: !systemdRuns(h)}
	unit, found, err := findUnit(h)
	if err != nil {
		return Startup{}, err
	}
	_, noScript := h.Stat("/etc/init.d/docker")
	switch {
	case found && (systemdRuns(h) || errors.Is(noScript, fs.ErrNotExist)):
		err = s.readService(h, unit)
	case noScript == nil:
		err = s.readScript(h)
	case !errors.Is(noScript, fs.ErrNotExist):
		err = noScript
	}
	if err != nil {
		return Startup{}, err
	}
	if err := s.readProcess(h); err != nil {
		return Startup{}, err
	}
	if f, ok := s.byName("config-file"); ok {
		s.ConfigFile, s.ConfigFileGiven = path.Join("/", f.Value), true
	}
	if f, ok := s.byName("rootless"); ok && !f.off() {
		s.Rootless = true
	}
	s.readDataRoot(h)
	return s, nil
}

// Flag returns the flag that is in force for a key of daemon.json: -H for
// "hosts".
func (s Startup) Flag(key string) (Flag, bool) {
	for i := len(s.Flags) - 1; i >= 0; i-- {
		if s.Flags[i].Key() == key {
			return s.Flags[i], true
		}
	}
	return Flag{}, false
}

func (s Startup) byName(name string) (Flag, bool) {
	for i := len(s.Flags) - 1; i >= 0; i-- {
		if s.Flags[i].Name == name {
			return s.Flags[i], true
		}
	}
	return Flag{}, false
}

// Restart is what makes dockerd read its configuration again. Sending it
// SIGHUP is not enough for userns-remap: dockerd reports "Reloaded
// configuration" and goes on as before.
func (s Startup) Restart() usernskit.Action {
	argv := []string{"systemctl", "restart", "docker"}
	switch {
	case s.Init == "snap":
		argv = []string{"snap", "restart", "docker"}
	case s.Init == "rootless":
		argv = []string{"systemctl", "--user", "restart", "docker"}
	case s.Init == "sysvinit", s.Init == "openrc", s.noSystemd:
		argv = []string{"service", "docker", "restart"}
	}
	return usernskit.Action{
		Why:  "dockerd reads userns-remap, like most of its configuration, only when it starts; the containers that it runs are stopped",
		Argv: argv, Kind: usernskit.ActionRestartDocker,
	}
}

// readDataRoot takes the data-root from the flags or from daemon.json, which
// cannot both have it. A daemon.json that cannot be read is for others to
// report.
func (s *Startup) readDataRoot(h usernskit.Host) {
	if f, ok := s.Flag("data-root"); ok && f.Value != "" {
		s.DataRoot = f.Value
		return
	}
	doc, _, err := readConfig(h, s.ConfigFile)
	if err != nil {
		return
	}
	for _, key := range []string{"data-root", "graph"} {
		if dir, ok := stringAt(doc, key); ok && dir != "" {
			s.DataRoot = dir
		}
	}
}

// readScript reads what an init script sources.
func (s *Startup) readScript(h usernskit.Host) error {
	script, err := h.ReadFile("/etc/init.d/docker")
	if err != nil {
		return err
	}
	s.Init = "sysvinit"
	sourced := []string{"/etc/default/docker", "/etc/sysconfig/docker"}
	if first, _, _ := strings.Cut(string(script), "\n"); strings.Contains(first, "openrc-run") {
		s.Init, sourced = "openrc", []string{"/etc/conf.d/docker"}
	}
	s.Files = append(s.Files, "/etc/init.d/docker")
	for _, file := range sourced {
		data, err := h.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		vars, unsure, err := readShellFile(file, string(data))
		if err != nil {
			return err
		}
		s.Files = append(s.Files, file)
		s.Unsure = append(s.Unsure, unsure...)
		for _, name := range []string{"DOCKER_OPTS", "OPTIONS", "other_args", "command_args"} {
			value := vars[name]
			var words []word
			for _, text := range strings.Fields(value.text) { // a shell splits and leaves quotes in
				words = append(words, word{text, value.from})
			}
			s.Flags = append(s.Flags, readFlags(words)...)
		}
	}
	return nil
}

func exists(h usernskit.Host, name string) bool {
	_, err := h.Stat(name)
	return err == nil
}
