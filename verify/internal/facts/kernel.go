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
	ProcSeen  bool // this /proc shows namespaces
	NSUser    reading[string]
	MaxUserns reading[string]
	Configs   []bootConfig // of a tree of files

	Gates reading[gates.Report]

	// Probe and ProbeIPC are the results of a child with the configured map, and
	// of one that joined the host's IPC namespace.
	Probe, ProbeIPC error
}

// A bootConfig is a /boot/config-*.
type bootConfig struct {
	File   string
	Userns bool
	Err    error
}

func (f *Facts) readKernel(context.Context) {
	k := &f.Kernel
	if !f.HasProc {
		k.Configs = readBootConfigs(f.Host)
		return
	}
	_, err := os.Lstat(f.ProcPath("self/ns"))
	k.ProcSeen = err == nil
	k.NSUser.Value, k.NSUser.Err = os.Readlink(f.ProcPath("self/ns/user"))
	data, err := f.readProc("sys/user/max_user_namespaces")
	k.MaxUserns = reading[string]{strings.TrimSpace(string(data)), err}
}

func (f *Facts) readGates(ctx context.Context) {
	f.Kernel.Gates.Value, f.Kernel.Gates.Err = gates.Read(ctx, f.Host)
}

// ProcPath is the path of a file of /proc on this machine.
func (f *Facts) ProcPath(name string) string { return path.Join(f.Proc.Root, name) }

// readProc reads a file of /proc.
func (f *Facts) readProc(name string) ([]byte, error) {
	data, err := usernskit.Host{Root: f.Proc.Root}.ReadFile(name)
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		pe.Path = f.ProcPath(pe.Path)
	}
	return data, err
}

// NoProbe is why no child can be started in the configured map, or "".
func (f *Facts) NoProbe() string {
	if !f.Live {
		return Offline
	}
	return f.NoWant()
}

func (f *Facts) runProbe(ctx context.Context) {
	if f.NoProbe() == "" {
		f.Kernel.Probe = probe.Mapping(ctx, f.IDs.Want())
	}
}

func (f *Facts) runProbeIPC(ctx context.Context) {
	if f.NoProbe() == "" && f.Helper != (probe.Helper{}) {
		f.Kernel.ProbeIPC = f.Helper.IPC(ctx, f.IDs.Want())
	}
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
		var data []byte
		if data, c.Err = h.ReadFile(c.File); c.Err == nil && !strings.Contains(string(data), "CONFIG_") {
			c.Err = errors.New("no kernel's configuration") // an empty file does not count
		}
		for line := range strings.Lines(string(data)) {
			c.Userns = c.Userns || strings.TrimSpace(line) == "CONFIG_USER_NS=y"
		}
		configs = append(configs, c)
	}
	return configs
}
