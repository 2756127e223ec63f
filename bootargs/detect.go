package bootargs

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
)

const (
	defaultGrub = "/etc/default/grub"
	dropInDir   = "/etc/default/grub.d"
)

// owned recognises hosts on which another program keeps the arguments, and
// would undo or ignore an edit of the files that it makes.
func owned(s *site) bool {
	own := func(kind Kind, evidence, why string, command ...string) bool {
		s.Kind, s.Why, s.Command, s.Evidence = kind, why, command, []string{evidence}
		return true
	}
	ostree := s.First("/run/ostree-booted", "/ostree/repo")
	bootc := s.First("/usr/lib/bootc/kargs.d", "/usr/bin/bootc")
	entries, deployed := s.List("/boot/loader/entries", ".conf"), false
	for _, name := range entries {
		line := parseEntry(name, s.Read(name), nil).cmdline()
		deployed = deployed || hasName(line, "ostree") || hasName(line, "composefs")
		if ostree == "" && hasName(line, "ostree") {
			ostree = name
		}
	}
	installed := len(entries) > 0 || s.First("/boot/grub2/grub.cfg", "/boot/grub/grub.cfg") != ""
	if bootc == "/usr/bin/bootc" && installed && !deployed {
		bootc = "" // only the program, on a host that is made of packages
	}
	switch {
	case ostree != "" && s.Exists("/usr/bin/rpm-ostree"):
		return own(KindRPMOSTree, ostree, "each deployment has its own arguments, and a new deployment inherits them from rpm-ostree only", "rpm-ostree", "kargs")
	case bootc != "":
		return own(KindBootc, bootc, "the arguments belong to the image: a file in /usr/lib/bootc/kargs.d with kargs = [\"name=value\"], at the next build")
	case ostree != "":
		return own(KindRPMOSTree, ostree, "ostree writes the entries of each deployment", "ostree", "admin", "kargs", "edit-in-place")
	}
	for _, o := range []struct {
		file, id, why string // an existing file, or the ID of the distribution
		kind          Kind
		command       []string
	}{
		{file: "/etc/NIXOS", id: "nixos", why: "NixOS writes the boot entries at each rebuild: put the argument into boot.kernelParams of /etc/nixos/configuration.nix",
			command: []string{"nixos-rebuild", "boot"}},
		{file: "/etc/zipl.conf", kind: KindZipl, why: "zipl(8) copies the arguments to the boot record: put them into parameters= of /etc/zipl.conf or have grubby do it, then run zipl",
			command: []string{"zipl"}},
		{file: "/etc/kernel/proxmox-boot-uuids", why: "proxmox-boot-tool copies the arguments to each ESP: put them into /etc/kernel/cmdline for systemd-boot, into /etc/default/grub for GRUB",
			command: []string{"proxmox-boot-tool", "refresh"}},
		{id: "flatcar", why: "the menu belongs to the image: put the argument into set linux_append=\"...\" of /oem/grub.cfg (/usr/share/oem/grub.cfg on older releases)"},
		{file: "/boot/photon.cfg", why: "Photon OS has a menu of its own: put the argument into photon_cmdline= of /boot/photon.cfg, and again after each new kernel"},
		{id: "clear-linux-os", why: "clr-boot-manager makes the entries: put the argument into a file of /etc/kernel/cmdline.d", command: []string{"clr-boot-manager", "update"}},
	} {
		evidence := o.file
		if o.id != "" && s.release.ID == o.id {
			evidence = "the distribution is " + o.id
		} else if o.file == "" || !s.Exists(o.file) {
			continue
		}
		return own(cmp.Or(o.kind, KindOther), evidence, o.why, o.command...)
	}
	return false
}

// grub recognises GRUB 2 by grub.cfg, or by the file from which grub-mkconfig
// will make one.
func grub(c *site) {
	if c.loaderType() == "grub2-bls" {
		grubOnESP(c)
		return
	}
	c.grubCfgPath = c.grubCfgFile()
	hasSource := c.Read(defaultGrub) != nil
	if c.grubCfgPath == "" && !hasSource {
		return
	}
	c.Kind, c.Why = KindGRUB, defaultGrub
	if hasSource {
		c.evidence(weightSource, defaultGrub)
	}
	if c.grubCfgPath != "" {
		c.evidence(weightLive, c.grubCfgPath)
		c.Why = c.grubCfgPath
		c.cfg = parseGRUBCfg(c.Read(c.grubCfgPath))
	}
	c.loadShell()
	c.envPath = c.First("/boot/grub2/grubenv", "/boot/grub/grubenv")
	c.Read(c.envPath)
	const entries = "/boot/loader/entries"
	bls := c.cfg.bls
	if c.grubCfgPath == "" {
		bls = c.willReadEntries()
		if bls && len(c.List(entries, ".conf")) > 0 && c.loaderConf() == "" {
			c.evidence(weightLive, entries+" that GRUB is to read")
		}
	}
	if bls {
		c.Kind = KindGRUBBLS
		c.Why += " reads " + entries
		c.loadEntries(true, entries)
		c.loadKernelCmdline()
	}
}

// grubOnESP is openSUSE's grub2-bls: sdbootutil makes the entries on the ESP,
// from /etc/kernel/cmdline; /etc/default/grub is not read.
func grubOnESP(c *site) {
	c.Kind, c.sdbootutil = KindGRUBBLS, true
	c.loadEntries(true, "/boot/efi/loader/entries", "/efi/loader/entries", "/boot/loader/entries")
	c.loadKernelCmdline()
	c.evidence(weightSource, bootloaderFile)
	if c.entriesDir != "" {
		c.evidence(weightLive, c.entriesDir)
	}
	c.Why = "GRUB reads the entries that sdbootutil makes from /etc/kernel/cmdline"
}

// willReadEntries reports whether the menu that grub-mkconfig is going to make
// reads entry files. Fedora and EL 9 and later do so by default.
func (s *site) willReadEntries() bool {
	switch s.shellVar(defaultGrub, "GRUB_ENABLE_BLSCFG").text {
	case "true":
		return true
	case "false":
		return false
	}
	major, _, el := s.release.Enterprise()
	return (s.release.ID == "fedora" || el && major >= 9) && len(s.List("/boot/loader/entries", ".conf")) > 0
}

// grubCfgFile finds the grub.cfg that holds the menu. On UEFI hosts of EL7 and
// EL8 it is on the ESP; later ones have a wrapper there.
func (s *site) grubCfgFile() string {
	main := s.First("/boot/grub2/grub.cfg", "/boot/grub/grub.cfg")
	if main != "" && !s.Exists("/sys/firmware/efi") {
		return main
	}
	all, err := s.h.ReadDir("/boot/efi/EFI")
	s.Note(err)
	for _, d := range all {
		file := "/boot/efi/EFI/" + d.Name() + "/grub.cfg"
		if data := s.Read(file); data != nil && !parseGRUBCfg(data).wrapper {
			return file
		}
	}
	return main
}

// loadShell reads the files that grub-mkconfig sources: Debian and Ubuntu
// patched it to read a directory too.
func (s *site) loadShell() {
	if s.Read(defaultGrub) != nil {
		s.shell = append(s.shell, defaultGrub)
	}
	if !s.release.Is("debian", "ubuntu") || !s.Exists(dropInDir) {
		return
	}
	for _, name := range s.List(dropInDir, ".cfg") {
		s.Read(name)
		s.shell = append(s.shell, name)
	}
	s.dropIn = s.dropInName()
}

// dropInName returns the name of our own file in grub.d. Deleting that file
// undoes its edits. The name must sort after every file that assigns
// GRUB_CMDLINE_LINUX.
func (s *site) dropInName() string {
	last, name := "", dropInDir+"/99-usernskit.cfg"
	for _, other := range s.shell {
		if other != defaultGrub && !ownDropIn(other) && mayAssign(s.Read(other)) {
			last = other
		}
	}
	for _, own := range s.shell {
		if ownDropIn(own) && own > last {
			return own
		}
	}
	for prefix := "zz"; name <= last && len(prefix) < 200; prefix += "z" {
		name = dropInDir + "/" + prefix + "-usernskit.cfg"
	}
	return name
}

// mayAssign reports whether a file may assign GRUB_CMDLINE_LINUX.
func mayAssign(src []byte) bool {
	f, err := parseShell("", src)
	return err != nil || slices.ContainsFunc(f.steps, func(s shellStep) bool { return s.name == grubVariable || s.name == "" && !s.exits })
}

// ownDropIn reports whether a file has a name from dropInName.
func ownDropIn(name string) bool {
	prefix, ok := strings.CutSuffix(path.Base(name), "-usernskit.cfg")
	return ok && (prefix == "99" || len(prefix) > 1 && strings.Trim(prefix, "z") == "")
}

// loaderConf finds the configuration of systemd-boot.
func (s *site) loaderConf() string {
	return s.First("/efi/loader/loader.conf", "/boot/loader/loader.conf", "/boot/efi/loader/loader.conf")
}

// systemdBoot recognises systemd-boot by loader.conf, entries or unified kernel
// images. Entries that GRUB reads are not a sign of it.
func systemdBoot(c *site) {
	conf := c.loaderConf()
	var dirs []string
	for _, boot := range []string{"/efi", "/boot", "/boot/efi"} {
		dirs = append(dirs, boot+"/loader/entries")
		c.images = append(c.images, c.List(boot+"/EFI/Linux", ".efi", ".EFI")...)
	}
	if !c.claimed || conf != "" || c.loaderType() == "systemd-boot" {
		c.loadEntries(false, dirs...)
	}
	for _, found := range append([]string{conf, c.entriesDir}, c.images...) {
		if found != "" {
			c.evidence(weightLive, found)
		}
	}
	if c.weight == weightNone {
		return
	}
	c.Kind, c.Why = KindSDBoot, c.entriesDir
	if c.Why == "" {
		c.Why = conf
	}
	switch {
	case c.Exists("/etc/kernelstub/configuration"):
		c.Kind, c.Why = KindOther, "kernelstub rewrites the entries from its own configuration"
		c.Command = []string{"kernelstub", "-a"}
		return
	case c.Exists("/etc/sdboot-manage.conf"):
		c.Kind, c.Why = KindOther, "sdboot-manage rewrites the entries: put the argument into LINUX_OPTIONS of /etc/sdboot-manage.conf"
		c.Command = []string{"sdboot-manage", "gen"}
		return
	}
	c.loadKernelCmdline()
	c.sdbootutil = c.loaderType() == "systemd-boot" && c.Exists("/usr/bin/sdbootutil")
	ours := slices.ContainsFunc(c.entries, func(e *entry) bool { return e.foreign() == "" })
	if len(c.images) == 0 {
		return
	}
	booted, byDefault := c.defaultImage()
	switch {
	case byDefault:
		c.unified("the unified kernel image " + booted + " boots by default, and has its arguments inside")
	case !ours:
		c.unified("the arguments are inside the unified kernel image " + c.images[0])
	}
}

// unified explains how to change the arguments inside a unified kernel image.
func (c *site) unified(what string) {
	c.Kind = KindUKI
	c.Why = what + ": put them into the file that it is built from (/etc/kernel/cmdline, /etc/cmdline.d), then rebuild and sign it"
	c.Command = []string{"kernel-install", "add-all"}
}

// extlinux recognises extlinux, and U-Boot that reads the same file.
func extlinux(c *site) {
	file := c.First("/boot/extlinux/extlinux.conf", "/boot/extlinux.conf", "/extlinux/extlinux.conf", "/boot/syslinux/syslinux.cfg")
	source := ""
	for _, name := range []string{ubootDefaults, alpineDefaults} {
		if f, err := parseShell(name, c.Read(name)); err == nil && len(f.steps) > 0 && source == "" {
			source = name // the file as packaged has only comments
		}
	}
	if file == "" && source == "" {
		return
	}
	c.Kind, c.Why, c.extlinux = KindExtlinux, file, file
	if file == "" {
		c.Why = source
		c.evidence(weightSource, source)
		return
	}
	c.evidence(weightLive, file)
}

// limine recognises Limine by its configuration, in the places where Limine
// looks and where distributions put it.
func limine(c *site) {
	var names []string
	for _, boot := range []string{"/boot", "/efi", "/boot/efi"} {
		for _, dir := range []string{"", "/limine", "/EFI/limine", "/EFI/BOOT", "/EFI/arch-limine"} {
			names = append(names, boot+dir+"/limine.conf")
		}
	}
	file := c.First(append(names, "/boot/limine.cfg", "/efi/limine.cfg")...)
	if file == "" {
		return
	}
	c.evidence(weightLive, file)
	c.Kind, c.Why = KindOther, "Limine: add the argument to the cmdline of each entry in "+file
	tool := c.First("/usr/bin/limine-entry-tool", "/usr/bin/limine-update", "/usr/bin/limine-mkinitcpio", "/etc/limine-entry-tool.conf")
	defaults := c.Read(limineDefaults)
	_, line := limineLines(defaults)
	switch {
	case defaults == nil && tool == "":
	case !isBlank(line) && len(limineDefault.FindAll(defaults, -1)) == len(limineAssign.FindAll(defaults, -1)):
		c.Kind, c.Why = KindLimine, "limine-entry-tool makes "+file+" from "+limineDefaults
	default:
		c.Why = "limine-entry-tool makes " + file + ": put the whole command line into " + limineKey + "=\"...\" of " + limineDefaults
		c.Command = []string{"limine-update"}
	}
}

// explained returns a function that recognises a loader by its configuration.
// PlanEdit does not edit such a loader.
func explained(file, why string) func(*site) {
	return func(c *site) {
		if c.Exists(file) {
			c.evidence(weightLive, file)
			c.Kind, c.Why = KindOther, why+" "+file
		}
	}
}

// raspberry recognises the Raspberry Pi's firmware by config.txt and the
// command line that it names.
func raspberry(c *site) {
	for _, dir := range []string{"/boot/firmware", "/boot"} {
		config := dir + "/config.txt"
		if c.Read(config) == nil {
			continue
		}
		lines, unsure := c.piConfig(config)
		if _, uefi := lines["armstub"]; uefi && strings.HasSuffix(lines["armstub"], ".fd") {
			return // another loader follows
		}
		file := path.Join(dir, lines["os_prefix"]+lines["cmdline"])
		text := c.Read(file)
		weight := weightLive
		if strings.Contains(strings.ReplaceAll(lines["kernel"], "-", ""), "uboot") {
			weight = weightSource
		}
		autoboot, _ := c.piConfig(dir + "/autoboot.txt")
		switch moved := bytes.Contains(text, []byte("has moved to /boot/firmware")); {
		case lines["boot_ramdisk"] == "1":
			c.refuse = fmt.Errorf("%s: %w: with boot_ramdisk=1 the firmware reads the command line inside boot.img", config, ErrUnsupported)
		case autoboot["boot_partition"] > "1":
			c.refuse = fmt.Errorf("%s/autoboot.txt: %w: the firmware boots from partition %s: mount that one at /boot/firmware", dir, ErrNoPlace, autoboot["boot_partition"])
		case unsure != "":
			c.refuse = fmt.Errorf("%s: %w: %s", config, ErrUnsupportedSyntax, unsure)
		case moved:
			c.refuse = fmt.Errorf("%s: %w: its text says that it has moved to /boot/firmware/cmdline.txt: mount /boot/firmware", file, ErrNoPlace)
		case text == nil && lines["os_prefix"]+lines["cmdline"] == "cmdline.txt":
			continue // not for Linux
		case text == nil:
			c.refuse = fmt.Errorf("%s: %w: it names %s, which does not exist", config, ErrNoPlace, file)
		}
		c.evidence(weight, config)
		c.Kind, c.linePath, c.Why = KindRaspberry, file, "the firmware reads "+file
		if c.Exists("/etc/default/raspi-firmware") && !c.Exists("/etc/rpi-issue") {
			c.Kind, c.refuse = KindOther, nil
			c.Why = "raspi-firmware writes " + file + " for each new kernel: put the argument into CMDLINE of /etc/default/raspi-firmware, or into /etc/default/raspi-extra-cmdline"
			c.Command = []string{"update-initramfs", "-u"}
		}
		return
	}
}

// piConfig reads the settings of config.txt that lead to the command line
// (https://www.raspberrypi.com/documentation/computers/config_txt.html). A
// setting under a filter holds for some boards only; unsure names such a
// setting unless a later one overrides it for all boards.
func (s *site) piConfig(name string) (settings map[string]string, unsure string) {
	settings = map[string]string{"cmdline": "cmdline.txt"}
	doubts := map[string]string{}
	filter := "all"
	seen := map[string]bool{}
	var read func(name string)
	read = func(name string) {
		seen[name] = true
		number := 0
		for raw := range bytes.Lines(s.Read(name)) {
			number++
			line, _, _ := strings.Cut(strings.TrimSpace(string(raw)), "#")
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
				filter = strings.ToLower(line[1 : len(line)-1])
				continue
			}
			if file, ok := strings.CutPrefix(line, "include "); ok {
				if file = path.Join(path.Dir(name), strings.TrimSpace(file)); !seen[file] {
					read(file)
				}
				continue
			}
			key, value, ok := strings.Cut(line, "=")
			key, value = strings.TrimSpace(key), strings.TrimSpace(value)
			if !ok || !slices.Contains([]string{"cmdline", "os_prefix", "kernel", "armstub", "boot_ramdisk", "boot_partition"}, key) {
				continue
			}
			switch {
			case filter == "all":
				settings[key] = value
				delete(doubts, key)
			case filter == "none", filter == "tryboot": // never, and for one trial boot
			case settings[key] != value && (key == "cmdline" || key == "os_prefix"):
				doubts[key] += fmt.Sprintf("; line %d of %s, for [%s]: %s=%s", number, path.Base(name), filter, key, value)
			}
		}
	}
	read(name)
	if len(doubts) > 0 {
		unsure = fmt.Sprintf("the board decides where the command line is: %s%s for all others%s%s",
			settings["os_prefix"], settings["cmdline"], doubts["os_prefix"], doubts["cmdline"])
	}
	return settings, unsure
}
