package remap_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/remap"
)

// Plans of several packages in one, others edit the same files elsewhere, and the
// undo leaves exactly what they did.
func TestUndoOfEnableLeavesTheEditsOfOthers(t *testing.T) {
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		if run++; run > 40 && !t.Failed() {
			return // each is a dozen fsyncs
		}
		daemon := rapid.SampledFrom([]string{"", "{}\n", "{\n  \"log-level\": \"warn\"\n}\n", `{"debug":true,"log-opts":{"max-size":"1m"}}`}).Draw(rt, "daemon.json")
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(rt, "eol")
		files := map[string]string{
			"etc/os-release": "ID=debian\n", "usr/sbin/update-grub": "", "boot/grub/grub.cfg": "",
			"etc/passwd":                            "root:x:0:0::/root:/bin/sh\ndockremap:x:998:998::/:/bin/false\n",
			"etc/group":                             "root:x:0:\ndockremap:x:998:\n",
			"etc/subuid":                            "alice:100000:65536" + eol + "bob:165536:65536" + eol,
			"etc/subgid":                            rapid.SampledFrom([]string{"", "alice:100000:65536" + eol}).Draw(rt, "subgid"),
			"etc/default/grub":                      "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX=\"quiet\"\nGRUB_TIMEOUT=5\n",
			"usr/lib/systemd/system/docker.service": "[Service]\nExecStart=/usr/bin/dockerd\n",
		}
		if daemon != "" {
			files["etc/docker/daemon.json"] = daemon
		}
		var text strings.Builder
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(&text, "-- %s --\n", name)
		}
		h := hosttest.Tree(t, text.String())
		write := func(name, data string) {
			require.NoError(rt, os.WriteFile(filepath.Join(h.Root, name), []byte(data), 0o644))
		}
		read := func(name string) string {
			data, err := h.ReadFile("/" + name)
			if err != nil {
				return ""
			}
			return string(data)
		}
		for name, data := range files {
			write(name, data)
		}

		enable, err := remap.PlanEnable(t.Context(), h, remap.Request{})
		require.NoError(rt, err)
		kernel, err := bootargs.PlanEdit(t.Context(), h, bootargs.Edit{Set: []string{"user_namespace.enable=1"}})
		require.NoError(rt, err)
		plan, err := usernskit.Merge(enable.Plan, kernel)
		require.NoError(rt, err)
		receipt, err := h.Apply(t.Context(), plan)
		require.NoError(rt, err)

		// want follows what others do, from the files as they were.
		want := maps.Clone(files)
		for _, name := range []string{"etc/subuid", "etc/subgid"} {
			for i := range rapid.IntRange(0, 2).Draw(rt, name) {
				line := fmt.Sprintf("eve%d:%d:65536%s", i, 10000000+i*65536, eol)
				if rapid.Bool().Draw(rt, "first") {
					write(name, line+read(name))
					want[name] = line + want[name]
				} else {
					write(name, read(name)+line)
					want[name] += line
				}
			}
		}
		if rapid.Bool().Draw(rt, "grub") {
			write("etc/default/grub", strings.Replace(read("etc/default/grub"), "GRUB_TIMEOUT=5", "GRUB_TIMEOUT=0\nGRUB_TERMINAL=console", 1))
			want["etc/default/grub"] = strings.Replace(want["etc/default/grub"], "GRUB_TIMEOUT=5", "GRUB_TIMEOUT=0\nGRUB_TERMINAL=console", 1)
		}
		var members map[string]any
		if rapid.Bool().Draw(rt, "members") {
			add := func(text string) string {
				var m map[string]any
				if text == "" {
					text = "{}"
				}
				require.NoError(rt, json.Unmarshal([]byte(text), &m))
				m["mtu"] = 1400.0
				m["a-first"] = []any{"x"}
				members = m
				out, err := json.MarshalIndent(m, "", rapid.SampledFrom([]string{"", "\t"}).Draw(rt, "indent"))
				require.NoError(rt, err)
				return string(out)
			}
			write("etc/docker/daemon.json", add(read("etc/docker/daemon.json")))
			want["etc/docker/daemon.json"] = add(daemon)
		}

		back, err := h.PlanUndo(receipt.ID, nil)
		require.NoError(rt, err)
		require.NoError(rt, h.Undo(t.Context(), receipt.ID, nil))
		for _, c := range back.Changes {
			require.Equal(rt, string(c.After), read(strings.TrimPrefix(c.Path, "/")), "as it was planned")
		}
		for name, text := range want {
			if name == "etc/docker/daemon.json" && members != nil {
				require.JSONEq(rt, text, read(name))
				continue
			}
			require.Equal(rt, text, read(name), name)
		}
		if daemon == "" && members == nil {
			require.NoFileExists(rt, filepath.Join(h.Root, "etc/docker/daemon.json"))
		}
	})
}
