package dockerd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
)

// A unit is a unit of systemd: its file first, then its drop-ins in the order
// in which systemd reads them.
type unit struct {
	name     string
	files    []string
	read     []string // the files that have the settings
	settings []setting
	pid      int // of the main process, as systemd knows it
	runs     bool
	stopped  bool
	masked   bool
	unsure   []string

	requested bool
}

const (
	dockerUnit = "docker.service"
	snapUnit   = "snap.docker.dockerd.service"
)

// systemdRuns is sd_booted(3) on the running host, and true for a tree.
func systemdRuns(h usernskit.Host) bool {
	if !h.Live() {
		return true
	}
	_, err := h.Stat("/run/systemd/system")
	return err == nil
}

// findUnits finds the systemd units that start dockerd, with any name, and the
// requested one, whatever it starts and also by an alias. A masked docker.service
// counts where there is no other.
func findUnits(ctx context.Context, h usernskit.Host, c Choice) ([]unit, error) {
	requested := ""
	if c.Unit != "" && !path.IsAbs(c.Unit) {
		requested = strings.TrimSuffix(c.Unit, ".service") + ".service"
	}
	names := []string{dockerUnit, snapUnit}
	for _, dir := range unitDirs {
		target, err := h.Path(path.Join(dir, requested))
		if base := path.Base(target); err == nil && requested != "" && path.Ext(base) == ".service" {
			requested = base
		}
	}
	if requested != "" && !slices.Contains(names, requested) {
		names = append(names, requested)
	}
	for _, dir := range unitDirs {
		files, err := list(h, dir)
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			name = strings.TrimSuffix(name, ".d")
			if strings.HasSuffix(name, ".service") && !slices.Contains(names, name) && mentionsDocker(h, dir, name) {
				names = append(names, name)
			}
		}
	}
	var units, masked []unit
	for _, name := range names {
		u, found, err := searchUnit(h, name)
		if err != nil {
			return nil, err
		}
		if !u.ask(ctx, h) && !found {
			continue
		}
		if len(u.files) > 0 {
			target, err := h.Path(u.files[0])
			if base := path.Base(target); err == nil && base != name && slices.Contains(names, base) {
				continue // an alias of that one
			}
		}
		if err := u.load(h); err != nil {
			return nil, err
		}
		switch {
		case u.masked && u.isDocker():
			masked = append(masked, u)
		case u.startsDockerd() || name == requested:
			u.masked, u.requested = false, name == requested
			units = append(units, u)
		}
	}
	if len(units) == 0 && len(masked) > 0 {
		return masked[:1], nil
	}
	return units, nil
}

// mentionsDocker reports whether a unit file or drop-in has the word docker, or
// may have it because it is unreadable. An alias is handled with its unit.
func mentionsDocker(h usernskit.Host, dir, name string) bool {
	if strings.Contains(name, "@") {
		return false // a template starts nothing by itself
	}
	if target, err := h.Path(path.Join(dir, name)); err == nil && filepath.Base(target) != name && filepath.Base(target) != "null" {
		return false
	}
	files := []string{path.Join(dir, name)}
	drops, err := list(h, path.Join(dir, name+".d"))
	if err != nil {
		return true
	}
	for _, d := range drops {
		files = append(files, path.Join(dir, name+".d", d))
	}
	for _, file := range files {
		data, err := h.ReadFile(file)
		if err == nil && strings.Contains(string(data), "docker") || errors.Is(err, fs.ErrPermission) {
			return true
		}
	}
	return false
}

// ask asks systemd which files it has read for a unit, and reports whether it
// has the unit. It does not ask for ExecStart, which systemctl prints without
// quotes. Without an answer, the files that searchUnit found count.
func (u *unit) ask(ctx context.Context, h usernskit.Host) bool {
	out, exit, err := h.Ask(ctx, "systemctl", "show", u.name, "-p", "LoadState,ActiveState,FragmentPath,DropInPaths,MainPID,NeedDaemonReload")
	if err != nil || exit != 0 {
		if h.Live() {
			u.unsure = append(u.unsure, fmt.Sprintf("%s: systemctl does not say which of its files are in force: %v", u.name, cause(err, exit)))
		}
		return false
	}
	answer := map[string]string{}
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		answer[key] = value
	}
	if answer["FragmentPath"] == "" {
		return answer["LoadState"] == "masked"
	}
	u.files = append(strings.Fields(answer["FragmentPath"]), strings.Fields(answer["DropInPaths"])...)
	u.pid, _ = strconv.Atoi(answer["MainPID"])
	u.runs = u.pid != 0 || answer["ActiveState"] == "active"
	u.stopped = answer["ActiveState"] == "inactive" || answer["ActiveState"] == "failed"
	if answer["NeedDaemonReload"] == "yes" {
		u.unsure = append(u.unsure, fmt.Sprintf("%s: its files changed since systemd read them, and the changes take effect with the next systemctl daemon-reload", u.name))
	}
	return true
}

func cause(err error, exit int) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("exit status %d", exit)
}

// load reads the files of the unit. A masked one has no settings.
func (u *unit) load(h usernskit.Host) error {
	for i, file := range u.files {
		data, err := h.ReadFile(file)
		switch {
		case errors.Is(err, usernskit.ErrNotRegular), errors.Is(err, fs.ErrNotExist):
			u.masked = u.masked || i == 0 // a link to /dev/null
			continue
		case err != nil:
			return err
		case i == 0 && len(data) == 0: // masked for systemd, too
			u.masked = true
		}
		u.read = append(u.read, file)
		u.settings = append(u.settings, readUnit(file, string(data))...)
	}
	return nil
}

// startsDockerd reports whether a unit is for dockerd: by its name, or by what
// its ExecStart= runs.
func (u *unit) startsDockerd() bool {
	return u.isDocker() || slices.ContainsFunc(inForce(u.settings, "ExecStart"), func(set setting) bool {
		words, _ := variables{}.commandLine(set)
		_, ok := dockerdIn(words)
		return ok || runsDockerd.MatchString(set.value)
	})
}

func (u *unit) isDocker() bool { return u.name == dockerUnit || u.name == snapUnit }

// runsDockerd finds a start of dockerd in shell code.
var runsDockerd = regexp.MustCompile(`(^|[\s;&|/"'])(exec\s+)?(\S*/)?dockerd(-rootless\.sh|-current|-latest|-ce)?\s|docker\s+(daemon|-d)\s`)

// readService reads the flags from a unit.
func (s *Startup) readService(h usernskit.Host, u unit) error {
	s.Init, s.PID, s.Stopped, s.Unsure = InitSystemd, u.pid, u.stopped, append(s.Unsure, u.unsure...)
	if u.name == snapUnit {
		s.Init, s.ConfigFile, s.ConfigFileGiven, s.DataRoot = InitSnap, snapFile, true, snapDataRoot
	}
	s.Files = append(s.Files, u.read...)
	vars, older, err := s.readVariables(h, u.settings)
	if err != nil {
		return err
	}
	starts := inForce(u.settings, "ExecStart")
	switch {
	case u.masked:
		s.Unsure = append(s.Unsure, fmt.Sprintf("%s: the unit is masked", u.files[0]))
		return nil
	case s.Init == InitSnap:
		return nil // its wrapper script has fixed flags
	case len(starts) != 1:
		s.Unsure = append(s.Unsure, fmt.Sprintf("%s: %d ExecStart= lines are in force, not one", u.name, len(starts)))
		return nil
	}
	start := starts[0]
	s.Exec = start.value
	s.readForeign(u.settings, start, vars)
	words, sure := vars.commandLine(start)
	place := fmt.Sprintf("%s:%d", start.file, start.line)
	wrapper, args, ok, err := scriptOf(h, words)
	if err != nil {
		return err
	}
	s.readVersions(start.value+wrapper.text, vars, older)
	if ok {
		sh := &shell{host: h, vars: vars, args: args}
		if wrapper.file == "" {
			wrapper.file, sh.line = start.file, start.line
		} else {
			s.Files = append(s.Files, wrapper.file)
		}
		return s.takeShell(sh, wrapper, place)
	}
	i, ok := dockerdIn(words)
	if !ok {
		s.Unsure = append(s.Unsure, place+": what this starts is not dockerd by its name")
		return nil
	}
	if !sure || i > 0 && !isDockerdDaemon(words, i) {
		s.Unsure = append(s.Unsure, place+": the command line is more than dockerd and its flags")
	}
	s.Rootless = path.Base(words[i].text) == "dockerd-rootless.sh"
	s.Flags = readFlags(words[i+1:])
	return nil
}

// scriptOf returns the shell script that a command line runs, after -c or in a
// file, with its arguments.
func scriptOf(h usernskit.Host, words []word) (sc script, args []word, ok bool, err error) {
	if len(words) == 0 {
		return script{}, nil, false, nil
	}
	if isShell(words[0].text) && len(words) > 2 && strings.HasPrefix(words[1].text, "-") && strings.HasSuffix(words[1].text, "c") {
		return script{text: words[2].text}, words[min(4, len(words)):], true, nil // the one in between is $0
	}
	file, args := words[0].text, words[1:]
	if isShell(file) && len(args) > 0 {
		file, args = args[0].text, args[1:]
	}
	if _, is := dockerdIn(words); is || !path.IsAbs(file) {
		return script{}, nil, false, nil
	}
	data, err := h.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, usernskit.ErrTooLarge) || errors.Is(err, usernskit.ErrNotRegular) {
		return script{}, nil, false, nil
	}
	if err != nil || !strings.HasPrefix(string(data), "#!") {
		return script{}, nil, false, err
	}
	return script{file: file, text: string(data)}, args, true, nil
}

func isShell(name string) bool {
	switch path.Base(name) {
	case "sh", "bash", "dash", "ash":
		return true
	}
	return false
}

// dockerdIn finds the word before dockerd's flags.
func dockerdIn(words []word) (int, bool) {
	for i, w := range words {
		if isDockerd(w.text) || isDockerdDaemon(words, i) {
			return i, true
		}
	}
	return -1, false
}

// isDockerdDaemon recognises the spelling before 1.12: docker daemon, docker -d.
func isDockerdDaemon(words []word, i int) bool {
	return i == 1 && path.Base(words[0].text) == "docker" && (words[1].text == "daemon" || words[1].text == "-d")
}

// isDockerd also accepts the dockerd-current and dockerd-latest of older Red Hat
// packages, and the script that starts a rootless one.
func isDockerd(name string) bool {
	switch path.Base(name) {
	case "dockerd", "dockerd-current", "dockerd-latest", "dockerd-ce", "dockerd-rootless.sh":
		return true
	}
	return false
}

// readVariables reads the environment of a service: files override Environment=.
// older is the environment that systemd before v254 makes of it.
func (s *Startup) readVariables(h usernskit.Host, list []setting) (vars, older variables, err error) {
	vars = variables{}
	for _, set := range inForce(list, "Environment") {
		vars.assign(set)
	}
	older = maps.Clone(vars)
	for _, set := range inForce(list, "EnvironmentFile") {
		file, optional := strings.CutPrefix(specifiers.Replace(set.value), "-")
		if !path.IsAbs(file) || slices.Contains(strings.Split(file, "/"), "..") {
			continue // systemd warns, and ignores the line
		}
		data, err := h.ReadFile(file)
		read, why := readEnvironmentFile(file, string(data), false), ""
		switch {
		case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(file, "*?[%"):
			s.Unsure = append(s.Unsure, fmt.Sprintf("%s:%d: %s is a pattern", set.file, set.line, set.value))
			continue
		case errors.Is(err, fs.ErrNotExist):
			why = "missing"
		case errors.Is(err, usernskit.ErrNotRegular):
			why = "not a file"
		case err != nil:
			return nil, nil, err
		case read == nil:
			why = "not a text in UTF-8"
		}
		if why != "" {
			if !optional {
				s.Unsure = append(s.Unsure, fmt.Sprintf("%s:%d: %s is %s, and systemd starts nothing without it", set.file, set.line, file, why))
			}
			continue
		}
		s.Files = append(s.Files, file)
		maps.Copy(vars, read)
		maps.Copy(older, readEnvironmentFile(file, string(data), true))
	}
	for _, set := range inForce(list, "UnsetEnvironment") {
		for _, w := range splitWords(set.value, true) {
			for _, env := range []variables{vars, older} {
				if name, value, given := strings.Cut(w, "="); !given || env[name].text == value {
					delete(env, name)
				}
			}
		}
	}
	return vars, older, nil
}

// readVersions adds to Unsure the variables that a command line or script uses
// and that depend on the version of systemd.
func (s *Startup) readVersions(text string, vars, older variables) {
	both := maps.Clone(older)
	maps.Copy(both, vars)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		used := strings.Contains(text, "$"+name) || strings.Contains(text, "${"+name)
		if from := both[name].from; used && vars[name].text != older[name].text {
			s.Unsure = append(s.Unsure, fmt.Sprintf("%s:%d: what %s is depends on the version of systemd: before v254 a comment that ends in a backslash takes in the next line", from.file, from.line, name))
		}
	}
}

// readForeign adds to Unsure the settings by which dockerd sees other files than
// the host's, and variables that its command line may use and whose value is not
// in the files (systemd.exec(5)).
func (s *Startup) readForeign(list []setting, start setting, vars variables) {
	for _, set := range list {
		place := fmt.Sprintf("%s:%d: ", set.file, set.line)
		switch set.key {
		case "RootDirectory", "RootImage", "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "MountImages", "ExtensionImages":
			if set.value != "" {
				s.Unsure = append(s.Unsure, place+set.key+"= gives dockerd other files than those of the host")
			}
		case "Environment":
			for _, w := range splitWords(set.value, true) {
				if name, _, _ := strings.Cut(w, "="); open(w) && vars[name].from.line == set.line && strings.Contains(start.value, name) {
					s.Unsure = append(s.Unsure, place+"what "+name+" is depends on a specifier")
				}
			}
		case "PassEnvironment":
			for _, name := range splitWords(set.value, true) {
				if _, known := vars[name]; !known && strings.Contains(start.value, name) {
					s.Unsure = append(s.Unsure, place+"what "+name+" is, systemd knows")
				}
			}
		}
	}
}

// userUnits returns the files of users' units of a rootless dockerd.
func userUnits(h usernskit.Host) ([]string, error) {
	dirs := []string{"/etc/systemd/user", "/usr/lib/systemd/user", "/usr/local/lib/systemd/user", "/root/.config/systemd/user"}
	homes, err := list(h, "/home")
	if err != nil {
		return nil, err
	}
	for _, home := range homes {
		dirs = append(dirs, path.Join("/home", home, ".config/systemd/user"))
	}
	return startedBy(h, dirs, ".service")
}

// startedBy returns the unit files in dirs whose text has the word dockerd.
func startedBy(h usernskit.Host, dirs []string, suffix string) ([]string, error) {
	var found []string
	for _, dir := range dirs {
		names, err := list(h, dir)
		if errors.Is(err, fs.ErrPermission) {
			continue // a user's own
		}
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			data, err := h.ReadFile(path.Join(dir, name))
			if err == nil && strings.HasSuffix(name, suffix) && strings.Contains(string(data), "dockerd") {
				found = append(found, path.Join(dir, name))
			}
		}
	}
	return found, nil
}

// A setting is one of the section [Service] of a unit file.
type setting struct {
	key, value string
	file       string
	line       int
}

// readUnit returns the settings of [Service] in a unit file or drop-in, in
// order, as systemd.syntax(7) has it: a backslash at the end joins lines with a
// space, and comments in between are dropped without ending the join. An
// escaped backslash does not join, and the end of the file ends a join
// (config_parse in systemd's conf-parser.c).
func readUnit(file, text string) []setting {
	var (
		list    []setting
		section string
		joined  strings.Builder
		first   int // line that the joined one began on
	)
	end := func() {
		whole := strings.TrimSpace(joined.String())
		joined.Reset()
		if strings.HasPrefix(whole, "[") {
			section = whole
			return
		}
		key, value, ok := strings.Cut(whole, "=")
		if ok && section == "[Service]" {
			list = append(list, setting{strings.TrimSpace(key), strings.TrimSpace(value), file, first})
		}
	}
	text = strings.TrimPrefix(text, "\ufeff")
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		start := strings.TrimLeft(line, " \t")
		if strings.HasPrefix(start, "#") || strings.HasPrefix(start, ";") {
			continue
		}
		if joined.Len() == 0 {
			first = i + 1
			line = start
		}
		if joinsNext(line) {
			joined.WriteString(line[:len(line)-1] + " ")
			continue
		}
		joined.WriteString(line)
		end()
	}
	end()
	return list
}

// inForce returns the settings of one key: later ones add to earlier ones, and an
// empty one resets them (systemd.service(5), systemd.exec(5)).
func inForce(list []setting, key string) (sets []setting) {
	for _, set := range list {
		switch {
		case set.key != key:
		case set.value == "":
			sets = nil
		default:
			sets = append(sets, set)
		}
	}
	return sets
}
