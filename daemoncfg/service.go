package daemoncfg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
)

// A unitFiles is a unit: its file first, then its drop-ins in the order in
// which systemd reads them.
type unitFiles struct {
	name  string
	files []string
	pid   int // of the main process, as systemd knows it
}

// unitDirs are where systemd looks for system units, the first one wins:
// systemd.unit(5), "Unit File Load Path".
var unitDirs = [...]string{
	"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
	"/run/systemd/generator.early", "/etc/systemd/system", "/etc/systemd/system.attached",
	"/run/systemd/system", "/run/systemd/system.attached", "/run/systemd/generator",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
	"/run/systemd/generator.late",
}

// dockerUnits are the units that start dockerd.
var dockerUnits = [...]string{"docker.service", "snap.docker.dockerd.service"}

// systemdRuns is sd_booted(3) on the running host. Of a tree of files with a
// unit in it, it is taken for granted.
func systemdRuns(h usernskit.Host) bool {
	return !h.Live() || exists(h, "/run/systemd/system")
}

// findUnit finds the unit that starts dockerd.
func findUnit(h usernskit.Host) (unitFiles, bool, error) {
	for _, name := range dockerUnits {
		if u, ok := askSystemd(h, name); ok {
			return u, true, nil
		}
		if u, ok, err := searchUnit(h, name); ok || err != nil {
			return u, ok, err
		}
	}
	return unitFiles{}, false, nil
}

// askSystemd asks the systemd that runs which files it has read for a unit.
// It is not asked for ExecStart: what it prints has lost its quotes.
func askSystemd(h usernskit.Host, name string) (unitFiles, bool) {
	out, err := h.Command(context.Background(), "systemctl", "show", name, "-p", "FragmentPath,DropInPaths,MainPID")
	if err != nil {
		return unitFiles{}, false
	}
	u := unitFiles{name: name}
	var dropIns []string
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "FragmentPath":
			u.files = strings.Fields(value)
		case "DropInPaths":
			dropIns = strings.Fields(value)
		case "MainPID":
			u.pid, _ = strconv.Atoi(value)
		}
	}
	if len(u.files) == 0 {
		return unitFiles{}, false
	}
	u.files = append(u.files, dropIns...)
	return u, true
}

// searchUnit does the same from files. A directory that cannot be read may hold
// what counts.
func searchUnit(h usernskit.Host, name string) (unitFiles, bool, error) {
	u := unitFiles{name: name}
	for _, dir := range unitDirs {
		_, err := h.Lstat(path.Join(dir, name))
		if err == nil {
			u.files = []string{path.Join(dir, name)}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return unitFiles{}, false, err
		}
	}
	if u.files == nil {
		return unitFiles{}, false, nil
	}
	// A drop-in hides those of the same name in later directories, and all
	// directories together are sorted by name.
	at := map[string]string{}
	for _, sub := range []string{name + ".d", "service.d"} {
		for _, dir := range unitDirs {
			list, err := h.ReadDir(path.Join(dir, sub))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return unitFiles{}, false, err
			}
			for _, entry := range list {
				if base := entry.Name(); strings.HasSuffix(base, ".conf") && at[base] == "" {
					at[base] = path.Join(dir, sub, base)
				}
			}
		}
	}
	var names []string
	for base := range at {
		names = append(names, base)
	}
	slices.Sort(names)
	for _, base := range names {
		u.files = append(u.files, at[base])
	}
	return u, true, nil
}

// readService reads the flags from a unit.
func (s *Startup) readService(h usernskit.Host, u unitFiles) error {
	s.Init, s.PID = "systemd", u.pid
	if strings.HasPrefix(u.name, "snap.") {
		s.Init, s.ConfigFile, s.ConfigFileGiven, s.DataRoot = "snap", snapFile, true, snapDataRoot
	}
	var settings []setting
	for i, file := range u.files {
		data, err := h.ReadFile(file)
		switch {
		case errors.Is(err, usernskit.ErrNotRegular), errors.Is(err, fs.ErrNotExist):
			if i == 0 {
				s.Unsure = append(s.Unsure, fmt.Sprintf("%s: the unit is masked", file))
			}
			continue // a link to /dev/null
		case err != nil:
			return err
		}
		s.Files = append(s.Files, file)
		settings = append(settings, readUnit(file, string(data))...)
	}
	svc := combine(settings)
	vars, err := s.readVariables(h, svc)
	if err != nil {
		return err
	}
	if s.Init == "snap" {
		return nil // its wrapper script has fixed flags
	}
	if n := len(svc.exec); n != 1 {
		s.Unsure = append(s.Unsure, fmt.Sprintf("%s: %d ExecStart= lines are in force, not one", u.name, n))
		return nil
	}
	words, sure := vars.commandLine(svc.exec[0])
	place := fmt.Sprintf("%s:%d", svc.exec[0].file, svc.exec[0].line)
	i := slices.IndexFunc(words, func(w word) bool { return isDockerd(w.text) })
	if i < 0 {
		s.Unsure = append(s.Unsure, place+": what this starts is not dockerd by its name")
		return nil
	}
	if !sure || i > 0 {
		s.Unsure = append(s.Unsure, place+": the command line is more than dockerd and its flags")
	}
	s.Rootless = path.Base(words[i].text) == "dockerd-rootless.sh"
	s.Flags = readFlags(words[i+1:])
	return nil
}

// isDockerd also knows the dockerd-current of older Red Hat packages, and the
// script that starts a rootless one.
func isDockerd(name string) bool {
	switch path.Base(name) {
	case "dockerd", "dockerd-current", "dockerd-ce", "dockerd-rootless.sh":
		return true
	}
	return false
}

// readVariables reads the environment of a service: files over Environment=.
func (s *Startup) readVariables(h usernskit.Host, svc service) (variables, error) {
	vars := variables{}
	for _, set := range svc.environment {
		vars.assign(set)
	}
	for _, set := range svc.files {
		file := strings.TrimPrefix(unspecify(set.value), "-")
		data, err := h.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			if strings.ContainsAny(file, "*?[%") {
				s.Unsure = append(s.Unsure, fmt.Sprintf("%s:%d: %s is a pattern", set.file, set.line, set.value))
			}
			continue // with the dash it may be missing, and without it docker does not start anyhow
		}
		if err != nil {
			return nil, err
		}
		s.Files = append(s.Files, file)
		for name, value := range readEnvironmentFile(file, string(data)) {
			vars[name] = value
		}
	}
	return vars, nil
}
