package dockerd

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// unitDirs are where systemd looks for system units; the first one wins. See
// systemd.unit(5), "Unit File Load Path".
var unitDirs = [...]string{
	"/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient",
	"/run/systemd/generator.early", "/etc/systemd/system", "/etc/systemd/system.attached",
	"/run/systemd/system", "/run/systemd/system.attached", "/run/systemd/generator",
	"/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system",
	"/run/systemd/generator.late",
}

// searchUnit finds the files of a unit. An unreadable directory is an error.
func searchUnit(h usernskit.Host, name string) (unit, bool, error) {
	u := unit{name: name}
	for _, dir := range unitDirs {
		_, err := h.Lstat(path.Join(dir, name))
		if err == nil {
			u.files = []string{path.Join(dir, name)}
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return unit{}, false, err
		}
	}
	if u.files == nil {
		return u, false, nil
	}
	// A drop-in hides those of the same name in later directories. Drop-ins of
	// all directories are sorted together by name.
	dirs, err := dropInDirs(h, name)
	if err != nil {
		return unit{}, false, err
	}
	at := map[string]string{}
	for _, dir := range dirs {
		files, err := list(h, dir)
		if err != nil {
			return unit{}, false, err
		}
		for _, base := range files {
			if strings.HasSuffix(base, ".conf") && !strings.HasPrefix(base, ".") && at[base] == "" {
				at[base] = path.Join(dir, base)
			}
		}
	}
	for _, base := range slices.Sorted(maps.Keys(at)) {
		u.files = append(u.files, at[base])
	}
	return u, true, nil
}

// dropInDirs lists the drop-in directories of a unit; the first one wins. They
// are those of its name, of its prefixes up to a dash (docker-.service.d for
// docker-latest.service), of its aliases, and of all services.
func dropInDirs(h usernskit.Host, name string) ([]string, error) {
	names := []string{name}
	for _, dir := range unitDirs {
		files, err := list(h, dir)
		if err != nil {
			return nil, err
		}
		for _, alias := range files {
			if !strings.HasSuffix(alias, ".service") || slices.Contains(names, alias) {
				continue
			}
			if target, err := h.Path(path.Join(dir, alias)); err == nil && filepath.Base(target) == name {
				names = append(names, alias)
			}
		}
	}
	var dirs []string
	for _, name := range names {
		subs, stem := []string{name + ".d"}, strings.TrimSuffix(name, ".service")
		for i := len(stem) - 2; i > 0; i-- {
			if stem[i] == '-' {
				subs = append(subs, stem[:i+1]+".service.d")
			}
		}
		for _, dir := range unitDirs {
			for _, sub := range subs {
				dirs = append(dirs, path.Join(dir, sub))
			}
		}
	}
	for _, dir := range unitDirs {
		dirs = append(dirs, path.Join(dir, "service.d"))
	}
	return dirs, nil
}
