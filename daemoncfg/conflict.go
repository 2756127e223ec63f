package daemoncfg

import (
	"fmt"
	"slices"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
)

// conflicts are the keys that the document has and a flag has too, as dockerd
// looks for them when it starts. An equal value is a conflict as well.
func conflicts(s dockerd.Startup, doc *Document) []*ConflictError {
	var list []*ConflictError
	for _, key := range effective(doc) {
		// dockerd merges the runtimes of both (skipDuplicates in its source).
		if f, ok := s.Flag(key); ok && key != "runtimes" {
			list = append(list, &ConflictError{Key: key, Flag: f,
				Fix: fmt.Sprintf("remove %q from %s, or the flag from %s", key, doc.name, f.File)})
		}
	}
	return list
}

// effective are the keys that dockerd takes for top ones: those of objects one
// level down, too.
func effective(doc *Document) []string {
	if doc.isBlank() {
		return nil
	}
	var keys []string
	l := linter{text: doc.text()}
	for _, it := range items(l.text, root(l.text)) {
		key := l.key(it)
		if l.kind(it.value) != '{' || !dockerd.Flattened(key) {
			keys = append(keys, key)
			continue
		}
		for _, inner := range items(l.text, it.value) {
			keys = append(keys, l.key(inner))
		}
	}
	return keys
}

// newConflict returns a conflict that is in after and not in before.
func newConflict(before, after []*ConflictError) error {
	for _, c := range after {
		if !slices.ContainsFunc(before, func(b *ConflictError) bool { return b.Key == c.Key }) {
			return c
		}
	}
	return nil
}

// checkSnapshotter refuses the containerd image store where it was asked for.
// Where it is on by itself, dockerd 29 switches it off.
func checkSnapshotter(s dockerd.Startup, doc *Document) error {
	const feature = "containerd-snapshotter"
	why := fmt.Errorf("%s is switched on here, and dockerd from 29.0 does not start with it and userns-remap; remove it, its images are not seen under userns-remap anyway: %w", feature, ErrSnapshotter)
	if raw, ok := doc.Get("features", feature); ok && string(raw) == "true" {
		line, col := doc.Position("features", feature)
		return &usernskit.FileError{File: doc.name, Line: line, Col: col, Err: why}
	}
	for _, f := range s.Flags {
		if f.Name == "feature" && (f.Value == feature || f.Value == feature+"=true") {
			return &usernskit.FileError{File: f.File, Line: f.Line, Err: why}
		}
	}
	return nil
}
