// Package machine tests remapctl on whole machines: one with systemd and
// cgroup v2 in the namespaces of systemd-nspawn, and one with a boot loader in
// QEMU. It holds no library code.
//
// A Debian tree is built by debootstrap once, from the mirror that apt uses,
// and kept below the user's cache directory. The machines write to what is
// dropped afterwards.
package machine
