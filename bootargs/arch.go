package bootargs

import (
	"encoding/binary"
	"runtime"
)

// arch returns the architecture of the host, from a program of its own: a tree
// may be for another machine than this. asked goes first.
func (s *site) arch(asked string) string {
	if asked != "" {
		return asked
	}
	for _, name := range []string{"/bin/sh", "/usr/bin/env", "/sbin/init"} {
		if arch := elfArch(s.read(name)); arch != "" {
			return arch
		}
	}
	return runtime.GOARCH
}

// elfArch reads e_machine of an ELF header, see elf(5).
func elfArch(data []byte) string {
	if len(data) < 20 || string(data[:4]) != "\x7fELF" {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if data[5] == 2 {
		order = binary.BigEndian
	}
	switch order.Uint16(data[18:]) {
	case 3:
		return "386"
	case 62:
		return "amd64"
	case 40:
		return "arm"
	case 183:
		return "arm64"
	case 21:
		if data[5] == 2 {
			return "ppc64"
		}
		return "ppc64le"
	case 22:
		return "s390x"
	case 243:
		return "riscv64"
	case 8:
		return "mips"
	case 258:
		return "loong64"
	}
	return ""
}
