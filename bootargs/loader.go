package bootargs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/distro"
	"github.com/usernskit/usernskit/internal/enum"
	"github.com/usernskit/usernskit/internal/hostread"
)

// A Kind is a boot loader, or a program that keeps the arguments for one. Its
// text form is "grub", "grub-bls" and so on.
type Kind = enum.Of[kindNames]

// Kinds that PlanEdit edits come first, then those that it explains.
const (
	KindUnknown   Kind = iota
	KindGRUB           // GRUB 2, entries generated into grub.cfg
	KindGRUBBLS        // GRUB 2 that reads entry files (Fedora, EL8 and later, openSUSE's grub2-bls)
	KindSDBoot         // systemd-boot
	KindRaspberry      // the firmware's cmdline.txt
	KindExtlinux       // extlinux, or U-Boot reading extlinux.conf
	KindLimine         // Limine, its configuration made by limine-entry-tool
	KindZipl           // zipl(8) of s390x
	KindUKI            // unified kernel images: the line is inside, signed
	KindRPMOSTree      // rpm-ostree deployments
	KindBootc          // bootc image
	KindOther          // another program's; see Loader.Why
)

type kindNames struct{}

func (kindNames) Names() (string, []string) {
	return "Kind", []string{"unknown", "grub", "grub-bls", "systemd-boot", "raspberry-pi", "extlinux", "limine", "zipl", "uki",
		"rpm-ostree", "bootc", "other"}
}

// A Loader is a host's boot loader and where it keeps kernel arguments.
type Loader struct {
	Kind   Kind   `json:"loader"`
	Distro string `json:"distro"` // ID and VERSION_ID of os-release(5): "rhel 9.4"
	// Why is why this kind was chosen or, on a host that PlanEdit does not
	// edit, which program owns the arguments.
	Why string `json:"why"`
	// Evidence is what was found for this loader; Others is the weaker evidence
	// for other ones.
	Evidence []string `json:"evidence"`
	Others   []string `json:"others"`
	// Stores are the places that hold arguments, in the order in which they
	// are written.
	Stores []Place `json:"stores"`
	// Grubby is the path of grubby(8), "" where there is none.
	Grubby string `json:"grubby"`
	// Command is the owner's command on a host that PlanEdit does not edit.
	Command []string `json:"command"`
}

// A Place is one place where arguments are kept, or one command line.
type Place struct {
	Path string `json:"path"` // of the file
	What string `json:"what"` // the variable, key or label in it, "" for a file that is all arguments
	For  string `json:"for"`  // which kernels get it: "every kernel", "new kernels", or an entry's title
	// Line is the command line with its variables expanded. State reports whether
	// it has the arguments asked for. Loader.Stores has neither.
	Line  string `json:"line"`
	State State  `json:"state"` // StateActive, StateMissing, StateOverridden, StateCannotTell or StateNone
}

// Where returns "path: what", or the part of it that is set.
func (p Place) Where() string {
	if p.Path != "" && p.What != "" {
		return p.Path + ": " + p.What
	}
	return p.Path + p.What
}

// Detect finds out how a host boots, from what loaders read and from what the
// firmware keeps of the last boot, not from installed packages. A host without
// a known loader has [KindUnknown], which is not an error: containers and some
// virtual machines have no boot loader. A host with equal evidence for two
// loaders has [KindUnknown] too, and Why names both. If this user may not read
// a file, the error matches [fs.ErrPermission].
func Detect(ctx context.Context, h usernskit.Host) (Loader, error) {
	s, err := load(ctx, h, "")
	if err != nil {
		return Loader{}, err
	}
	return s.Loader, nil
}

// A site holds what was read of a host, once; plans are made from it.
type site struct {
	Loader
	*hostread.Files
	h       usernskit.Host
	release distro.Release
	refuse  error // why no edit of this loader can be planned
	weight  int   // of the evidence for the loader

	grubCfgPath string
	cfg         grubCfg
	shell       []string // files that grub-mkconfig sources, in order
	dropIn      string   // our own file in /etc/default/grub.d; "" where drop-ins are not read
	envPath     string
	entriesDir  string
	entries     []*entry
	vars        map[string]string // of GRUB, which reads the entries; nil for systemd-boot
	images      []string          // unified kernel images
	kernel      string            // the file whose arguments kernel-install gives to new kernels
	sdbootutil  bool              // openSUSE's tool makes the entries
	linePath    string            // cmdline.txt
	claimed     bool              // GRUB reads /boot/loader/entries
	extlinux    string
}

// load reads what shows how a host boots. store is Edit.Store.
func load(ctx context.Context, h usernskit.Host, store string) (*site, error) {
	s := &site{h: h, Files: hostread.New(h)}
	s.release = s.Release()
	s.Distro = s.release.String()
	s.Grubby = s.First("/usr/sbin/grubby", "/sbin/grubby", "/usr/bin/grubby")
	s.findLoader(store)
	switch {
	case s.Err == nil:
		s.Err = ctx.Err()
	case errors.Is(s.Err, fs.ErrPermission): // an EFI partition is for root alone on many hosts
		s.Err = fmt.Errorf("cannot tell how this host boots, since some of its files are closed to this user: %w", s.Err)
	}
	return s, s.Err
}

// How much a piece of evidence counts.
const (
	weightNone   = iota
	weightSource // a file that a configuration could be made from
	weightLive   // a configuration that a loader reads at boot
	weightBooted // the firmware or the distribution names the loader
)

// evidence adds what was found for this loader.
func (s *site) evidence(weight int, text string) {
	s.weight = max(s.weight, weight)
	s.Evidence = append(s.Evidence, text)
}

// findLoader chooses the loader with the most evidence, or the one that owns
// store.
func (s *site) findLoader(store string) {
	if owned(s) {
		return
	}
	var list, chosen []*site
	named, source := s.namedLoader()
	seen := false
	for _, look := range []struct {
		name string // as the firmware and openSUSE have it
		find func(*site)
	}{
		{"", raspberry}, {"grub", grub}, {"systemd-boot", systemdBoot}, {"", extlinux}, {"limine", limine},
		{"refind", explained("/boot/refind_linux.conf", "rEFInd: add the argument to each line of")},
		{"", explained("/boot/armbianEnv.txt", "Armbian: add the argument to extraargs= in")},
	} {
		c := *s
		look.find(&c)
		if c.weight == weightNone {
			continue
		}
		if look.name != "" && look.name == named {
			c.evidence(weightBooted, source)
			seen = true
		}
		s.claimed = s.claimed || c.Kind == KindGRUBBLS
		c.Stores = c.stores()
		list = append(list, &c)
	}
	switch {
	case s.Err != nil:
		return
	case store != "":
		chosen = slices.DeleteFunc(slices.Clone(list), func(c *site) bool { return !c.keeps(store) })
		if len(chosen) == 0 {
			s.unclear(fmt.Errorf("%s: %w: no loader that was found here keeps arguments there; found: %s", store, ErrNoLoader, describe(list)))
			return
		}
	case len(list) == 0 && s.unmounted() != "":
		s.unclear(fmt.Errorf("%w: /etc/fstab mounts %s, where nothing is now: mount it first", ErrNoLoader, s.unmounted()))
		return
	case len(list) == 0:
		s.Why = "no known boot loader: the kernel may come from outside, as in a container or a small virtual machine; " +
			"looked for grub.cfg, /etc/default/grub, loader.conf and loader/entries, EFI/Linux, config.txt, extlinux.conf, limine.conf and refind_linux.conf"
		return
	case named != "" && !seen:
		s.unclear(fmt.Errorf("%w: %s, but its configuration was not found (is its partition mounted?); found: %s", ErrNoLoader, source, describe(list)))
		return
	default:
		best := slices.MaxFunc(list, func(a, b *site) int { return cmp.Compare(a.weight, b.weight) })
		chosen = slices.DeleteFunc(slices.Clone(list), func(c *site) bool { return c.weight < best.weight })
		if len(chosen) > 1 {
			s.unclear(fmt.Errorf("%w: %s; choose one by the path of a file that it reads", ErrAmbiguous, describe(chosen)))
			return
		}
		if best.weight == weightSource && s.unmounted("/boot") != "" {
			s.unclear(fmt.Errorf("%w: /etc/fstab mounts /boot, where nothing is now: mount it first; found: %s", ErrNoLoader, describe(list)))
			return
		}
	}
	*s = *chosen[0]
	if s.refuse != nil {
		s.Why = s.refuse.Error()
	}
	for _, c := range list {
		if c != chosen[0] {
			s.Others = append(s.Others, describe([]*site{c}))
		}
	}
}

// unmounted returns the first of places at which fstab(5) mounts a partition
// for boot loaders, and which is empty.
func (s *site) unmounted(places ...string) string {
	if places == nil {
		places = []string{"/boot", "/efi", "/boot/efi", "/boot/firmware"}
	}
	for line := range bytes.Lines(s.Read("/etc/fstab")) {
		f := strings.Fields(string(line))
		if len(f) < 2 || strings.HasPrefix(f[0], "#") || !slices.Contains(places, path.Clean(f[1])) {
			continue
		}
		list, err := s.h.ReadDir(f[1])
		s.Note(err)
		isFound := func(d fs.DirEntry) bool { return d.Name() != "efi" } // where a second partition is mounted
		if !slices.ContainsFunc(list, isFound) {
			return f[1]
		}
	}
	return ""
}

// keeps reports whether a file is one that this loader or its tools read.
func (s *site) keeps(file string) bool {
	return slices.ContainsFunc(s.Stores, func(p Place) bool { return p.Path == file }) ||
		slices.ContainsFunc(s.Evidence, func(e string) bool { return e == file || strings.HasPrefix(e, file+" ") })
}

func (s *site) unclear(err error) { s.refuse, s.Why = err, err.Error() }

// describe names loaders with what was found for each.
func describe(list []*site) string {
	var texts []string
	for _, c := range list {
		texts = append(texts, fmt.Sprintf("%v (%s)", c.Kind, strings.Join(c.Evidence, ", ")))
	}
	if texts == nil {
		return "nothing"
	}
	return strings.Join(texts, " and ")
}

// namedLoader returns the loader that the firmware or the distribution names,
// and the source: the EFI variable in which a loader leaves its name
// (https://systemd.io/BOOT_LOADER_INTERFACE), or openSUSE's own setting.
func (s *site) namedLoader() (name, source string) {
	info := s.efiVariable("LoaderInfo")
	for _, name := range []string{"systemd-boot", "grub", "limine", "refind"} {
		if strings.HasPrefix(strings.ToLower(info), name) {
			return name, "the EFI variable LoaderInfo names " + info
		}
	}
	kind := s.loaderType()
	switch kind {
	case "grub2", "grub2-efi", "grub2-bls":
		name = "grub"
	case "systemd-boot":
		name = kind
	}
	return name, bootloaderFile + " names " + kind
}

const (
	bootloaderFile = "/etc/sysconfig/bootloader"
	kernelCmdline  = "/etc/kernel/cmdline"
)

// loaderType is LOADER_TYPE of openSUSE's /etc/sysconfig/bootloader.
func (s *site) loaderType() string { return s.shellVar(bootloaderFile, "LOADER_TYPE").text }

// shellVar returns a variable of one file of assignments.
func (s *site) shellVar(file, name string) shellValue {
	f, err := parseShell(file, s.Read(file))
	if err != nil {
		return shellValue{unknown: true}
	}
	return evaluate(f)[name]
}

// efiVariable reads one of systemd-boot's variables: UTF-16 behind four bytes
// of attributes.
func (s *site) efiVariable(name string) string {
	const vendor = "-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	v := s.Read("/sys/firmware/efi/efivars/" + name + vendor)
	if len(v) <= 4 {
		return ""
	}
	return strings.TrimSpace(string(bytes.ReplaceAll(v[4:], []byte{0}, nil)))
}

// loadEntries reads the boot entries of directories; two paths of one
// directory count once.
func (s *site) loadEntries(grub bool, dirs ...string) {
	if grub {
		s.vars = map[string]string{}
	}
	var seen []fs.FileInfo
	for _, dir := range dirs {
		info, err := s.h.Stat(dir)
		s.Note(err)
		if err != nil || slices.ContainsFunc(seen, func(other fs.FileInfo) bool { return os.SameFile(info, other) }) {
			continue
		}
		seen = append(seen, info)
		for _, name := range s.List(dir, ".conf", ".CONF") {
			s.entries = append(s.entries, parseEntry(name, s.Read(name), s.vars))
			if s.entriesDir == "" {
				s.entriesDir = dir
			}
		}
	}
	sortEntries(s.entries, grub)
	if grub {
		s.loadGRUBVars()
	}
}

// loadKernelCmdline finds the file whose arguments kernel-install gives to
// future kernels. If that file is empty, kernel-install takes the running
// command line, so adding one argument to it would cost the next kernel its
// root=.
func (s *site) loadKernelCmdline() {
	if name := s.First(kernelCmdline, "/usr/lib/kernel/cmdline"); !isBlank(string(s.Read(name))) {
		s.kernel = name
	}
}

// stores lists the places that an edit of every kernel may write.
func (s *site) stores() []Place {
	const all = "every kernel"
	var list []Place
	if s.Kind == KindGRUB || s.Kind == KindGRUBBLS {
		for _, name := range s.sourceNames() {
			list = append(list, Place{Path: name, What: grubVariable, For: all})
		}
	}
	if s.envPath != "" && s.Kind == KindGRUBBLS && bytes.Contains(s.Read(s.envPath), []byte("\nkernelopts=")) {
		list = append(list, Place{Path: s.envPath, What: "kernelopts", For: "entries with $kernelopts"})
	}
	for _, e := range s.entries {
		if e.foreign() == "" {
			list = append(list, Place{Path: e.path, What: "options", For: e.title})
		}
	}
	if s.hasLineStore() {
		list = append(list, s.lineStore().Place)
	}
	if s.kernel != "" {
		list = append(list, Place{Path: kernelCmdline, For: "new kernels"})
	}
	return list
}
