package bootargs

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/distro"
)

// A Loader is how a host boots, and where its kernel arguments are kept.
type Loader struct {
	Kind   Kind
	Distro string // ID and VERSION_ID of os-release(5): "rhel 9.4"
	// Why is what the kind was told from, or for a host that PlanEdit does not
	// edit, who keeps the arguments.
	Why string
	// Stores are the places, in the order in which they are written.
	Stores []Store
	// Grubby is the path of grubby(8), "" where there is none.
	Grubby string
	// Command is what to run on a host that PlanEdit does not edit.
	Command []string
}

// A Store is one place where arguments are kept.
type Store struct {
	Path string // of the file
	What string // the variable or key in it, "" for a file that is all arguments
	For  string // whom it is for: "every kernel", "new kernels", or an entry's title
}

// Detect finds out how a host boots. A host that shows nothing we know has
// [KindUnknown], which is no error: containers and virtual machines with a
// kernel from outside have no boot loader.
func Detect(ctx context.Context, h usernskit.Host) (Loader, error) {
	s, err := load(ctx, h)
	if err != nil {
		return Loader{}, err
	}
	return s.Loader, nil
}

// A site is everything that was read of a host, once; plans are made from it.
type site struct {
	Loader
	h       usernskit.Host
	release distro.Release
	files   map[string][]byte // nil: not there
	err     error             // the first read that failed

	grubCfgPath string
	cfg         grubCfg
	shell       []string // files that grub-mkconfig sources, in order
	dropIn      bool     // our own file goes into /etc/default/grub.d
	envPath     string
	entriesDir  string
	entries     []*entry
	kernel      string // the file that kernel-install copies from, read
	linePath    string // cmdline.txt
	extlinux    string
	bootDir     string // of systemd-boot: where loader.conf is
}

// read returns a file's bytes, nil where there is none.
func (s *site) read(name string) []byte {
	if name == "" {
		return nil
	}
	if data, ok := s.files[name]; ok {
		return data
	}
	data, err := s.h.ReadFile(name)
	switch {
	case err == nil && data == nil:
		data = []byte{}
	case err != nil:
		data = nil
		if s.err == nil && !absentFile(err) {
			s.err = err
		}
	}
	s.files[name] = data
	return data
}

func absentFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

func (s *site) exists(name string) bool {
	_, err := s.h.Stat(name)
	if err != nil && !absentFile(err) && s.err == nil {
		s.err = err
	}
	return err == nil
}

// first returns the first of names that exists, "" if none.
func (s *site) first(names ...string) string {
	for _, name := range names {
		if s.exists(name) {
			return name
		}
	}
	return ""
}

// list returns the files of a directory that end in suffix, in order.
func (s *site) list(dir, suffix string) []string {
	all, err := s.h.ReadDir(dir)
	if err != nil && !absentFile(err) && s.err == nil {
		s.err = err
	}
	var names []string
	for _, d := range all {
		if strings.HasSuffix(strings.ToLower(d.Name()), suffix) && !strings.HasPrefix(d.Name(), ".") && !d.IsDir() {
			names = append(names, path.Join(dir, d.Name()))
		}
	}
	return names
}

// load reads everything that says how a host boots.
func load(ctx context.Context, h usernskit.Host) (*site, error) {
	s := newSite(h)
	s.findLoader()
	if s.err == nil {
		s.err = ctx.Err()
	}
	return s, s.err
}

// newSite reads what host this is.
func newSite(h usernskit.Host) *site {
	s := &site{h: h, files: map[string][]byte{}}
	release := s.first("/etc/os-release", "/usr/lib/os-release")
	s.release = distro.Parse(s.read(release), s.read("/etc/redhat-release"))
	s.Distro = s.release.String()
	return s
}

func (s *site) findLoader() {
	s.Grubby = s.first("/usr/sbin/grubby", "/sbin/grubby", "/usr/bin/grubby")
	for _, look := range []func(*site) bool{owned, raspberry, grub, systemdBoot, extlinux, others} {
		if look(s) || s.err != nil {
			break
		}
	}
	if s.Kind == KindUnknown {
		s.Why = "no boot loader that we know: the kernel may come from outside, as in a container or a small virtual machine"
	}
	s.Stores = s.stores()
}

// loadEntries reads the boot entries of a directory.
func (s *site) loadEntries(dir string, grub bool) {
	s.entriesDir = dir
	for _, name := range s.list(dir, ".conf") {
		s.entries = append(s.entries, parseEntry(name, s.read(name)))
	}
	sortEntries(s.entries, grub)
}

// loadKernelCmdline finds what kernel-install gives to the kernels to come.
func (s *site) loadKernelCmdline() {
	s.kernel = s.first("/etc/kernel/cmdline", "/usr/lib/kernel/cmdline")
	s.read("/etc/kernel/cmdline")
	s.read(s.kernel)
}

func (s *site) stores() []Store {
	var list []Store
	if s.Kind == KindGRUB || s.Kind == KindGRUBBLS {
		for _, name := range s.shell {
			list = append(list, Store{name, grubVariable, "every kernel"})
		}
		if s.dropIn && s.files[dropInPath] == nil {
			list = append(list, Store{dropInPath, grubVariable, "every kernel"})
		}
	}
	if s.envPath != "" && s.Kind == KindGRUBBLS && bytes.Contains(s.read(s.envPath), []byte("\nkernelopts=")) {
		list = append(list, Store{s.envPath, "kernelopts", "entries with $kernelopts"})
	}
	for _, e := range s.entries {
		list = append(list, Store{e.path, "options", e.title})
	}
	switch s.Kind {
	case KindRaspberry:
		list = append(list, Store{s.linePath, "", "every kernel"})
	case KindExtlinux:
		list = append(list, s.extlinuxStore())
	}
	if s.kernel != "" {
		list = append(list, Store{"/etc/kernel/cmdline", "", "new kernels"})
	}
	return list
}
