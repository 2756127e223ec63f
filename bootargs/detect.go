package bootargs

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// The drop-in of our own on hosts whose grub-mkconfig reads grub.d (Debian's
// and Ubuntu's patch). Taking it back is deleting it.
const (
	defaultGrub = "/etc/default/grub"
	dropInDir   = "/etc/default/grub.d"
	dropInPath  = dropInDir + "/99-usernskit.cfg"
)

// owned recognises hosts on which another program keeps the arguments.
func owned(s *site) bool {
	own := func(kind Kind, why string, command ...string) bool {
		s.Kind, s.Why, s.Command = kind, why, command
		return true
	}
	ostree := s.exists("/run/ostree-booted") || s.exists("/ostree/repo")
	rpmOSTree := s.exists("/usr/bin/rpm-ostree")
	switch {
	case ostree && rpmOSTree:
		return own(KindRPMOSTree, "each deployment has its own arguments, and a new deployment inherits them from rpm-ostree only", "rpm-ostree", "kargs")
	case s.exists("/usr/lib/bootc/kargs.d") || s.exists("/usr/bin/bootc"):
		return own(KindBootc, "the arguments belong to the image: a file in /usr/lib/bootc/kargs.d with kargs = [\"name=value\"], at the next build")
	case ostree:
		return own(KindRPMOSTree, "ostree writes the entries of each deployment", "ostree", "admin", "kargs", "edit-in-place")
	case s.exists("/etc/zipl.conf"):
		return own(KindZipl, "zipl(8) copies the arguments to the boot record: put them into parameters= of /etc/zipl.conf or have grubby do it, then run zipl", "zipl")
	case s.exists("/etc/kernel/proxmox-boot-uuids"):
		return own(KindOther, "proxmox-boot-tool copies /etc/kernel/cmdline to each ESP", "proxmox-boot-tool", "refresh")
	case s.exists("/etc/kernelstub/configuration"):
		return own(KindOther, "kernelstub rewrites the entries from its own configuration", "kernelstub", "-a")
	case s.exists("/etc/sdboot-manage.conf"):
		return own(KindOther, "sdboot-manage rewrites the entries from /etc/sdboot-manage.conf", "sdboot-manage", "gen")
	}
	return false
}

// raspberry recognises the Raspberry Pi's firmware by its two files.
func raspberry(s *site) bool {
	for _, dir := range []string{"/boot/firmware", "/boot"} {
		config := s.read(dir + "/config.txt")
		if config == nil {
			continue
		}
		name := "cmdline.txt"
		for line := range bytes.Lines(config) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "cmdline="); ok {
				name = strings.TrimSpace(value)
			}
		}
		if file := path.Join(dir, name); s.read(file) != nil {
			s.Kind, s.linePath, s.Why = KindRaspberry, file, "the firmware reads "+file
			return true
		}
	}
	return false
}

// grub recognises GRUB 2 by its generated configuration, or by the file that
// one will be generated from.
func grub(s *site) bool {
	s.grubCfgPath = s.grubCfgFile()
	source := s.read(defaultGrub)
	if s.grubCfgPath == "" && source == nil {
		return false
	}
	if s.grubCfgPath == "" && s.loaderConf() != "" || s.bootedBySystemdBoot() {
		return false
	}
	s.Kind, s.Why = KindGRUB, defaultGrub
	if s.grubCfgPath != "" {
		s.Why = s.grubCfgPath
		s.cfg = parseGRUBCfg(s.read(s.grubCfgPath))
	}
	s.loadShell()
	s.envPath = s.first("/boot/grub2/grubenv", "/boot/grub/grubenv")
	s.read(s.envPath)
	bls := s.cfg.bls
	if s.grubCfgPath == "" && source != nil {
		if f, err := parseShell(defaultGrub, source); err == nil {
			bls = evaluate(f)["GRUB_ENABLE_BLSCFG"].text == "true"
		}
	}
	if bls {
		s.Kind = KindGRUBBLS
		s.Why += " reads /boot/loader/entries"
		s.loadEntries("/boot/loader/entries", true)
		s.loadKernelCmdline()
	}
	return true
}

// grubCfgFile finds the grub.cfg that holds the menu. On UEFI hosts of EL7 and
// EL8 it is on the ESP; later ones have a wrapper there.
func (s *site) grubCfgFile() string {
	main := s.first("/boot/grub2/grub.cfg", "/boot/grub/grub.cfg")
	if main != "" && !s.exists("/sys/firmware/efi") {
		return main
	}
	all, _ := s.h.ReadDir("/boot/efi/EFI")
	for _, d := range all {
		file := "/boot/efi/EFI/" + d.Name() + "/grub.cfg"
		if data := s.read(file); data != nil && !parseGRUBCfg(data).wrapper {
			return file
		}
	}
	return main
}

// loadShell reads what grub-mkconfig sources.
func (s *site) loadShell() {
	if s.read(defaultGrub) != nil {
		s.shell = append(s.shell, defaultGrub)
	}
	if !s.release.Is("debian", "ubuntu") || !s.exists(dropInDir) {
		return
	}
	s.dropIn = true
	for _, name := range s.list(dropInDir, ".cfg") {
		s.read(name)
		s.shell = append(s.shell, name)
	}
}

// loaderConf finds the configuration of systemd-boot.
func (s *site) loaderConf() string {
	return s.first("/efi/loader/loader.conf", "/boot/loader/loader.conf", "/boot/efi/loader/loader.conf")
}

// bootedBySystemdBoot asks the firmware's variable in which a loader tells its
// name, UTF-16 behind four bytes of attributes.
func (s *site) bootedBySystemdBoot() bool {
	name := s.read("/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f")
	return bytes.Contains(bytes.ReplaceAll(name, []byte{0}, nil), []byte("systemd-boot")) && s.loaderConf() != ""
}

// systemdBoot recognises systemd-boot by loader.conf or entries, and hosts that
// have kernels only with the arguments inside.
func systemdBoot(s *site) bool {
	conf := s.loaderConf()
	var unified string
	for _, boot := range []string{"/efi", "/boot", "/boot/efi"} {
		if images := s.list(boot+"/EFI/Linux", ".efi"); len(images) > 0 && unified == "" {
			unified = images[0]
		}
		if len(s.entries) == 0 {
			s.loadEntries(boot+"/loader/entries", false)
			s.bootDir = boot
		}
	}
	switch {
	case len(s.entries) > 0:
		s.Kind, s.Why = KindSDBoot, s.entriesDir
		s.loadKernelCmdline()
		return true
	case unified != "":
		s.Kind, s.Why = KindUKI, "the arguments are inside the signed image "+unified+": put them into the file that it is built from (/etc/kernel/cmdline, /etc/cmdline.d), then rebuild and sign it"
		s.Command = []string{"kernel-install", "add-all"}
		return true
	case conf != "":
		s.Kind, s.Why = KindSDBoot, conf
		s.loadKernelCmdline()
		return true
	}
	return false
}

func extlinux(s *site) bool {
	file := s.first("/boot/extlinux/extlinux.conf", "/boot/extlinux.conf", "/extlinux/extlinux.conf")
	if file == "" {
		return false
	}
	s.Kind, s.Why, s.extlinux = KindExtlinux, file, file
	s.read(file)
	for _, name := range []string{"/etc/default/u-boot", "/etc/update-extlinux.conf", "/etc/kernel/cmdline"} {
		s.read(name)
	}
	return true
}

// others names what we know and do not edit.
func others(s *site) bool {
	known := []struct{ file, why string }{
		{"/boot/grub/grub.conf", "GRUB legacy: add the argument to the kernel lines of /boot/grub/grub.conf, or use grubby"},
		{"/boot/grub/menu.lst", "GRUB legacy: add the argument to the kernel lines of /boot/grub/menu.lst"},
		{"/boot/limine.conf", "Limine: add the argument to the cmdline of each entry in /boot/limine.conf"},
		{"/boot/limine/limine.conf", "Limine: add the argument to the cmdline of each entry in /boot/limine/limine.conf"},
		{"/boot/refind_linux.conf", "rEFInd: add the argument to each line of /boot/refind_linux.conf"},
		{"/boot/armbianEnv.txt", "Armbian: add the argument to extraargs= in /boot/armbianEnv.txt"},
		{"/etc/lilo.conf", "LILO: add the argument to append= in /etc/lilo.conf, then run lilo"},
	}
	i := slices.IndexFunc(known, func(k struct{ file, why string }) bool { return s.exists(k.file) })
	if i < 0 {
		return false
	}
	s.Kind, s.Why = KindOther, known[i].why
	return true
}
