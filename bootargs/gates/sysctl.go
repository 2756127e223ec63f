package gates

import (
	"bytes"
	"maps"
	"path"
	"slices"
	"strings"
)

// A setting is what a sysctl is set to, and where.
type setting struct {
	value string
	file  string
	line  int
	glob  bool
}

// A sysctlFile is a file with its current or planned bytes.
type sysctlFile struct {
	path string
	src  []byte
}

// sysctlFiles reads the files of sysctl.d(5). ours is the planned content of our
// own file, nil if none is planned. A file hides those of the same name in later
// directories. The rest are in the order of their names, and the last assignment
// wins.
func (r *reader) sysctlFiles(ours []byte) []sysctlFile {
	byName := map[string]sysctlFile{}
	if ours != nil {
		byName[path.Base(sysctlPath)] = sysctlFile{sysctlPath, ours}
	}
	for _, dir := range []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"} {
		for _, file := range r.List(dir, ".conf") {
			if _, hidden := byName[path.Base(file)]; hidden {
				continue
			}
			f := sysctlFile{path: file}
			if info, err := r.h.Stat(file); err != nil || info.Mode().IsRegular() { // a link to /dev/null is empty
				f.src = r.Read(file)
			}
			byName[path.Base(file)] = f
		}
	}
	var list []sysctlFile
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, byName[name])
	}
	return list
}

// lookup returns the setting after all files were applied. As in
// systemd-sysctl, a pattern never changes a key that is named in full.
func lookup(list []sysctlFile, key string) (last setting, ok bool) {
	for _, f := range list {
		number := 0
		for line := range bytes.Lines(f.src) {
			number++
			name, value, set := sysctlLine(string(line))
			if !set {
				continue
			}
			glob := strings.ContainsAny(name, "*?[")
			hit := name == key
			if glob {
				hit, _ = path.Match(strings.ReplaceAll(name, ".", "/"), strings.ReplaceAll(key, ".", "/"))
			}
			if hit && (!glob || !ok || last.glob) {
				last, ok = setting{value, f.path, number, glob}, true
			}
		}
	}
	return last, ok
}

// sysctlLine reads one line of sysctl.d(5): "[-]key = value", with "." or "/"
// between the parts of the key, "#" and ";" for comments.
func sysctlLine(line string) (key, value string, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' || line[0] == ';' {
		return "", "", false
	}
	key, value, ok = strings.Cut(strings.TrimPrefix(line, "-"), "=")
	key = strings.TrimSpace(key)
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '/' {
		key = strings.NewReplacer("/", ".", ".", "/").Replace(key)
	}
	return key, strings.TrimSpace(value), ok
}

// setSysctl sets a key in a file: in its last line with that key, else in a
// new line at the end.
func setSysctl(src []byte, key, value string) []byte {
	at, from, to := 0, -1, -1
	for line := range bytes.Lines(src) {
		if name, old, ok := sysctlLine(string(line)); ok && name == key {
			value := bytes.IndexByte(line, '=') + 1
			from = at + value + bytes.Index(line[value:], []byte(old))
			to = from + len(old)
		}
		at += len(line)
	}
	if from >= 0 {
		return slices.Concat(src[:from], []byte(value), src[to:])
	}
	out := bytes.Clone(src)
	if n := len(out); n > 0 && out[n-1] != '\n' {
		out = append(out, '\n')
	}
	return append(out, key+" = "+value+"\n"...)
}

// procSys returns the current value of a sysctl, "" if this host does not show it.
func (r *reader) procSys(key string) string {
	return strings.TrimSpace(string(r.Read("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))))
}
