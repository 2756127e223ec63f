package bootargs

// A Kind is a boot loader, or a program that stands between us and one.
type Kind int

// Kinds that PlanEdit edits come first, then those that it explains.
const (
	KindUnknown   Kind = iota
	KindGRUB           // GRUB 2, entries generated into grub.cfg
	KindGRUBBLS        // GRUB 2 that reads /boot/loader/entries (Fedora, EL8 and later)
	KindSDBoot         // systemd-boot
	KindRaspberry      // the firmware's cmdline.txt
	KindExtlinux       // extlinux, or U-Boot reading extlinux.conf
	KindZipl           // zipl(8) of s390x
	KindUKI            // unified kernel images: the line is inside, signed
	KindRPMOSTree      // rpm-ostree deployments
	KindBootc          // bootc image
	KindOther          // another program's; Loader.Why says which
)

var kindNames = [...]string{"unknown", "grub", "grub-bls", "systemd-boot", "raspberry-pi", "extlinux", "zipl", "uki",
	"rpm-ostree", "bootc", "other"}

// String returns the name that remapctl prints: "grub", "grub-bls".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return kindNames[0]
	}
	return kindNames[k]
}
