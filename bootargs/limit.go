package bootargs

import "fmt"

// Limit returns how many bytes of a command line the kernel of an architecture
// keeps (COMMAND_LINE_SIZE of its headers, less the final NUL), by the name
// that GOARCH has for it. It cuts the rest off without a word. An unknown
// architecture gets the 511 of asm-generic/setup.h.
func Limit(arch string) int {
	switch arch {
	case "amd64", "386", "arm64", "ppc64", "ppc64le":
		return 2047
	case "arm", "riscv64":
		return 1023
	case "s390x":
		return 895 // before Linux 5.16, and in zipl; later kernels take 4095
	case "mips", "mipsle", "mips64", "mips64le", "loong64":
		return 4095
	}
	return 511
}

// measure holds a line against the limit. The warning begins at 80 percent:
// BOOT_IMAGE=, initrd= and what is built into the kernel come on top.
func measure(line string, limit int) (warn bool, err error) {
	if len(line) > limit {
		return false, fmt.Errorf("%w: %d bytes, the kernel keeps %d", ErrTooLong, len(line), limit)
	}
	return len(line)*5 > limit*4, nil
}
