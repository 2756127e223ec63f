package daemoncfg_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/hosttest"
)

// nobody is a user that dockerd looks for and does not find. With it among the
// flags no dockerd comes as far as starting: it stops over a conflict with the
// file, and prints what it has read there, or over the missing user.
const nobody = "no-such-user-of-daemoncfg"

// An engine is a real dockerd that is asked what it reads.
type engine struct {
	program string
	old     bool // 20.10
}

// eachEngine runs a test on the dockerd that is installed and on a current one.
func eachEngine(t *testing.T, test func(*testing.T, engine)) {
	t.Helper()
	hosttest.Need(t, "dockerd")
	for _, program := range []string{"dockerd", currentEngine(t)} {
		version, err := exec.Command(program, "--version").CombinedOutput()
		require.NoError(t, err)
		e := engine{program, strings.Contains(string(version), " 20.10.")}
		name := "current"
		if e.old {
			name = "20.10"
		}
		t.Run(name, func(t *testing.T) { test(t, e) })
	}
}

// read lets dockerd read a daemon.json and returns what it says.
func (e engine) read(t *testing.T, data []byte) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "daemon.json")
	require.NoError(t, os.WriteFile(file, data, 0o644))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, e.program, "--config-file", file, "--userns-remap", nobody,
		"--exec-root", dir+"/exec", "--pidfile", dir+"/pid").CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode(), "%s", out)
	return string(out)
}

// takes reports whether dockerd takes the file, as far as it reads it before
// it looks for conflicts, and what it says.
func (e engine) takes(t *testing.T, data []byte) (takes bool, says string) {
	t.Helper()
	out := e.read(t, data)
	if strings.Contains(out, `uid lookup for "`+nobody) || strings.Contains(out, "specified both as a flag") {
		return true, out
	}
	require.Contains(t, out, "unable to configure the Docker daemon with file", "%q", data)
	return false, out
}

func TestRealDockerdReadsWhatWasSet(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		files, err := filepath.Glob("testdata/corpus/*.json")
		require.NoError(t, err)
		for i, file := range files {
			if testing.Short() && i%7 != 0 {
				continue
			}
			in, err := os.ReadFile(file)
			require.NoError(t, err)
			doc, err := daemoncfg.Parse(file, in)
			require.NoError(t, err)
			require.NoError(t, doc.Set([]string{"userns-remap"}, json.RawMessage(`"alice:staff"`)))
			out := e.read(t, doc.Bytes())
			if strings.Contains(out, "don't match any configuration option") {
				// One that some dockerd does not start with anyhow. Lint has seen it,
				// unless the key came after 20.10.
				found := ""
				if e.old && strings.Contains(out, "http-proxy") {
					continue
				}
				for _, f := range doc.Lint() {
					if f.Level == daemoncfg.LevelFatal {
						found = string(f.ID)
					}
				}
				assert.Contains(t, []string{"unknown-key", "removed-key"}, found, "%s: %s", file, out)
				continue
			}
			// dockerd takes members of objects for its own, in the order of a Go map:
			// where there is another userns-remap inside of one it may name either.
			if slices.ContainsFunc(doc.Lint(), func(f daemoncfg.Problem) bool { return f.ID == "nested-remap" }) {
				out = strings.ReplaceAll(out, "from file: somebody)", "from file: alice:staff)")
			}
			assert.Contains(t, out, "userns-remap: (from flag: "+nobody+", from file: alice:staff)", file)
		}
	})
}

func TestRealDockerdRefusesWhatIsRefusedHere(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for _, test := range refused {
			takes, says := e.takes(t, []byte(test.in))
			switch {
			case strings.Contains(test.want, "no dockerd starts with"):
				assert.False(t, takes, test.name)
			case strings.Contains(test.want, "before 23.0 does not start"):
				assert.Equal(t, !e.old, takes, test.name)
			case strings.Contains(test.want, "from 23.0 does not start"), strings.Contains(test.want, "from 23.0 on, and 20.10 ignores"):
				assert.Equal(t, e.old, takes, test.name)
			case strings.Contains(test.want, "twice"):
				assert.True(t, takes || strings.Contains(says, "don't match"), "%s: %s", test.name, says)
			}
		}
	})
}

// What Lint calls fatal stops dockerd, and what it does not call so does not.
func TestRealDockerdAgreesWithLint(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		for _, test := range lints {
			if strings.Contains(test.in, `{"userns-remap"`) && !strings.Contains(test.in, "zzz") {
				continue // the conflict with the flag hides what dockerd says about the value
			}
			fatal := strings.Contains(strings.Join(test.want, "\n"), " fatal: ")
			switch test.name {
			case "empty file":
				fatal = e.old
			case "removed key", "key removed since", "a network option as a number":
				fatal = !e.old
			case "object for a removed key", "a type that some do not look at", "the path of a key as a number":
				fatal = e.old
			}
			takes, says := e.takes(t, []byte(test.in))
			assert.Equal(t, !fatal, takes, "%s: %s", test.name, says)
		}
	})
}

// Each key that can be a flag too is one in both places, by the name that the
// table has for it.
func TestRealDockerdKnowsTheFlagOfEachKey(t *testing.T) {
	values := map[string]string{
		"add-runtime": "x=/x", "default-address-pool": "base=10.0.0.0/8,size=24", "default-gateway": "10.0.0.1", "default-gateway-v6": "fd00::1",
		"default-network-opt": "bridge=a=b", "default-shm-size": "1m", "default-ulimit": "nofile=1:1", "dns": "10.0.0.1", "feature": "a=true",
		"host-gateway-ip": "10.0.0.1", "ip": "10.0.0.1", "log-opt": "a=b", "cluster-store-opt": "a=b", "nri-opts": "enable=false", "storage-opt": "a=b",
		"label": "a=b", "insecure-registry": "r.example", "registry-mirror": "https://r.example", "log-format": "text", "host": "unix:///x",
		"node-generic-resource": "a=b", "bip": "10.0.0.1/24", "dns-opt": "a", "dns-search": "example.com",
	}
	file := map[dockerd.Kind]string{
		dockerd.KindString: `"x"`, dockerd.KindNumber: "1", dockerd.KindBool: "true", dockerd.KindList: `["x"]`, dockerd.KindObject: `{"a": {}}`,
	}
	eachEngine(t, func(t *testing.T, e engine) {
		pairs := 0
		for _, o := range dockerd.Options() {
			if o.Key == "" || o.Flag == "" || o.Key == "userns-remap" || o.Key == "runtimes" {
				continue
			}
			switch {
			case e.old && (o.Key == "features" || o.Key == "host-gateway-ips"), !e.old && o.Key == "allow-nondistributable-artifacts":
				continue // here key and flag came and went at different times
			}
			value := values[o.Flag]
			if value == "" {
				value = map[dockerd.Kind]string{dockerd.KindNumber: "1", dockerd.KindBool: "true"}[o.Kind]
			}
			if value == "" {
				value = "x"
			}
			path := filepath.Join(t.TempDir(), "daemon.json")
			require.NoError(t, os.WriteFile(path, []byte(`{"`+o.Key+`": `+file[o.Kind]+`}`), 0o644))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			out, err := exec.CommandContext(ctx, e.program, "--config-file", path, "--userns-remap", nobody, "--"+o.Flag+"="+value).CombinedOutput()
			cancel()
			require.Error(t, err, o.Key)
			if e.old && o.New || !e.old && o.Until != "" {
				assert.Contains(t, string(out), "unknown flag: --"+o.Flag, "the table says so")
				continue
			}
			pairs++
			assert.Contains(t, string(out), "specified both as a flag and in the configuration file: "+o.Key+": ", o.Key)
		}
		assert.Greater(t, pairs, 60)
	})
}
