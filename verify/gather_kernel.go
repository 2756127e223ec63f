package verify

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs/gates"
	"github.com/usernskit/usernskit/userns"
)

// A kernel is what the kernel and the boot configuration say.
type kernel struct {
	procRoot  string
	procSeen  bool // this /proc shows namespaces
	nsUser    reading[string]
	maxUserns reading[string]
	configs   []bootConfig // of a tree of files

	gates reading[gates.Report]

	// What the kernel said to a child with the configured map, and to one that
	// joined the host's IPC namespace. notProbed is why there was none.
	probe, probeIPC error
	notProbed       string
	notProbedIPC    string
}

// A bootConfig is a /boot/config-*.
type bootConfig struct {
	file   string
	userns bool
	err    error
}

func (k kernel) procPath(name string) string { return path.Join(k.procRoot, name) }

func readKernel(ctx context.Context, f *facts) kernel {
	k := kernel{procRoot: f.opts.Proc.Root}
	if !f.proc {
		k.configs = readBootConfigs(f.host)
	} else {
		_, err := os.Lstat(k.procPath("self/ns"))
		k.procSeen = err == nil
		k.nsUser.value, k.nsUser.err = os.Readlink(k.procPath("self/ns/user"))
		data, err := f.readProc("sys/user/max_user_namespaces")
		k.maxUserns = reading[string]{strings.TrimSpace(string(data)), err}
	}
	k.gates.value, k.gates.err = gates.Read(ctx, f.host)
	k.runProbes(ctx, f)
	return k
}

// readProc reads a file of the /proc that is looked at.
func (f *facts) readProc(name string) ([]byte, error) {
	data, err := usernskit.Host{Root: f.opts.Proc.Root}.ReadFile(name)
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		pe.Path = path.Join(f.opts.Proc.Root, pe.Path)
	}
	return data, err
}

// runProbes starts the children of K07 and K08.
func (k *kernel) runProbes(ctx context.Context, f *facts) {
	why := ""
	switch {
	case !f.live:
		why = offline
	case f.noWant() != "":
		why = f.noWant()
	}
	k.notProbed, k.notProbedIPC = why, why
	if why != "" {
		return
	}
	if f.asked("K07") {
		k.probe = userns.Probe(ctx, f.ids.want())
	}
	if !f.asked("K08") {
		return
	}
	if f.opts.Helper == (userns.Helper{}) {
		k.notProbedIPC = "this program gave no helper to try it with"
		return
	}
	k.probeIPC = f.opts.Helper.ProbeIPC(ctx, f.ids.want())
}

func readBootConfigs(h usernskit.Host) []bootConfig {
	list, err := h.ReadDir("/boot")
	switch {
	case isNotExist(err):
		return nil
	case err != nil: // there may be one in it
		return []bootConfig{{file: "/boot", err: err}}
	}
	var configs []bootConfig
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), "config-") {
			continue
		}
		c := bootConfig{file: "/boot/" + e.Name()}
		c.userns, c.err = readBootConfig(h, c.file)
		configs = append(configs, c)
	}
	return configs
}

// readBootConfig reports whether a kernel's configuration has user namespaces.
// One with no option at all, as an empty file, is none.
func readBootConfig(h usernskit.Host, file string) (bool, error) {
	data, err := h.ReadFile(file)
	if err != nil {
		return false, err
	}
	if !strings.Contains(string(data), "CONFIG_") {
		return false, errors.New("no kernel's configuration")
	}
	for line := range strings.Lines(string(data)) {
		if strings.TrimSpace(line) == "CONFIG_USER_NS=y" {
			return true, nil
		}
	}
	return false, nil
}

// refused reports whether a probe says what the kernel did, and not that it
// could not be tried.
func refused(err error) bool {
	var p *userns.ProbeError
	return errors.As(err, &p) && os.Geteuid() == 0
}
