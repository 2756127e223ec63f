package gates

import (
	"bytes"
	"cmp"
	"path"
	"slices"
	"strings"
)

// Where sysctl.d(5) files are read from. A file hides those of the same name
// in the directories after its own; all that are left are read in the order of
// their names, and the last assignment wins.
func sysctlDirs() []string {
	return []string{"/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"}
}

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

// sysctlFiles reads the files in the order in which they are applied.
func (r *reader) sysctlFiles() []sysctlFile {
	seen := map[string]bool{}
	var list []sysctlFile
	for _, dir := range sysctlDirs() {
		entries, err := r.h.ReadDir(dir)
		r.Note(err)
		for _, e := range entries {
			name := e.Name()
			if !strings.HasSuffix(name, ".conf") || strings.HasPrefix(name, ".") || e.IsDir() || seen[name] {
				continue
			}
			seen[name] = true
			list = append(list, sysctlFile{path.Join(dir, name), r.readUnmasked(path.Join(dir, name))})
		}
	}
	slices.SortStableFunc(list, func(a, b sysctlFile) int { return strings.Compare(path.Base(a.path), path.Base(b.path)) })
	return list
}

// readUnmasked reads a file; a link to /dev/null hides files of its name and is
// empty.
func (r *reader) readUnmasked(name string) []byte {
	if info, err := r.h.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil
	}
	return r.Read(name)
}

// with returns the list with one file inserted in order.
func with(list []sysctlFile, f sysctlFile) []sysctlFile {
	list = slices.DeleteFunc(slices.Clone(list), func(g sysctlFile) bool { return path.Base(g.path) == path.Base(f.path) })
	i, _ := slices.BinarySearchFunc(list, f, func(a, b sysctlFile) int { return cmp.Compare(path.Base(a.path), path.Base(b.path)) })
	return slices.Insert(list, i, f)
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

// procSys reads a sysctl as it is now, "" where this host does not show it.
func (r *reader) procSys(key string) string {
	return strings.TrimSpace(string(r.Read("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))))
}
