package daemoncfg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// A Finding is something in a daemon.json that parses and does not do what it
// seems to.
type Finding struct {
	ID        string   // stable: "unknown-key"
	Path      []string // of the member
	Line, Col int      // of its key, from 1
	Text      string
	Fatal     bool // some dockerd from 20.10 to 29 does not start with it
}

// Lint lists what dockerd ignores, reads as something else, or does not start
// with although the document parses, in the order of the document. The IDs are
//
//	empty-file      nothing or white space: dockerd 20.10 does not start
//	null-document   null, an empty configuration
//	unknown-key     no dockerd from 20.10 to 29 knows the key
//	removed-key     only older ones do
//	wrong-type      a known key with a value of another type
//	ignored-object  an object under a key that dockerd does not know
//	nested-remap    userns-remap anywhere but at the top, where nothing reads it
//	fail-open       a userns-remap that looks on and is off
//	bad-remap       a userns-remap with which dockerd does not start
//
// A key that came after 20.10, like "proxies", is not reported.
func (d *Document) Lint() []Finding {
	if d.isBlank() {
		if trim(d.text()) == "null" {
			return []Finding{{ID: "null-document", Line: 1, Col: 1, Text: "null is an empty configuration"}}
		}
		return []Finding{{ID: "empty-file", Line: 1, Col: 1, Fatal: true,
			Text: "the file is empty: dockerd 20.10 does not start with it, later ones take it for {}"}}
	}
	l := linter{text: d.text()}
	for _, it := range items(l.text, root(l.text)) {
		l.top(it)
	}
	return l.found
}

// A linter reads a document that has passed the gate.
type linter struct {
	text  string
	found []Finding
}

func (l *linter) add(it item, path []string, id string, fatal bool, format string, args ...any) {
	line, col := position(l.text, it.start())
	l.found = append(l.found, Finding{ID: id, Path: slices.Clone(path), Line: line, Col: col, Fatal: fatal, Text: fmt.Sprintf(format, args...)})
}

func (l *linter) key(it item) string { return unquote(it.key.of(l.text)) }

func (l *linter) kind(s span) byte { return l.text[s.start] }

// top looks at a member of the document. dockerd takes the members of most
// objects for top ones (configValuesSet in its daemon/config): that is what
// makes "proxies" work, and what lets {"x": {"userns-remap": "default"}} pass
// its check and do nothing.
func (l *linter) top(it item) {
	key := l.key(it)
	path := []string{key}
	if key == remapKey {
		l.remap(it, path)
		return
	}
	if l.kind(it.value) == '{' && dockerd.Flattened(key) {
		if option, known := dockerd.KeyOption(key); known {
			l.wrongType(it, path, option)
		} else if key != "proxies" {
			l.add(it, path, "ignored-object", false, "dockerd has no key %q and ignores the object, although it checks the names in it", key)
		}
		for _, inner := range items(l.text, it.value) {
			name := l.key(inner)
			if _, known := dockerd.KeyOption(name); !known {
				l.unknown(inner, []string{key, name}, name)
			}
		}
	} else {
		l.known(it, key, path)
	}
	l.nested(it.value, path)
}

func (l *linter) known(it item, key string, path []string) {
	switch option, known := dockerd.KeyOption(key); {
	case option.Until != "":
		l.add(it, path, "removed-key", true, "dockerd from %s on does not know %s and does not start with it", option.Until, key)
	case !known:
		l.unknown(it, path, key)
	case !l.fits(it.value, option.Kind), key == "default-shm-size" && it.value.of(l.text) == "null": // it reads null itself
		l.wrongType(it, path, option)
	default:
		l.elements(it, option, path)
	}
}

func (l *linter) wrongType(it item, path []string, option dockerd.Option) {
	key, kind, value := option.Key, option.Kind, it.value.of(l.text)
	switch reads := reading(option); {
	case reads == noneRead:
		l.add(it, path, "wrong-type", false, "%s is %s, and not %.30s", key, kind, value)
	case reads == someRead:
		l.add(it, path, "wrong-type", true, "%s is %s, and a dockerd that reads it does not start with %.30s", key, kind, value)
	case l.kind(it.value) == '{':
		l.add(it, path, "wrong-type", true, "%s is %s, not an object; no dockerd starts with it", key, kind)
	default:
		l.add(it, path, "wrong-type", true, "%s is %s, and no dockerd starts with %.30s", key, kind, value)
	}
}

// elements checks what lists and maps hold.
func (l *linter) elements(it item, option dockerd.Option, path []string) {
	key, want := option.Key, dockerd.KindString
	switch {
	case key == "features":
		want = dockerd.KindBool
	case key == "default-address-pools", key == "default-network-opts", key == "default-ulimits", key == "runtimes":
		want = dockerd.KindObject
	case key != "log-opts" && option.Kind != dockerd.KindList:
		return
	}
	if k := l.kind(it.value); k != '{' && k != '[' {
		return // null
	}
	for i, inner := range items(l.text, it.value) {
		if l.fits(inner.value, want) {
			continue
		}
		name := fmt.Sprint(i)
		if inner.key.end > 0 {
			name = l.key(inner)
		}
		l.add(inner, append(path, name), "wrong-type", true, "%s holds values of which each is %s, and no dockerd starts with %.30s", key, want, inner.value.of(l.text))
	}
}

func (l *linter) unknown(it item, path []string, key string) {
	hint := ""
	if known := dockerd.SimilarKey(strings.TrimLeft(key, "-")); known != "" {
		hint = fmt.Sprintf("; it is spelled %q", known)
	}
	l.add(it, path, "unknown-key", true, "no dockerd from 20.10 to 29 knows the key %q, nor starts with it%s", key, hint)
}

// nested looks for userns-remap where nothing reads it.
func (l *linter) nested(s span, path []string) {
	kind := l.kind(s)
	if kind != '{' && kind != '[' {
		return
	}
	for i, it := range items(l.text, s) {
		name := fmt.Sprint(i)
		if kind == '{' {
			name = l.key(it)
		}
		inner := append(slices.Clone(path), name)
		if kind == '{' && name == remapKey {
			l.add(it, inner, "nested-remap", false, "dockerd reads userns-remap only at the top of the document: this one does nothing")
		}
		l.nested(it.value, inner)
	}
}

// remap checks the value that everything here is about.
func (l *linter) remap(it item, path []string) {
	raw := it.value.of(l.text)
	if raw == "null" {
		l.add(it, path, "fail-open", false, "null is no remapping at all")
		return
	}
	value, err := unquoteValue(raw)
	if err != nil {
		l.add(it, path, "wrong-type", true, "userns-remap is a string, and no dockerd starts with %.30s", raw)
		return
	}
	switch _, err := ParseRemap(value); {
	case isFailOpen(err):
		l.add(it, path, "fail-open", false, "%v", err)
	case err != nil:
		l.add(it, path, "bad-remap", true, "%v", err)
	}
}

// fits reports whether encoding/json can put a value where dockerd has one of
// kind want. null fits anywhere.
func (l *linter) fits(s span, want dockerd.Kind) bool {
	raw := s.of(l.text)
	switch raw[0] {
	case 'n':
		return true
	case '"':
		return want == dockerd.KindString
	case 't', 'f':
		return want == dockerd.KindBool
	case '[':
		return want == dockerd.KindList
	case '{':
		return want == dockerd.KindObject
	}
	_, err := strconv.ParseInt(raw, 10, 64)
	return want == dockerd.KindNumber && err == nil
}

// A keyReading says which dockerd puts the value of a key anywhere. The others
// know the name as that of a flag, or not at all, and take values of any type.
type keyReading int

const (
	allRead  keyReading = iota
	someRead            // 20.10 does, and a current one does not
	noneRead            // neither does
)

func reading(o dockerd.Option) keyReading {
	switch {
	case slices.Contains([]string{"containerd-plugins-namespace", "http-proxy", "https-proxy", "no-proxy"}, o.Key):
		return noneRead
	case o.Until != "", o.Key == "allow-nondistributable-artifacts", o.Key == "deprecated-key-path":
		return someRead
	}
	return allRead
}

// remapKey is the key that this package is for.
const remapKey = dockerd.RemapKey
