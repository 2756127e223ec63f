package peerbench

import (
	"fmt"
	"os"
	"path/filepath"
)

// PlanNote runs "remapctl plan" on a tree whose two files have so many lines.
func PlanNote(dir, remapctl string, lines, times int) (string, error) {
	h, err := newHost(filepath.Join(dir, fmt.Sprint("plan-", lines)), crowded(lines))
	if err != nil {
		return "", err
	}
	for path, text := range map[string]string{
		"/etc/docker/daemon.json": "{\n    \"log-driver\": \"journald\"\n}\n",
		"/etc/os-release":         "ID=debian\nVERSION_ID=\"13\"\n",
	} {
		if err := os.MkdirAll(filepath.Dir(h.path(path)), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(h.path(path), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	median, best, err := RunProgram(times, remapctl, "plan", "--root", h.root)
	return note("remapctl plan", size(lines, "lines"), times, median, best), err
}

// VerifyNote runs "remapctl verify" with so many trees of three processes.
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
