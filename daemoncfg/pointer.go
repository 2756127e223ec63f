package daemoncfg

import (
	"fmt"
	"strings"
)

// ParsePointer reads a JSON Pointer (RFC 6901), "/log-opts/max-size", into the
// path that [Document.Get] and the others take. The empty pointer is the whole
// document. In an element ~1 stands for a slash, and ~0 for a tilde.
func ParsePointer(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	if s[0] != '/' {
		return nil, fmt.Errorf("%q is no JSON Pointer: it has to start with a slash, as in \"/log-opts/max-size\"", s)
	}
	path := strings.Split(s[1:], "/")
	for i, name := range path {
		if odd := strings.NewReplacer("~0", "", "~1", "").Replace(name); strings.Contains(odd, "~") {
			return nil, fmt.Errorf("%q is no JSON Pointer: a tilde is written ~0, and a slash in a key ~1", s)
		}
		path[i] = strings.NewReplacer("~0", "~", "~1", "/").Replace(name)
	}
	return path, nil
}

// pointer writes path as a JSON Pointer, for messages.
func pointer(path []string) string {
	if len(path) == 0 {
		return "the document"
	}
	var b strings.Builder
	for _, name := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	return b.String()
}
