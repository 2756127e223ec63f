package facts

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs/gates"
	"github.com/usernskit/usernskit/userns/probe"
)

// A kernel is the state of the kernel and the boot configuration.
type kernel struct {
	procRoot  string
	ProcSeen  bool // this /proc shows namespaces
	NSUser    reading[string]
	MaxUserns reading[string]
	Configs   []bootConfig // of a tree of files

	Gates reading[gates.Report]

	// The results of a child with the configured map, and of one that joined
	// the host's IPC namespace. notProbed is why there was none.
	Probe, ProbeIPC error
	NotProbed       string
	NotProbedIPC    string
}

// A bootConfig is a /boot/config-*.
type bootConfig struct {
	File   string
	Userns bool
	Err    error
}

func (k kernel) ProcPath(name string) string { return path.Join(k.procRoot, name) }

func (f *Facts) readKernel(context.Context) {
	k := &f.Kernel
	if !f.HasProc {
		k.Configs = readBootConfigs(f.Host)
		return
	}
	k.procRoot = f.Proc.Root
	_, err := os.Lstat(k.ProcPath("self/ns"))
	k.ProcSeen = err == nil
	k.NSUser.Value, k.NSUser.Err = os.Readlink(k.ProcPath("self/ns/user"))
	data, err := f.readProc("sys/user/max_user_namespaces")
	k.MaxUserns = reading[string]{strings.TrimSpace(string(data)), err}
}

func (f *Facts) readGates(ctx context.Context) {
	f.Kernel.Gates.Value, f.Kernel.Gates.Err = gates.Read(ctx, f.Host)
}

// readProc reads a file of /proc.
func (f *Facts) readProc(name string) ([]byte, error) {
	data, err := usernskit.Host{Root: f.Proc.Root}.ReadFile(name)
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		pe.Path = path.Join(f.Proc.Root, pe.Path)
	}
	return data, err
}

// noProbe is why no child can be started in the configured map, or "".
func (f *Facts) noProbe() string {
	if !f.Live {
		return Offline
	}
	return f.NoWant()
}

func (f *Facts) runProbe(ctx context.Context) {
	if f.Kernel.NotProbed = f.noProbe(); f.Kernel.NotProbed == "" {
		f.Kernel.Probe = probe.Mapping(ctx, f.IDs.Want())
	}
}

func (f *Facts) runProbeIPC(ctx context.Context) {
	k := &f.Kernel
	if k.NotProbedIPC = f.noProbe(); k.NotProbedIPC != "" {
		return
	}
	if f.Helper == (probe.Helper{}) {
		k.NotProbedIPC = "this program gave no helper to try it with"
		return
	}
	k.ProbeIPC = f.Helper.IPC(ctx, f.IDs.Want())
}

func readBootConfigs(h usernskit.Host) []bootConfig {
	list, err := h.ReadDir("/boot")
	switch {
	case IsNotExist(err):
		return nil
	case err != nil: // there may be one in it
		return []bootConfig{{File: "/boot", Err: err}}
	}
	var configs []bootConfig
	for _, e := range list {
		if !strings.HasPrefix(e.Name(), "config-") {
			continue
		}
		c := bootConfig{File: "/boot/" + e.Name()}
		c.Userns, c.Err = readBootConfig(h, c.File)
		configs = append(configs, c)
	}
	return configs
}

// readBootConfig reports whether a kernel's configuration has user namespaces.
// An empty file does not count.
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
