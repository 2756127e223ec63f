package bootargs

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// choose returns the entries that Edit.Kernel means.
func (s *site) choose(kernel string, rescue bool) ([]*entry, error) {
	switch {
	case kernel == "" || kernel == All:
		return slices.DeleteFunc(slices.Clone(s.entries), func(e *entry) bool { return e.rescue() && !rescue }), nil
	case kernel == Default:
		e, err := s.defaultEntry()
		if err != nil {
			return nil, err
		}
		return []*entry{e}, nil
	}
	if n, err := strconv.Atoi(kernel); err == nil && n >= 0 && n < len(s.entries) {
		return s.entries[n : n+1], nil
	}
	var found []*entry
	for _, e := range s.entries {
		if e.is(kernel) || e.boots(kernel) {
			found = append(found, e)
		}
	}
	if len(found) == 0 {
		var have []string
		for _, e := range s.entries {
			have = append(have, e.id())
		}
		return nil, fmt.Errorf("kernel %s: %w; the entries are: %s", kernel, ErrUnknownKernel, strings.Join(have, ", "))
	}
	return found, nil
}

func (e *entry) is(name string) bool {
	return e.id() == name || path.Base(e.path) == name || e.title != "" && e.title == name
}

// boots compares with a path as the running system has it. The entry's is
// relative to the boot partition, or on btrfs to the top of the volume.
func (e *entry) boots(kernel string) bool {
	if !strings.HasPrefix(kernel, "/") || e.linux == "" {
		return false
	}
	for _, mount := range []string{"", "/boot", "/efi", "/boot/efi"} {
		if kernel == mount+e.linux {
			return true
		}
	}
	return strings.HasSuffix(e.linux, kernel)
}

// defaultEntry returns the entry that is booted if nobody interferes. What a
// boot-once setting asks for is no default.
func (s *site) defaultEntry() (*entry, error) {
	if len(s.entries) == 0 {
		return nil, fmt.Errorf("kernel %s: %w: there are no boot entries", Default, ErrUnknownKernel)
	}
	if s.Kind == KindSDBoot {
		return s.defaultBySystemdBoot()
	}
	name, err := s.grubDefault()
	if err != nil {
		return nil, err
	}
	name = name[strings.LastIndexByte(name, '>')+1:]
	for _, e := range s.entries {
		if e.is(name) {
			return e, nil
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 && n < len(s.entries) {
		return s.entries[n], nil
	}
	return s.entries[0], nil // as GRUB does with a name that is not there
}

func (s *site) grubDefault() (string, error) {
	if src := s.read(defaultGrub); src != nil {
		f, err := parseShell(defaultGrub, src)
		if err != nil {
			return "", err
		}
		v := evaluate(f)["GRUB_DEFAULT"]
		if v.unknown {
			return "", fmt.Errorf("kernel %s: %w: GRUB_DEFAULT cannot be told by reading", Default, ErrUnknownKernel)
		}
		if v.text != "saved" {
			return v.text, nil
		}
	}
	if env, err := parseEnv(s.envPath, s.read(s.envPath)); err == nil {
		name, _ := env.get("saved_entry")
		return name, nil
	}
	return "", nil
}

func (s *site) defaultBySystemdBoot() (*entry, error) {
	const variable = "/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
	pattern := ""
	if v := s.read(variable); len(v) > 4 { // attributes, then UTF-16
		pattern = string(bytes.ReplaceAll(v[4:], []byte{0}, nil))
	} else {
		for line := range bytes.Lines(s.read(s.bootDir + "/loader/loader.conf")) {
			if f := strings.Fields(string(line)); len(f) == 2 && f[0] == "default" {
				pattern = f[1]
			}
		}
	}
	if strings.HasPrefix(pattern, "@") {
		return nil, fmt.Errorf("kernel %s: %w: %q is kept in the firmware", Default, ErrUnknownKernel, pattern)
	}
	for _, e := range s.entries {
		for _, name := range []string{e.id(), e.id() + ".conf"} {
			if ok, _ := path.Match(pattern, name); ok {
				return e, nil
			}
		}
	}
	return s.entries[0], nil
}
