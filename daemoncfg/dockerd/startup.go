package dockerd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/enum"
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
	// Init is what starts it. InitNone without Unsure means that a complete
	// search found no dockerd, see [Startup.State].
	Init Init
	// Unit is the systemd unit or the script that starts it: "docker.service",
	// "/etc/init.d/docker", "/etc/sv/docker/run".
	Unit string
	// Others are other units and scripts that could start a dockerd, and other
	// dockerds that run: "/proc/PID".
	Others []string
	// Files are the files that were read, in order.
	Files []string
	// Flags are dockerd's flags and the words that it refuses. Of several flags
	// with one name the last counts.
	Flags []Flag
	// Exec is the ExecStart= line of a systemd unit as written.
	Exec string
	// Ignored are flags in files that often hold dockerd's flags and that this
	// startup does not read: DOCKER_OPTS in /etc/default/docker beside docker-ce's
	// unit.
	Ignored []Flag
	// ConfigFile is the daemon.json that dockerd reads. With ConfigFileGiven a
	// flag names it, and dockerd does not start while it is missing.
	ConfigFile      string
	ConfigFileGiven bool
	DataRoot        string
	Rootless        bool
	// PID is the process ID of the running dockerd, 0 where none was found.
	// OtherPIDs are those of other running dockerds.
	PID       int
	OtherPIDs []int
	// Stopped: systemd reports that Unit does not run. A connection to its socket
	// would start it.
	Stopped bool
	// Unsure lists what is not known: another dockerd may be meant, or flags
	// may be missing in Flags.
	Unsure []string

	noSystemd bool
	tree      bool // not the running host
}

// A State is how far a [Startup] is known.
type State = enum.Of[stateNames]

const (
	// StateUnsure: something that may start dockerd is not understood.
	// Startup.Unsure has the reasons.
	StateUnsure State = iota
	// StateFound: this is how dockerd is started.
	StateFound
	// StateAbsent: a complete search found nothing that starts a dockerd.
	StateAbsent
)

type stateNames struct{}

func (stateNames) Names() (string, []string) { return "State", []string{"unsure", "found", "absent"} }

// State returns whether the start of dockerd was found, is unsure, or is absent.
func (s Startup) State() State {
	switch {
	case len(s.Unsure) > 0:
		return StateUnsure
	case s.Init == InitNone:
		return StateAbsent
	}
	return StateFound
}

// An Init is a program that starts dockerd. Its text form is the name in lower
// case: "systemd", "sysvinit".
type Init = enum.Of[initNames]

const (
	InitNone Init = iota
	InitSystemd
	InitSnap // by systemd, inside of the docker snap
	InitSysV
	InitOpenRC
	InitUpstart
	InitRunit
	InitRootless // dockerd runs in a user's own namespace
	InitProcess  // dockerd runs, and nothing here starts it
)

type initNames struct{}

func (initNames) Names() (string, []string) {
	return "Init", []string{"none", "systemd", "snap", "sysvinit", "openrc", "upstart", "runit", "rootless", "process"}
}

// A Choice selects one of several dockerds. The zero Choice selects
// automatically.
type Choice struct {
	Unit       string // "docker-latest.service", or the path of an init script
	ConfigFile string // the daemon.json that dockerd reads
	// PID is a running dockerd, such as the process at the other end of a
	// socket. Unit and ConfigFile override it.
	PID int
}

// Read finds out how dockerd is started on h: by a unit of systemd of any name
// with its drop-ins and environment files, by a script of SysV init, OpenRC,
// upstart or runit with what it sources, or by hand, seen in /proc.
//
// On the running host systemctl(1) decides which unit files count, in a tree
// the directories of systemd.unit(5). An error means that a file that may hold
// a flag could not be read.
func Read(ctx context.Context, h usernskit.Host) (Startup, error) { return Choice{}.Read(ctx, h) }

// Read is the function [Read] for the selected dockerd. The selected unit may
// start a program of any name.
func (c Choice) Read(ctx context.Context, h usernskit.Host) (Startup, error) {
	if c.ConfigFile != "" && !path.IsAbs(c.ConfigFile) {
		return Startup{}, fmt.Errorf("%s: the file that dockerd reads must be given by its absolute path on the host", c.ConfigFile)
	}
	s := Startup{ConfigFile: DefaultFile, DataRoot: DefaultDataRoot, noSystemd: !systemdRuns(h), tree: !h.Live()}
	starters, err := findStarters(ctx, h, c)
	if err != nil {
		return Startup{}, err
	}
	pids, err := dockerds(h)
	if err != nil && h.Live() {
		return Startup{}, err
	}
	if c.Unit != "" || !slices.Contains(pids, c.PID) || s.noSystemd && len(pids) == 1 {
		c.PID = 0
	}
	if st := s.choose(h, starters, c); st != nil {
		if err := st.read(h, &s); err != nil {
			return Startup{}, err
		}
	} else if c.Unit != "" {
		return Startup{}, fmt.Errorf("%s: %w: nothing of that name starts dockerd here", c.Unit, fs.ErrNotExist)
	}
	s.readProcesses(h, pids, c.PID)
	if s.Init == InitNone {
		if err := s.readRemains(h); err != nil {
			return Startup{}, err
		}
	}
	switch f, ok := s.byName("config-file"); {
	case !ok:
	case f.Value == "":
		s.Unsure = append(s.Unsure, fmt.Sprintf("%s: with %s dockerd reads no daemon.json", f.Place(), f.Spelled))
	default:
		s.ConfigFile, s.ConfigFileGiven = s.fromRoot(f.Value, f.Place()+": "+f.Spelled), true
	}
	if c.ConfigFile != "" {
		s.ConfigFile, s.ConfigFileGiven = path.Join("/", c.ConfigFile), true
		s.Unsure = nil // the caller has decided
	}
	s.readConfig(h)
	s.readIgnored(h)
	return s, nil
}

// A starter is something that starts dockerd.
type starter struct {
	name  string // of the unit, or the path of the script
	runs  bool   // according to its init system
	named bool   // it is the unit of the choice
	read  func(usernskit.Host, *Startup) error
}

// choose takes the requested starter, the starter of the requested process, the
// only starter, or the only one that runs.
func (s *Startup) choose(h usernskit.Host, list []starter, c Choice) *starter {
	requested := c.Unit != "" || c.PID != 0
	var names []string
	var fit []int
	for i, st := range list {
		names = append(names, st.name)
		if st.fits(h, c) || !requested && (st.runs || len(list) == 1) {
			fit = append(fit, i)
		}
	}
	if len(fit) != 1 && !requested && len(list) > 0 {
		fit = []int{0}
		s.Unsure = append(s.Unsure, fmt.Sprintf("%s: each of them starts a dockerd, and which one is meant cannot be told", strings.Join(names, ", ")))
	}
	if len(fit) == 0 {
		s.Others = names
		return nil
	}
	chosen := &list[fit[0]]
	s.Unit, s.Others = chosen.name, slices.Delete(names, fit[0], fit[0]+1)
	return chosen
}

// fits reports whether a starter is the requested one: by its name, as the unit
// with the process in its control group, or as the script with its --pidfile.
func (st starter) fits(h usernskit.Host, c Choice) bool {
	switch script := (Startup{}); {
	case c.Unit != "":
		return st.named || st.name == c.Unit || path.IsAbs(st.name) && path.Base(st.name) == c.Unit
	case c.PID == 0:
		return false
	case path.IsAbs(st.name):
		return st.read(h, &script) == nil && pidfile(script.Flags) == pidfile(processFlags(h, c.PID))
	}
	return inUnit(h, c.PID, st.name)
}

// findStarters lists what starts a dockerd on h. Where a systemd unit starts one,
// scripts of other init systems count only if c requests a script.
func findStarters(ctx context.Context, h usernskit.Host, c Choice) ([]starter, error) {
	var list []starter
	if systemdRuns(h) {
		units, err := findUnits(ctx, h, c)
		if err != nil {
			return nil, err
		}
		for _, u := range units {
			list = append(list, starter{u.name, u.runs, u.requested, func(h usernskit.Host, s *Startup) error { return s.readService(h, u) }})
		}
	}
	if len(list) > 0 && (c.Unit == "" || !path.IsAbs(c.Unit)) {
		return list, nil
	}
	scripts, err := findScripts(h)
	if err != nil {
		return nil, err
	}
	for _, sc := range scripts {
		list = append(list, starter{sc.file, false, false, func(h usernskit.Host, s *Startup) error { return s.readScript(h, sc) }})
	}
	return list, nil
}

// Flag returns the flag in force for a key of daemon.json: -H for "hosts". Two
// keys may share a flag: --host-gateway-ip.
func (s Startup) Flag(key string) (Flag, bool) {
	name := key
	if o, ok := KeyOption(key); ok {
		name = o.Flag
	}
	return s.byName(name)
}

func (s Startup) byName(name string) (Flag, bool) {
	for _, f := range slices.Backward(s.Flags) {
		if name != "" && f.Name == name {
			return f, true
		}
	}
	return Flag{}, false
}

// Restart is the action that starts dockerd with its new configuration.
func (s Startup) Restart() usernskit.Action {
	restart, _ := s.commands()
	return s.action(usernskit.ActionRestartDocker, restart,
		"dockerd reads userns-remap, like most of its configuration, only when it starts; the containers that it runs are stopped")
}

// Reload is the action that makes dockerd take over the keys that it reloads,
// see [Option]. userns-remap is not one of them.
func (s Startup) Reload() usernskit.Action {
	_, reload := s.commands()
	return s.action(usernskit.ActionReloadDocker, reload, "dockerd takes this over while it runs")
}

func (s Startup) action(kind usernskit.ActionKind, argv []string, why string) usernskit.Action {
	where := usernskit.WhereHost
	if s.tree {
		where = usernskit.WhereBoot
	}
	return usernskit.Action{Why: why, Argv: argv, Where: where, Kind: kind}
}

func (s Startup) commands() (restart, reload []string) {
	name := s.service()
	hup := []string{"pkill", "-HUP", "-x", "dockerd"} // snap and most scripts cannot reload
	switch {
	case s.Init == InitSnap:
		return []string{"snap", "restart", "docker"}, hup
	case s.Init == InitRootless:
		return []string{"systemctl", "--user", "restart", "docker"}, []string{"systemctl", "--user", "reload", "docker"}
	case s.Init == InitRunit:
		return []string{"sv", "restart", name}, []string{"sv", "hup", name}
	case s.noSystemd, s.Init == InitSysV, s.Init == InitOpenRC, s.Init == InitUpstart:
		return []string{"service", name, "restart"}, hup
	}
	return []string{"systemctl", "restart", name}, []string{"systemctl", "reload", name}
}

// DropFlag describes how to remove a flag by hand. A flag in a unit of a package
// is removed by a drop-in.
func (s Startup) DropFlag(f Flag) string {
	unit := strings.HasSuffix(f.File, ".service") || strings.HasSuffix(f.File, ".conf") && strings.Contains(f.File, ".service.d/")
	line, ok := strings.CutPrefix(strings.Replace(" "+s.Exec+" ", " "+f.Spelled+" ", " ", 1), " ")
	ok = ok && strings.Contains(" "+s.Exec+" ", " "+f.Spelled+" ")
	switch {
	case strings.HasPrefix(f.File, "/proc/"):
		return "start dockerd without it"
	case unit && f.Var != "":
		return fmt.Sprintf("set %s without it, in a drop-in (systemctl edit %s)", f.Var, s.service())
	case unit && ok:
		where := "take it out of " + f.Place() + ", or override it"
		if strings.HasPrefix(f.File, "/usr/") || strings.HasPrefix(f.File, "/lib/") {
			where = "override " + f.Place()
		}
		return fmt.Sprintf("%s by a drop-in (systemctl edit %s) of the lines [Service], ExecStart= and ExecStart=%s", where, s.service(), strings.TrimSpace(line))
	}
	return "take it out of " + f.Place()
}

// service is what the init system calls dockerd.
func (s Startup) service() string {
	switch {
	case s.Init == InitRunit:
		return path.Base(path.Dir(s.Unit))
	case s.Init == InitSystemd && s.Unit != "":
		return strings.TrimSuffix(s.Unit, ".service")
	case s.Unit != "" && path.IsAbs(s.Unit):
		return strings.TrimSuffix(path.Base(s.Unit), ".conf")
	}
	return "docker"
}

// readConfig takes the data-root and whether dockerd is rootless from the flags
// or from daemon.json, as the laxest dockerd decodes it: behind a byte order mark,
// with text after the document, and the last of two equal keys wins. An
// unreadable daemon.json is reported elsewhere.
func (s *Startup) readConfig(h usernskit.Host) {
	var doc map[string]any
	if data, err := h.ReadFile(s.ConfigFile); err == nil {
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		if json.NewDecoder(bytes.NewReader(data)).Decode(&doc) != nil {
			doc = nil
		}
	}
	for _, key := range []string{"graph", "data-root"} {
		if dir, ok := doc[key].(string); ok && dir != "" {
			s.DataRoot = dir
		}
		if f, ok := s.Flag(key); ok && f.Value != "" {
			s.DataRoot = f.Value
		}
	}
	s.DataRoot = s.fromRoot(s.DataRoot, "the data-root "+s.DataRoot)
	f, ok := s.Flag("rootless")
	s.Rootless = s.Rootless || doc["rootless"] == true || ok && !f.Off()
}

// fromRoot returns the absolute path of a file that dockerd is given. Services
// start in the root directory unless their init system is set up otherwise.
func (s *Startup) fromRoot(file, what string) string {
	if !path.IsAbs(file) {
		s.Unsure = append(s.Unsure, what+" is relative to the directory in which dockerd starts")
	}
	return path.Join("/", file)
}

// readIgnored looks for flags in those of flagFiles that the startup does not
// read.
func (s *Startup) readIgnored(h usernskit.Host) {
	for _, file := range flagFiles {
		if slices.Contains(s.Files, file) {
			continue
		}
		data, err := h.ReadFile(file)
		if err != nil {
			continue
		}
		vars := readEnvironmentFile(file, string(data), false)
		for _, name := range flagVariables {
			if value, ok := vars[name]; ok {
				s.Ignored = append(s.Ignored, readFlags(shellWords(value))...)
			}
		}
	}
}

// flagFiles are the files beside an init script that often hold dockerd's flags.
var flagFiles = [...]string{"/etc/default/docker", "/etc/sysconfig/docker", "/etc/conf.d/docker"}

// flagVariables are the variables that hold the flags in such files.
var flagVariables = [...]string{"DOCKER_OPTS", "OPTIONS", "other_args", "command_args"}

// shellWords splits the value of an unquoted variable as a shell does: at white
// space, with the quotes in it left alone.
func shellWords(value word) []word {
	var words []word
	for _, text := range strings.Fields(value.text) {
		words = append(words, word{text, value.from})
	}
	return words
}

// readRemains looks for a dockerd without a known start: the unit of a user, a
// template, the package of a NAS, a program.
func (s *Startup) readRemains(h usernskit.Host) error {
	unsure := func(format string, args ...any) { s.Unsure = append(s.Unsure, fmt.Sprintf(format, args...)) }
	users, err := userUnits(h)
	if err != nil {
		return err
	}
	for _, file := range users {
		unsure("%s: the only dockerd that is started here is a user's own (rootless): it reads the daemon.json in that user's .config/docker, and cannot remap", file)
	}
	templates, err := startedBy(h, unitDirs[:], "@.service")
	if err != nil {
		return err
	}
	for _, file := range templates {
		unsure("%s: a template that starts a dockerd, and its instances are not read", file)
	}
	for _, r := range remains {
		there, err := exists(h, r.file)
		if err != nil {
			return err
		}
		if there && (r.why != "" || len(s.Unsure) == 0) {
			unsure("%s", r.file+cmp.Or(r.why, " is here, and nothing is seen that starts it"))
		}
	}
	return nil
}

const ofNAS = ": a package of the system's maker starts dockerd, with a configuration of its own (etc/dockerd.json in it)"

// remains are packages of a NAS, and the usual paths of dockerd.
var remains = [...]struct{ file, why string }{
	{"/var/packages/Docker", ofNAS}, {"/var/packages/ContainerManager", ofNAS},
	{"/usr/bin/dockerd", ""}, {"/usr/sbin/dockerd", ""}, {"/usr/local/bin/dockerd", ""}, {"/usr/local/sbin/dockerd", ""},
	{"/bin/dockerd", ""}, {"/sbin/dockerd", ""}, {"/opt/bin/dockerd", ""}, {"/usr/bin/dockerd-current", ""},
	{"/usr/bin/dockerd-ce", ""}, {"/usr/bin/dockerd-latest", ""}, {"/run/current-system/sw/bin/dockerd", ""},
	{"/snap/bin/docker.dockerd", ""},
}

// exists reports whether a file exists; an error means unknown.
func exists(h usernskit.Host, name string) (bool, error) {
	_, err := h.Stat(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err == nil, nil
	}
	return false, err
}

// list returns the names in a directory; a missing one has none.
func list(h usernskit.Host, dir string) ([]string, error) {
	entries, err := h.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}
