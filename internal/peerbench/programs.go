package peerbench

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/usernskit/usernskit/subid"
)

// AllocateRow makes a row that gives a user a range in both files, the way an
// administrator does: by a program that takes the locks, writes, and syncs. It
// must run after [Private]: it changes /etc.
func AllocateRow(remapctl string, lines int) (Row, error) {
	const user = "peerbench"
	held := crowded(lines)
	files := host{held: held}
	if out, err := exec.Command("useradd", "-r", user).CombinedOutput(); err != nil {
		return Row{}, fmt.Errorf("useradd: %w: %s", err, out)
	}
	saved := map[string][]byte{}
	for _, path := range []string{"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"} {
		data, err := os.ReadFile(path)
		if err != nil {
			return Row{}, err
		}
		saved[path] = data
	}
	saved[subid.UIDFile], saved[subid.GIDFile] = files.uids(), files.gids()
	before := func() error {
		err := os.RemoveAll("/var/lib/usernskit") // a first run finds no receipts
		for path, data := range saved {
			err = errors.Join(err, os.WriteFile(path, data, 0o644))
		}
		return err
	}
	start := held[len(held)-1].Last() + 1
	wrong := func(owner string) func(string) string {
		return func(string) string { return allocated(owner, held) }
	}
	program := func(name, owner string, argv ...string) Side {
		s := side(name, func() (string, error) { return run(argv...) }, wrong(owner))
		s.Program, s.Before = true, before
		check := s.Wrong
		s.Wrong = func() string { _ = before(); return check() }
		return s
	}
	given := fmt.Sprintf("%d-%d", start, start+65535)
	return Row{
		Work: "allocate, as programs", Size: size(lines, "lines"), Target: 1,
		Sides: []Side{
			program("remapctl subid add", user, remapctl, "subid", "add", "--yes", user),
			program("usermod -v -w", user, "usermod", "-v", given, "-w", given, user),
			program("useradd", user+"2", "useradd", "-M", "-K", "SUB_UID_COUNT=65536", "-K", "SUB_GID_COUNT=65536", user+"2"),
			{Name: "writing durably", Program: true, Floor: true, Before: before, Run: writeDurably},
		},
	}, nil
}

// writeDurably writes as many files as remapctl does, but computes nothing and
// starts no process. It syncs each new file before it replaces the old one, and the
// directory afterwards. usermod syncs the files and a copy of each, but not the
// directory.
func writeDurably() error {
	const journal = "/var/lib/usernskit"
	if err := os.MkdirAll(journal, 0o700); err != nil {
		return err
	}
	for _, path := range []string{journal + "/journal", subid.UIDFile, subid.GIDFile, journal + "/journal"} {
		data, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		f, err := os.CreateTemp(filepath.Dir(path), ".bare")
		if err != nil {
			return err
		}
		_, err = f.Write(append(data, "peerbench:1:1\n"...))
		if err = errors.Join(err, f.Sync(), f.Close(), os.Rename(f.Name(), path)); err != nil {
			return err
		}
		dir, err := os.Open(filepath.Dir(path))
		if err != nil {
			return err
		}
		if err = errors.Join(dir.Sync(), dir.Close()); err != nil {
			return err
		}
	}
	return nil
}

// allocated returns what is wrong with the owner's line in either file, or "". It
// must be the only new line, and overlap no held range.
func allocated(owner string, held []subid.Range) string {
	for _, path := range []string{subid.UIDFile, subid.GIDFile} {
		data, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		var mine []subid.Range
		lines := 0
		for c := range subid.Parse(path, data).Ranges() {
			lines++
			if c.Owner == owner {
				mine = append(mine, c.Range)
			}
		}
		if len(mine) != 1 || mine[0].Count != 65536 || lines != len(held)+1 {
			return fmt.Sprintf("%s has %v for %s in %d lines", path, mine, owner, lines)
		}
		if why := (host{held: held}).overlap(mine[0].Start); why != "" {
			return why
		}
	}
	return ""
}

func run(argv ...string) (string, error) {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %.300s", strings.Join(argv, " "), err, out)
	}
	return string(out), nil
}

// A Process has the times, the memory and the exit code of one run of a program.
type Process struct {
	Wall, CPU time.Duration
	Memory    int64 // bytes: the maximum resident set size
	Code      int
}

// RunProgram runs a program several times and returns the run with the median
// time on the clock, and the shortest.
//
// Linux counts the memory of the parent process as the program's too. So a small
// parent starts the program: this one again, with [OneFlag] as the first argument,
// on which main calls [RunOne].
func RunProgram(times int, argv ...string) (median, best Process, err error) {
	var list []Process
	for range times {
		out, err := exec.Command("/proc/self/exe", append([]string{OneFlag}, argv...)...).Output()
		var p Process
		if err == nil {
			err = json.Unmarshal(out, &p)
		}
		if err != nil {
			return p, p, fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b Process) int { return cmp.Compare(a.Wall, b.Wall) })
	return list[len(list)/2], list[0], nil
}

// OneFlag asks for [RunOne].
const OneFlag = "-one-program"

// RunOne runs a program once and prints its Process as JSON. An exit code other
// than 0 is not an error.
func RunOne(argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	start := time.Now()
	err := cmd.Run()
	p := Process{Wall: time.Since(start)}
	if e := (*exec.ExitError)(nil); err != nil && !errors.As(err, &e) {
		return err
	}
	p.Code = cmd.ProcessState.ExitCode()
	p.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	p.Memory = maxResident(cmd.ProcessState)
	return json.NewEncoder(os.Stdout).Encode(p)
}

func maxResident(s *os.ProcessState) int64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int64(usage.Maxrss) << 10
}

// PlanNote runs "remapctl plan" on a tree whose two files have that many lines each,
// and returns a line on its time and memory.
func PlanNote(dir, remapctl string, lines, times int) (string, error) {
	h, err := newHost(filepath.Join(dir, fmt.Sprint("plan-", lines)), crowded(lines))
	if err != nil {
		return "", err
	}
	if err := h.write(map[string]string{
		"/etc/docker/daemon.json": "{\n    \"log-driver\": \"journald\"\n}\n",
		"/etc/os-release":         "ID=debian\nVERSION_ID=\"13\"\n",
	}); err != nil {
		return "", err
	}
	median, best, err := RunProgram(times, remapctl, "plan", "--root", h.root)
	return note("remapctl plan", size(lines, "lines"), times, median, best), err
}

// VerifyNote runs "remapctl verify" beside that many trees of three processes, and
// returns a line on its time and memory.
func VerifyNote(remapctl string, trees, times int) (string, error) {
	s, err := StartTrees(trees)
	if err != nil {
		return "", err
	}
	defer s.Stop()
	median, best, err := RunProgram(times, remapctl, "verify", "--json")
	return note("remapctl verify", fmt.Sprint(trees, " process trees"), times, median, best), err
}

func note(name, size string, times int, median, best Process) string {
	return fmt.Sprintf("%s, %s: %s on the clock (best of %d: %s), %s on CPUs, %.0f MiB resident at most, exit code %d", name, size,
		Duration(float64(median.Wall)), times, Duration(float64(best.Wall)), Duration(float64(median.CPU)),
		float64(median.Memory)/(1<<20), median.Code)
}

const privateEnv = "PEERBENCH_PRIVATE"

// Private runs the calling program again in a mount namespace of its own, where
// /etc is a copy in dir and /var/lib an empty directory there, so that useradd and
// usermod can be measured without touching the system. In the child it mounts
// them; in the parent, which must be root, it returns the child's error.
func Private(dir string) error {
	if PrivateDir() != "" {
		return errors.Join(
			syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
			over(filepath.Join(dir, "etc"), "/etc", true),
			over(filepath.Join(dir, "lib"), "/var/lib", false))
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), privateEnv+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

// PrivateDir returns the directory that the parent gave to [Private], or "" in the
// parent.
func PrivateDir() string { return os.Getenv(privateEnv) }

// over makes dir, if full as a copy of target, and bind-mounts it on target.
func over(dir, target string, full bool) error {
	if full {
		if out, err := exec.Command("cp", "-a", target, dir).CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	} else if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return syscall.Mount(dir, target, "", syscall.MS_BIND, "")
}
