package daemoncfg

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/members"
)

// Lint lists, in order, what dockerd ignores or misreads in a document, and what
// keeps it from starting although the document parses. [Check] also considers
// flags, accounts and the engine. Keys newer than 20.10, like "proxies", are not
// reported.
func (d *Document) Lint() []Problem {
	l := linter{doc: d}
	switch top := d.root(); {
	case top != nil:
		for _, m := range top.Items() {
			l.top(&m)
		}
	case members.Trim(d.now) == "null":
		l.add(nil, ProblemNullDocument, LevelNote, "null is an empty configuration")
	default:
		l.add(nil, ProblemEmptyFile, LevelFatal, "the file is empty: dockerd 20.10 does not start with it, later ones take it for {}")
	}
	return l.found
}

// A linter reads a document that has passed the gate.
type linter struct {
	doc   *Document
	found []Problem
}

func (l *linter) add(m *members.Value, id ProblemID, level Level, format string, args ...any) *Problem {
	p := Problem{ID: id, Path: m.Path(), Level: level, Text: fmt.Sprintf(format, args...)}
	p.Pos = usernskit.Pos{File: l.doc.name, Line: 1, Col: 1}
	if m != nil {
		p.Pos.Line, p.Pos.Col = position(l.doc.now, m.Offset())
	}
	l.found = append(l.found, p)
	return &l.found[len(l.found)-1]
}

// top checks a member of the document. dockerd reads the members of most
// objects as keys at the top (configValuesSet in its daemon/config): so
// "proxies" works, and {"x": {"userns-remap": "default"}} passes its check and
// does nothing.
func (l *linter) top(m *members.Value) {
	key := m.Key()
	option, known := dockerd.KeyOption(key)
	if !known && m.Kind() == '{' { // encoding/json decodes DEBUG into debug, and the check of names skips an object's own
		for _, o := range dockerd.Options() {
			if !known && strings.EqualFold(o.Key, key) && o.Kind != dockerd.KindObject {
				option, known = o, true
			}
		}
	}
	switch {
	case key == remapKey:
		l.remap(m)
		return
	case !flattened(m):
		l.known(m, option)
	case known:
		l.wrongType(m, option)
	case key != "proxies":
		l.add(m, ProblemIgnoredObject, LevelNote, "dockerd has no key %q and ignores the object, although it checks the names in it", key)
	}
	if flattened(m) {
		for _, inner := range m.Items() {
			switch option, known := dockerd.KeyOption(inner.Key()); {
			case !known:
				l.unknown(&inner)
			case key == "proxies" && !fits(&inner, option.Kind) && option.Kind == dockerd.KindString:
				l.add(&inner, ProblemWrongType, LevelFatal, "%s is %s, and no dockerd starts with %.30s", inner.Key(), option.Kind, inner.Raw())
			}
		}
	}
	l.nested(m)
}

// flattened reports whether dockerd reads the members of m as keys at the top.
func flattened(m *members.Value) bool {
	option, _ := dockerd.KeyOption(m.Key())
	return m.Kind() == '{' && option.Kind != dockerd.KindObject
}

func (l *linter) known(m *members.Value, option dockerd.Option) {
	switch {
	case option.Until != "" && fits(m, option.Kind):
		l.add(m, ProblemRemovedKey, LevelFatal, "dockerd from %s on does not know %s and does not start with it", option.Until, option.Key).from = major(option.Until)
	case option.Key == "":
		l.unknown(m)
	case !fits(m, option.Kind), option.Key == "default-shm-size" && m.Raw() == "null": // its own decoder refuses null
		l.wrongType(m, option)
	default:
		l.elements(m, option)
	}
}

func (l *linter) wrongType(m *members.Value, option dockerd.Option) {
	key, kind, value := option.Key, option.Kind, m.Raw()
	switch {
	case slices.Contains([]string{"containerd-plugins-namespace", "http-proxy", "https-proxy", "no-proxy"}, key): // no dockerd decodes these keys
		l.add(m, ProblemWrongType, LevelNote, "%s is %s, and not %.30s", key, kind, value)
	case key == "allow-nondistributable-artifacts", key == "deprecated-key-path", option.Until != "": // 20.10 decodes these
		l.add(m, ProblemWrongType, LevelFatal, "%s is %s, and a dockerd that reads it does not start with %.30s", key, kind, value)
	case m.Kind() == '{':
		l.add(m, ProblemWrongType, LevelFatal, "%s is %s, not an object; no dockerd starts with it", key, kind)
	default:
		l.add(m, ProblemWrongType, LevelFatal, "%s is %s, and no dockerd starts with %.30s", key, kind, value)
	}
}

// elements checks the values in lists and maps.
func (l *linter) elements(m *members.Value, option dockerd.Option) {
	key, want := option.Key, dockerd.KindString
	switch {
	case key == "features":
		want = dockerd.KindBool
	case key == "default-address-pools", key == "default-network-opts", key == "default-ulimits", key == "runtimes":
		want = dockerd.KindObject
	case key != "log-opts" && option.Kind != dockerd.KindList:
		return
	}
	for _, inner := range m.Items() {
		if !fits(&inner, want) {
			l.add(&inner, ProblemWrongType, LevelFatal, "%s holds values, each of them %s, and no dockerd starts with %.30s", key, want, inner.Raw())
		}
		for _, part := range inner.Items() {
			kind, known := parts[key+"/"+strings.ToLower(part.Key())]
			if key == "default-network-opts" {
				kind, known = dockerd.KindString, true
			}
			if known && !fits(&part, kind) {
				l.add(&part, ProblemWrongType, LevelFatal, "%s is %s, and no dockerd starts with %.30s", part.Key(), kind, part.Raw())
			}
		}
	}
}

// parts are the members of the objects in lists and maps.
var parts = map[string]dockerd.Kind{
	"default-address-pools/base": dockerd.KindString, "default-address-pools/size": dockerd.KindNumber,
	"default-ulimits/name": dockerd.KindString, "default-ulimits/hard": dockerd.KindNumber, "default-ulimits/soft": dockerd.KindNumber,
	"runtimes/path": dockerd.KindString, "runtimes/runtimeargs": dockerd.KindList, "runtimes/runtimetype": dockerd.KindString,
}

func (l *linter) unknown(m *members.Value) {
	hint := ""
	if known := dockerd.SimilarKey(strings.TrimLeft(m.Key(), "-")); known != "" {
		hint = fmt.Sprintf("; it is spelled %q", known)
	}
	l.add(m, ProblemUnknownKey, LevelFatal, "no dockerd from 20.10 to 29 knows the key %q, nor starts with it%s", m.Key(), hint)
}

// nested looks for userns-remap where nothing reads it.
func (l *linter) nested(m *members.Value) {
	for _, inner := range m.Items() {
		if inner.Key() == remapKey {
			l.add(&inner, ProblemNestedRemap, LevelNote, "dockerd reads userns-remap only at the top of the document: this one does nothing")
		}
		l.nested(&inner)
	}
}

// remap checks the value of userns-remap.
func (l *linter) remap(m *members.Value) {
	value, wrong := remapValue(m.Raw())
	err := wrong
	if wrong == nil {
		_, err = ParseRemap(value)
	}
	id, level := remapProblem(err)
	switch {
	case err == nil:
	case m.Raw() == "null":
		l.add(m, id, level, "null turns remapping off").Err = err
	case wrong != nil:
		l.add(m, ProblemWrongType, level, "userns-remap is a string, and no dockerd starts with %.30s", m.Raw()).Err = err
	default:
		l.add(m, id, level, "%v", err).Err = err
	}
}

// remapProblem returns the problem for an error of [ParseRemap].
func remapProblem(err error) (ProblemID, Level) {
	if errors.Is(err, ErrFailOpen) {
		return ProblemFailOpen, LevelNote
	}
	return ProblemBadRemap, LevelFatal
}

// fits reports whether encoding/json decodes a value into one of kind want.
// null always fits.
func fits(m *members.Value, want dockerd.Kind) bool {
	switch m.Kind() {
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
	_, err := strconv.ParseInt(m.Raw(), 10, 64)
	return want == dockerd.KindNumber && err == nil
}

// major is the first part of a version: 23 of "23.0".
func major(version string) int {
	first, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(first) // the table of options has only numbers
	return n
}

const remapKey = dockerd.RemapKey
