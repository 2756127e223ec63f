package daemoncfg

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// Lint lists what dockerd ignores, misreads, or does not start with although
// the document parses, in order. [Check] also considers flags, accounts and the
// engine. Keys newer than 20.10, like "proxies", are not reported.
func (d *Document) Lint() []Problem {
	if d.isBlank() {
		pos := usernskit.Pos{File: d.name, Line: 1, Col: 1}
		if trim(d.now) == "null" {
			return []Problem{{ID: ProblemNullDocument, Pos: pos, Level: LevelNote, Text: "null is an empty configuration"}}
		}
		return []Problem{{ID: ProblemEmptyFile, Pos: pos, Level: LevelFatal,
			Text: "the file is empty: dockerd 20.10 does not start with it, later ones take it for {}"}}
	}
	l := linter{name: d.name, text: d.now}
	for _, it := range items(l.text, root(l.text)) {
		l.top(it)
	}
	return l.found
}

// A linter reads a document that has passed the gate.
type linter struct {
	name, text string
	found      []Problem
}

func (l *linter) add(it item, path []string, id ProblemID, level Level, format string, args ...any) {
	line, col := position(l.text, it.start())
	l.found = append(l.found, Problem{ID: id, Path: slices.Clone(path), Pos: usernskit.Pos{File: l.name, Line: line, Col: col},
		Level: level, Text: fmt.Sprintf(format, args...)})
}

func (l *linter) key(it item) string { return unquote(it.key.of(l.text)) }

func (l *linter) kind(s span) byte { return l.text[s.start] }

// top checks a member of the document. dockerd reads the members of most
// objects as top ones (configValuesSet in its daemon/config): so "proxies"
// works, and {"x": {"userns-remap": "default"}} passes its check and does
// nothing.
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
			l.add(it, path, ProblemIgnoredObject, LevelNote, "dockerd has no key %q and ignores the object, although it checks the names in it", key)
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
		l.add(it, path, ProblemRemovedKey, LevelFatal, "dockerd from %s on does not know %s and does not start with it", option.Until, key)
		l.found[len(l.found)-1].from = major(option.Until)
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
		l.add(it, path, ProblemWrongType, LevelNote, "%s is %s, and not %.30s", key, kind, value)
	case reads == someRead:
		l.add(it, path, ProblemWrongType, LevelFatal, "%s is %s, and a dockerd that reads it does not start with %.30s", key, kind, value)
	case l.kind(it.value) == '{':
		l.add(it, path, ProblemWrongType, LevelFatal, "%s is %s, not an object; no dockerd starts with it", key, kind)
	default:
		l.add(it, path, ProblemWrongType, LevelFatal, "%s is %s, and no dockerd starts with %.30s", key, kind, value)
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
		l.add(inner, append(path, name), ProblemWrongType, LevelFatal, "%s holds values, each of them %s, and no dockerd starts with %.30s", key, want, inner.value.of(l.text))
	}
}

func (l *linter) unknown(it item, path []string, key string) {
	hint := ""
	if known := dockerd.SimilarKey(strings.TrimLeft(key, "-")); known != "" {
		hint = fmt.Sprintf("; it is spelled %q", known)
	}
	l.add(it, path, ProblemUnknownKey, LevelFatal, "no dockerd from 20.10 to 29 knows the key %q, nor starts with it%s", key, hint)
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
			l.add(it, inner, ProblemNestedRemap, LevelNote, "dockerd reads userns-remap only at the top of the document: this one does nothing")
		}
		l.nested(it.value, inner)
	}
}

// remap checks the value of userns-remap.
func (l *linter) remap(it item, path []string) {
	raw := it.value.of(l.text)
	value, wrong := remapValue(raw)
	err := wrong
	if wrong == nil {
		_, err = ParseRemap(value)
	}
	id, level := badRemap(err)
	switch {
	case err == nil:
		return
	case raw == "null":
		l.add(it, path, id, level, "null turns remapping off")
	case wrong != nil:
		l.add(it, path, ProblemWrongType, level, "userns-remap is a string, and no dockerd starts with %.30s", raw)
	default:
		l.add(it, path, id, level, "%v", err)
	}
	l.found[len(l.found)-1].Err = err
}

// badRemap returns the problem for an error of [ParseRemap].
func badRemap(err error) (ProblemID, Level) {
	if errors.Is(err, ErrFailOpen) {
		return ProblemFailOpen, LevelNote
	}
	return ProblemBadRemap, LevelFatal
}

// fits reports whether encoding/json decodes a value into one of kind want.
// null always fits.
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

// A keyReading is which dockerds decode the value of a key. The others accept
// any type.
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

// major is the first part of a version: 23 of "23.0".
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(first) // of the table, which has numbers
	return n
}

const remapKey = dockerd.RemapKey
