package daemoncfg_test

import "golang.org/x/sys/unix"

func setXattr(file, name, value string) error { return unix.Setxattr(file, name, []byte(value), 0) }

func getXattr(file, name string) string {
	value := make([]byte, 64)
	n, err := unix.Getxattr(file, name, value)
	if err != nil {
		return ""
	}
	return string(value[:n])
}
