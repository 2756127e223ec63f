package bootargs

import "strings"

// Names of which every occurrence counts, not the last alone. The kernel's
// list is Documentation/admin-guide/kernel-parameters.txt; rd.* is
// dracut.cmdline(7), systemd.* is systemd(1) and systemd-debug-generator(8).
const accumulating = " acpi_osi blacklist console crashkernel dyndbg earlycon earlyprintk hugepages hugepagesz ip" +
	" lsm.debug mem memmap memtest modprobe.blacklist module_blacklist nameserver netconsole pci pci_stub.ids rd.break" +
	" rd.driver.blacklist rd.driver.post rd.driver.pre rd.dm.uuid rd.lvm.lv rd.lvm.vg rd.luks.key rd.luks.name" +
	" rd.luks.options rd.luks.uuid rd.md.uuid rd.route rd.zfcp rd.dasd rd.znet systemd.mask systemd.set_credential" +
	" systemd.set_credential_binary systemd.setenv systemd.wants usbcore.quirks vfio_pci.ids video "

// accumulates reports whether replacing one argument of that name could lose
// another that the machine needs.
func accumulates(name string) bool {
	name = strings.ReplaceAll(name, "-", "_")
	return strings.Contains(accumulating, " "+name+" ") ||
		strings.HasPrefix(name, "inst.") || strings.HasPrefix(name, "rd.luks.") ||
		strings.HasSuffix(name, ".dyndbg")
}

// group is the key under which arguments are replaced together. hugepages=
// speaks of the hugepagesz= before it, so the two are one sequence.
func group(name string) string {
	name = strings.ReplaceAll(name, "-", "_")
	if name == "hugepages" {
		return "hugepagesz"
	}
	return name
}

// coupled reports whether the order inside the group carries the meaning.
func coupled(group string) bool { return group == "hugepagesz" }
