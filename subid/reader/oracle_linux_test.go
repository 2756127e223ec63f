package reader_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid/reader"
)

// models are the programs of the suites.
var models = map[string]reader.Program{"bookworm": reader.Shadow413, "trixie": reader.Shadow417, "sid": reader.Shadow420}

var alice = reader.Owner{Name: "alice", UID: new(uint32(1000))}

// getsubids is what the real program of an unpacked suite finds for alice, with
// the real libc of that suite.
func getsubids(t *testing.T, root, text string) string {
	require.NoError(t, os.WriteFile(filepath.Join(root, "etc/subuid"), []byte(text), 0o644))
	out, err := exec.Command("chroot", root, "getsubids", "alice").Output()
	if exit := (*exec.ExitError)(nil); err != nil {
		require.ErrorAs(t, err, &exit, "getsubids did not run")
		return ""
	}
	return string(out)
}

// as prints a model's readings as getsubids does.
func as(p reader.Program, text string) (out string) {
	list, _ := reader.Read(p, "subuid", text, alice)
	for i, n := range list {
		out += fmt.Sprintf("%d: alice %d %d\n", i, uint64(n.Start), uint64(n.Count))
	}
	return out
}

// The getsubids of three versions read 5,000 odd lines, and files that are odd as
// a whole, exactly as their models do.
func TestGetsubids(t *testing.T) {
	for _, suite := range hosttest.DebianSuites {
		t.Run(suite, func(t *testing.T) {
			root := hosttest.Debian(t, suite)
			lines, read := 0, 0
			for _, text := range oddFiles() {
				want := getsubids(t, root, text)
				require.Equal(t, want, as(models[suite], text), "%v\n%.3000q", models[suite], text)
				lines += strings.Count(text, "\n")
				read += strings.Count(want, "\n")
			}
			t.Logf("%d lines, of which %d are alice's to %v", lines, read, models[suite])
			assert.Greater(t, lines, 5000)
			assert.Greater(t, read, 150)
		})
	}
}

// oddFiles are files of odd lines, and files that are odd as a whole.
func oddFiles() (files []string) {
	for seed := range uint64(12) {
		files = append(files, strings.Join(oddLines(seed, 500), "\n")+"\n")
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	for seed := range uint64(60) {
		text := strings.Join(oddLines(seed, 6), "\n")
		at := rnd.IntN(len(text))
		switch seed % 4 {
		case 1:
			text += "\n"
		case 2:
			text = text[:at] + "\x00" + text[at:]
		case 3:
			text = text[:at] + "\x00" + text[at:] + "\n"
		}
		files = append(files, text)
	}
	for _, n := range []int{4094, 4095, 4096, 8190, 8191, 65535, 65536} { // around the buffers
		pad := strings.Repeat("p", n)
		files = append(files, pad, pad+"\n", pad+"\nalice:1:2\n", "alice:1:2\n"+pad, pad+":1:2\nalice:3:4")
	}
	return files
}

// What users met, each with the version that reads it so.
func TestVersionsDiffer(t *testing.T) {
	roots := map[string]string{}
	for _, suite := range hosttest.DebianSuites {
		roots[suite] = hosttest.Debian(t, suite)
	}
	for _, c := range []struct {
		name, text string
		want       map[string]string // by suite; those that are missing read nothing
	}{
		{"a start below zero", "alice:-5:16\n", map[string]string{"bookworm": "18446744073709551611 16"}},
		{"a binary number, by the C library", "alice:0b101:7\n", map[string]string{"trixie": "5 7", "sid": "5 7"}},
		{"a NUL byte refuses the whole file", "alice:1:2\nbob:1:2\x00\nbob:3:4\n", map[string]string{"bookworm": "1 2", "trixie": "1 2"}},
		{"leading zeros of a UID", "01000:1:2\n", map[string]string{"sid": "1 2"}},
		{"a blank before a UID", " 1000:1:2\n", map[string]string{"sid": "1 2"}},
		{"all IDs", "alice:0:4294967296\n", map[string]string{"bookworm": "0 4294967296", "trixie": "0 4294967296"}},
		{"a fourth field", "alice:1:2:3\n", map[string]string{"bookworm": "1 2", "trixie": "1 2"}},
		{"no newline at the end", "alice:1:2", map[string]string{"bookworm": "1 2", "trixie": "1 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, suite := range hosttest.DebianSuites {
				want := ""
				if c.want[suite] != "" {
					want = "0: alice " + c.want[suite] + "\n"
				}
				assert.Equal(t, want, as(models[suite], c.text), "the model of %s", suite)
				assert.Equal(t, want, getsubids(t, roots[suite], c.text), "the program of %s", suite)
			}
		})
	}
}

// newuidmap of each version lets root use what the model reads, and nothing else.
func TestNewuidmap(t *testing.T) {
	if !hosttest.Private(t, "unshare") {
		return
	}
	root0 := reader.Owner{Name: "root", UID: new(uint32(0))}
	for _, suite := range hosttest.DebianSuites {
		t.Run(suite, func(t *testing.T) {
			root := hosttest.Debian(t, suite)
			require.NoError(t, syscall.Mount("/proc", root+"/proc", "", syscall.MS_BIND|syscall.MS_REC, ""))
			t.Cleanup(func() { assert.NoError(t, syscall.Unmount(root+"/proc", syscall.MNT_DETACH)) })
			for _, line := range []string{"root:100000:10", "root:0x186a0:10", "root:0303240:10", "root:100000:10:x", "root: 100000:10",
				" root:100000:10", "root:100000:10 ", "0:100000:10", "00:100000:10", "root:0b11000011010100000:10", "root:1OOOOO:10", "root:-0:100010", "#root:100000:10"} {
				text := line + "\n"
				require.NoError(t, os.WriteFile(root+"/etc/subuid", []byte(text), 0o644))
				list, _ := reader.Read(models[suite], "subuid", text, root0)
				want := len(list) == 1 && list[0].Start <= 100000 && list[0].Start+list[0].Count >= 100010
				assert.Equal(t, want, mapped(t, root, "100000", "10"), "%q", line)
			}
		})
	}
}

// mapped reports whether newuidmap of the tree maps these IDs into a new user
// namespace.
func mapped(t *testing.T, root, start, count string) bool {
	target := exec.Command("unshare", "--user", "cat")
	in, err := target.StdinPipe()
	require.NoError(t, err)
	out, err := target.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, target.Start())
	defer target.Wait()
	defer in.Close()
	_, err = io.WriteString(in, "x\n")
	require.NoError(t, err)
	_, err = out.Read(make([]byte, 2)) // it is in its namespace now
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd := exec.Command("chroot", root, "newuidmap", strconv.Itoa(target.Process.Pid), "0", start, count)
	cmd.Stderr = &stderr
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		require.NoError(t, err, "newuidmap did not run")
	}
	data, readErr := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", target.Process.Pid))
	require.NoError(t, readErr)
	require.Equal(t, err == nil, len(data) > 0, "%s", stderr.String())
	return err == nil
}
