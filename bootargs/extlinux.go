package bootargs

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
)

// A stanza is a label of extlinux.conf and the place of its arguments
// (https://wiki.syslinux.org/wiki/index.php?title=Config; U-Boot's boot/pxe_utils.c).
type stanza struct {
	label  string
	linux  string
	append *span
}

// parseExtlinux reads the labels in order, and which of them is the default.
func parseExtlinux(src []byte) (list []stanza, def string) {
	at, number := 0, 0
	for raw := range bytes.Lines(src) {
		number++
		line := strings.TrimRight(string(raw), "\r\n")
		rest := strings.TrimLeft(line, " \t")
		key, value, _ := strings.Cut(strings.Replace(rest, "\t", " ", 1), " ")
		value = strings.TrimLeft(value, " \t")
		s := span{at + len(line) - len(value), at + len(line), number}
		at += len(raw)
		switch key = strings.ToLower(key); {
		case key == "default":
			def = value
		case key == "label":
			list = append(list, stanza{label: value})
		case len(list) == 0:
		case key == "linux" || key == "kernel":
			list[len(list)-1].linux = value
		case key == "append":
			list[len(list)-1].append = &s
		}
	}
	if def == "" && len(list) > 0 {
		def = list[0].label
	}
	return list, def
}

// editExtlinux edits the append lines of the labels that pick names.
func editExtlinux(name string, src []byte, ops []op, pick func(stanza) bool) ([]byte, error) {
	list, _ := parseExtlinux(src)
	out := src
	for i := len(list) - 1; i >= 0; i-- {
		s := list[i]
		if !pick(s) {
			continue
		}
		if s.append == nil {
			return nil, &usernskit.FileError{File: name, Err: fmt.Errorf("%w: the label %s has no append line", ErrUnsupportedSyntax, s.label)}
		}
		text, err := apply(string(src[s.append.from:s.append.to]), ops)
		if err != nil {
			return nil, &usernskit.FileError{File: name, Line: s.append.line, Err: err}
		}
		if b := src[s.append.from-1]; b != ' ' && b != '\t' && text != "" {
			text = " " + text // "append" stood there by itself
		}
		out = replace(out, s.append.from, s.append.to-s.append.from, text)
	}
	return out, nil
}

// extlinuxStore is the file from which extlinux.conf is made, or that itself.
func (s *site) extlinuxStore() Store {
	switch {
	case s.files["/etc/update-extlinux.conf"] != nil:
		return Store{"/etc/update-extlinux.conf", "default_kernel_opts", "every kernel"}
	case s.files["/etc/default/u-boot"] != nil && s.files["/etc/kernel/cmdline"] == nil:
		return Store{"/etc/default/u-boot", "U_BOOT_PARAMETERS", "every kernel"}
	case s.files["/etc/default/u-boot"] != nil:
		return Store{"/etc/kernel/cmdline", "", "every kernel"}
	}
	return Store{s.extlinux, "append", "every label"}
}
