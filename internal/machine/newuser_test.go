//go:build linux

package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sources gives a machine this tree to clone, and the Go, the modules and the
// compiled packages of the host, since a machine has no network.
func sources(t *testing.T) []string {
	out, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").Output()
	require.NoError(t, err)
	dirs := strings.Fields(string(out))
	require.Len(t, dirs, 3)
	return []string{
		"--bind-ro=" + repository(t) + ":/src",
		"--bind-ro=" + dirs[0] + ":/usr/local/go",
		"--bind-ro=" + dirs[1] + ":/root/go/pkg/mod",
		"--bind=" + dirs[2] + ":/root/.cache/go-build",
	}
}

func repository(t *testing.T) string {
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	return dir
}

// commands are the lines of the shell blocks of a document, below headings that
// match, without their comments.
func commands(t *testing.T, document, heading string) (list []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository(t), document))
	require.NoError(t, err)
	below, shell := false, false
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		command, _, _ := strings.Cut(line, "  #")
		switch {
		case strings.HasPrefix(line, "```"):
			shell = below && line == "```sh"
		case shell && command != "":
			list = append(list, strings.TrimSpace(command))
		case !shell && strings.HasPrefix(line, "#"):
			below = regexp.MustCompile(heading).MatchString(line)
		}
	}
	require.NotEmpty(t, list, "%s has no commands below %s", document, heading)
	return list
}

// The commands are those of the documents, in their order and at a terminal at
// which every question is answered with y, so that the documents cannot get out
// of step with the program.
func newUser(t *testing.T, m *Machine) {
	before := m.files()
	dir := "/root"
	const volume = "/var/lib/docker/volumes/data/_data/greeting"
	run := func(command string) Result {
		// In a PID namespace no process outside can be ruled out.
		command = strings.Replace(command, "migrate --yes", "migrate --yes --accept-risk in-use", 1)
		// The clone comes without a network, and a small Debian has no sudo.
		return m.Run("export SHELL=/bin/bash PATH=$PATH:/usr/local/go/bin GOPROXY=off GOTOOLCHAIN=local; cd " + dir + `
git() { cp -r /src usernskit; }
sudo() { "$@"; }
export -f git sudo
echo y | script --quiet --return --command '` + command + `' /dev/null`)
	}
	codes := map[string]int{
		"sudo remapctl plan":   1, // there are differences
		"sudo remapctl verify": 3, "sudo remapctl verify --all --evidence": 3,
		"sudo remapctl undo --yes && sudo remapctl undo --yes": 2, // one outside may use the copies
		"sudo remapctl ps": 3, "sudo remapctl map": 3,
	}
	follow := func(document, heading string, then map[string]func(Result)) {
		for _, command := range commands(t, document, heading) {
			r := run(command)
			require.Equal(t, codes[command], r.Code, "%s: %s\n%v", document, command, r)
			if strings.HasSuffix(command, "cd usernskit") {
				dir = "/root/usernskit"
			}
			if then[command] != nil {
				then[command](r)
			}
		}
	}
	enabled := func(Result) {
		assert.True(t, m.remapped())
		m.Must("systemctl reset-failed docker") // which counts the starts of a minute
		m.Must(box + "docker run --detach --name one --network none box sleep 600")
	}
	proven := func(r Result) {
		assert.Contains(t, r.Out, " 0 failed")
		m.Must("docker rm --force one")
	}

	follow("README.md", "^# usernskit", nil)
	follow("README.md", "^## As a program", map[string]func(Result){
		"sudo remapctl plan": func(r Result) {
			lines := strings.Split(strings.TrimSpace(r.Out), "\n")
			assert.Contains(t, lines[len(lines)-1], "remapctl enable", "the last line does it")
			assert.Equal(t, before, m.files(), "plan only looks")
			m.Must("docker volume create data && echo hello >" + volume + " && chown 33:33 " + volume)
		},
		"sudo remapctl enable --yes --restart": enabled,
		"sudo remapctl verify":                 proven,
		"sudo remapctl migrate --yes": func(Result) {
			seen := m.Must("docker run --rm --network none --volume data:/data box busybox sh -c 'busybox stat -c %u /data/greeting; cat /data/greeting'")
			assert.Equal(t, "33\nhello", seen, "the same owner inside")
			m.Must("systemctl reset-failed docker")
		},
		"sudo remapctl undo --yes && sudo remapctl undo --yes": func(r Result) {
			assert.Contains(t, r.Out, "in use by what cannot be seen")
			m.Must("remapctl undo 1 --yes") // the files without the copies
		},
	})
	assert.Equal(t, before, m.files(), "back to the byte")
	assert.False(t, m.remapped())
	assert.Equal(t, "33 hello", m.Must("stat -c %u "+volume+" | tr '\\n' ' '; cat "+volume))
	m.Must("systemctl reset-failed docker")

	follow("docs/walkthrough.md", `^## \d\.`, map[string]func(Result){
		"sudo remapctl enable --restart": enabled,
		"sudo remapctl ps":               func(r Result) { assert.Regexp(t, `\d+ +100000 +0 +one +sleep`, r.Out) },
		"sudo remapctl map":              func(Result) { m.Must("docker rm --force one") },
	})
	assert.Equal(t, before, m.files(), "back to the byte")
	assert.False(t, m.remapped())

	// What docs/audit.md has for Ansible: the task, its handler, and the task again.
	task := m.Must("remapctl enable --yes --json")
	assert.NotContains(t, task, `"changes": []`)
	assert.False(t, m.remapped())
	m.Must("remapctl enable --yes --restart")
	assert.True(t, m.remapped())
	assert.Contains(t, m.Must("remapctl enable --yes --json"), `"changes": []`)
	m.Must("remapctl disable --yes && systemctl restart docker")
	assert.False(t, m.remapped())
	assert.Contains(t, m.files(), "dockremap:100000:65536", "the ranges stay for the next time")
}
