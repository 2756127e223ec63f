//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A table compares what verify says of the states with what
// docker-bench-security 1.6.0 does. It is written to the file that
// USERNSKIT_TABLE names, and not made without.
type table map[string]string

// bench has the two questions that docker-bench-security 1.6.0 asks about user
// namespaces, in words of our own: 2.9 looks for userns-remap in daemon.json, and
// then among the flags of the dockerd that was started last; 5.31 looks for
// "host" in the UsernsMode of what docker ps lists, and is not asked where that
// is nothing. Without jq, as on most hosts; with jq 2.9 passes whenever the file
// lacks the key, too.
const bench = `
on() { tr , '\n' </etc/docker/daemon.json | grep userns-remap | grep -v '""'; }
flag() { tr '\0' '\n' <"/proc/$(pgrep -n -x dockerd)/cmdline" | grep -e '^--userns-remap'; }
if on >/dev/null 2>&1 || flag >/dev/null 2>&1; then printf pass; else printf warn; fi
ids=$(docker ps --quiet)
[ -n "$ids" ] || { printf ' not asked'; exit; }
if docker inspect --format '{{.HostConfig.UsernsMode}}' $ids | grep -qi host; then printf ' warn'; else printf ' pass'; fi
`

// add notes a state. remapped is the summary of verify, found its findings.
func (r table) add(h *stage, s state, remapped, found string) {
	if os.Getenv("USERNSKIT_TABLE") == "" {
		return
	}
	truth := "remapped"
	if s.exposed {
		truth = "**exposed**"
	}
	if remapped == "not started" {
		r[s.name] = fmt.Sprintf("| %s | dockerd does not start | | | |", s.name)
		return
	}
	host := h.host
	if host == "" {
		host = h.Host
	}
	cmd := exec.Command("sh", "-s")
	cmd.Stdin = strings.NewReader(bench) // not in its arguments, where it would find itself
	cmd.Env = append(os.Environ(), "DOCKER_HOST="+host)
	out, _ := cmd.Output() // what it cannot ask, it says nothing of
	words := append(strings.SplitN(string(out), " ", 2), "")
	r[s.name] = fmt.Sprintf("| %s | %s | %s | %s | %s |", s.name, truth,
		judged(s.exposed, words[0]), judged(s.exposed, words[1]), strings.TrimSuffix(judged(s.exposed, strings.Replace(remapped, "warn", "yes, but", 1))+": "+found, ": "))
}

// judged says whether a verdict is right about a state.
func judged(exposed bool, verdict string) string {
	switch {
	case verdict == "", verdict == "not asked", verdict == "unknown", verdict == "skip":
		return "unknown"
	case verdict == "yes, but": // of containers that are not this daemon's, or allowed
		return verdict
	case (verdict == "pass") == exposed:
		return verdict + " **wrong**"
	}
	return verdict
}

func (r table) write(t *testing.T) {
	path := os.Getenv("USERNSKIT_TABLE")
	if path == "" {
		return
	}
	var b strings.Builder
	for _, s := range slices.Concat(tricks, states, runtimes) {
		if row := r[s.name]; row != "" {
			b.WriteString(row + "\n")
		}
	}
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
}
