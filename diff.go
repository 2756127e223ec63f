package usernskit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	udiff "github.com/aymanbagabas/go-udiff"

	"github.com/usernskit/usernskit/internal/text"
)

// Diff returns the changes of all files as one unified diff, as diff(1) -u
// writes it: patch(1) accepts it, so bytes are not escaped. The other side of a
// new or removed file is /dev/null.
func (p Plan) Diff() string {
	var b strings.Builder
	for _, c := range p.Changes {
		b.WriteString(c.diff())
	}
	return b.String()
}

// VisibleDiff is Diff for a terminal: characters that could move the cursor or
// hide text are written as escapes.
func (p Plan) VisibleDiff() string { return text.VisibleLines(p.Diff()) }

// diff is "" if nothing changes. Making or removing an empty file gives only a
// header.
func (c Change) diff() string {
	p := c.patch()
	if p.none() {
		return ""
	}
	u := udiff.UnifiedDiff{From: c.Path, To: c.Path}
	if p.Before == "" {
		u.From = "/dev/null"
	}
	if p.After == "" {
		u.To = "/dev/null"
	}
	if len(p.Hunks) == 0 {
		if p.Before+p.After != digestOf([]byte{}) {
			return "" // of a receipt that is undone, and has no contents
		}
		return fmt.Sprintf("--- %s\n+++ %s\n", u.From, u.To)
	}
	for _, h := range p.Hunks {
		hunk := &udiff.Hunk{FromLine: h.From, ToLine: h.To}
		for _, l := range h.Lines {
			hunk.Lines = append(hunk.Lines, udiff.Line{Kind: udiff.OpKind(strings.IndexByte(signs, l[0])), Content: string(l[1:])})
		}
		u.Hunks = append(u.Hunks, hunk)
	}
	return u.String()
}

// signs are those of a removed, an added and a kept line, by [udiff.OpKind].
const signs = "-+ "

// A changeJSON is the documented form of a [Change]: a patch with digests of the
// file before and after. It holds no more of the file than the context of the
// patch.
type changeJSON struct {
	Path string `json:"path"`
	patch
	Diff string `json:"diff"` // for people
	Mode string `json:"mode,omitempty"`
	Lock string `json:"lock,omitempty"` // "shadow", see [Change.Shadow]
}

// MarshalJSON returns {path, before, after, hunks, diff, mode, lock}. before
// and after are digests ("sha256:...") or null, and hunks has every removed and
// added byte, so a plan can be stored, sent, and applied to a host whose files
// still have those digests.
func (c Change) MarshalJSON() ([]byte, error) {
	out := changeJSON{Path: c.Path, patch: c.patch(), Diff: text.VisibleLines(c.diff())}
	if c.Shadow {
		out.Lock = "shadow"
	}
	if c.Mode != 0 {
		out.Mode = fmt.Sprintf("%04o", c.Mode.Perm()) // as chmod(1) takes it
	}
	if out.Hunks == nil {
		out.Hunks = []hunk{}
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes. If the change neither makes nor
// removes a file, the JSON does not have its contents: Before and After stay nil,
// and Apply takes them from the host.
func (c *Change) UnmarshalJSON(data []byte) error {
	var in changeJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	out := Change{Path: in.Path, Shadow: in.Lock == "shadow"}
	err := in.patch.check()
	if err == nil && in.Lock != "" && in.Lock != "shadow" {
		err = fmt.Errorf("lock %q is not known", in.Lock)
	}
	if in.Mode != "" && err == nil {
		var bits uint64
		bits, err = strconv.ParseUint(in.Mode, 8, 9)
		out.Mode = fs.FileMode(bits)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.Path, err)
	}
	switch {
	case in.Before == "":
		out.After, err = in.patch.apply(nil)
	case in.After == "":
		out.Before, err = in.patch.reversed().apply(nil)
	default:
		out.stored = &in.patch
	}
	*c = out
	return err
}

// isStored reports whether the change came from JSON, and its contents are on
// the host.
func (c Change) isStored() bool { return c.stored != nil && c.Before == nil && c.After == nil }

// patch is what the change does.
func (c Change) patch() patch {
	if c.isStored() {
		return *c.stored
	}
	return newPatch(c.Before, c.After)
}

// none reports whether nothing changes.
func (c Change) none() bool {
	if c.isStored() {
		return c.stored.none()
	}
	return same(c.Before, c.After)
}

// A patch is what a change does to a file, without the rest of the file. It can
// be reversed to the exact bytes.
type patch struct {
	Before digest `json:"before"`
	After  digest `json:"after"`
	Hunks  []hunk `json:"hunks"`
}

// A hunk is a place that changes, with up to three lines around it.
type hunk struct {
	From  int    `json:"from"` // its first line before the change, from 1
	To    int    `json:"to"`   // and after it
	Lines []line `json:"lines"`
}

// A line is a line of a unified diff: " ", "-" or "+" and the text.
type line string

// MarshalJSON returns a string, or {"base64"} of bytes that are not UTF-8.
func (l line) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(l)) {
		return json.Marshal(string(l))
	}
	return json.Marshal(map[string][]byte{"base64": []byte(l)})
}

func (l *line) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte("{")) {
		var raw struct{ Base64 []byte }
		err := json.Unmarshal(data, &raw)
		*l = line(raw.Base64)
		return err
	}
	return json.Unmarshal(data, (*string)(l))
}

// A digest is "sha256:" and the sum of a file in hexadecimal, empty for no file.
type digest string

func digestOf(data []byte) digest {
	if data == nil {
		return ""
	}
	return digest(fmt.Sprintf("sha256:%x", sha256.Sum256(data)))
}

// MarshalJSON returns null for no file.
func (d digest) MarshalJSON() ([]byte, error) {
	if d == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(d))
}

func newPatch(before, after []byte) patch {
	p := patch{Before: digestOf(before), After: digestOf(after)}
	start, end := common(before, after)
	a, b := string(before[start:len(before)-end]), string(after[start:len(after)-end])
	u, err := udiff.ToUnifiedDiff("", "", a, udiff.Lines(a, b), udiff.DefaultContextLines)
	if err != nil {
		panic("BUG: diff: " + err.Error()) // the edits are of this very text
	}
	skipped := bytes.Count(before[:start], []byte("\n"))
	for _, h := range u.Hunks {
		out := hunk{From: h.FromLine + skipped, To: h.ToLine + skipped}
		for _, l := range h.Lines {
			out.Lines = append(out.Lines, line(signs[l.Kind:l.Kind+1]+l.Content))
		}
		p.Hunks = append(p.Hunks, out)
	}
	return p
}

// common returns how many bytes at the start and at the end are equal whole lines
// that need not be compared. It does not count the lines that the context needs.
// Without it, a line added to 65,000 costs 30 ms, and every plan shows a diff.
func common(a, b []byte) (start, end int) {
	short := min(len(a), len(b))
	for start < short && a[start] == b[start] {
		start++
	}
	for end < short-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	for range udiff.DefaultContextLines + 1 {
		start = bytes.LastIndexByte(a[:max(start-1, 0)], '\n') + 1
	}
	tail := a[len(a)-end:]
	for range udiff.DefaultContextLines + 1 {
		_, tail, _ = bytes.Cut(tail, []byte("\n"))
	}
	return start, len(tail)
}

func (p patch) none() bool { return p.Before == p.After }

// check validates a patch that was read.
func (p patch) check() error {
	for _, h := range p.Hunks {
		for _, l := range h.Lines {
			if l == "" || strings.IndexByte(signs, l[0]) < 0 {
				return fmt.Errorf("not a patch: a line begins with %q", string(l[:min(len(l), 1)]))
			}
		}
	}
	return nil
}

func (p patch) reversed() patch {
	back := patch{Before: p.After, After: p.Before}
	for _, h := range p.Hunks {
		lines := slices.Clone(h.Lines)
		for i, l := range lines {
			switch l[0] {
			case '-':
				lines[i] = "+" + l[1:]
			case '+':
				lines[i] = "-" + l[1:]
			}
		}
		back.Hunks = append(back.Hunks, hunk{From: h.To, To: h.From, Lines: lines})
	}
	return back
}

// apply applies the patch to before, and checks that the result has the digest
// after.
func (p patch) apply(before []byte) ([]byte, error) {
	lines := splitLines(before)
	var out bytes.Buffer
	at := 0
	for _, h := range p.Hunks {
		if h.From-1 < at || h.From-1 > len(lines) {
			return nil, fmt.Errorf("not a patch: a hunk at line %d", h.From)
		}
		for ; at < h.From-1; at++ {
			out.WriteString(lines[at])
		}
		for _, l := range h.Lines {
			if l[0] != '+' {
				if at == len(lines) || lines[at] != string(l[1:]) {
					return nil, fmt.Errorf("%w: line %d", ErrChanged, at+1)
				}
				at++
			}
			if l[0] != '-' {
				out.WriteString(string(l[1:]))
			}
		}
	}
	for ; at < len(lines); at++ {
		out.WriteString(lines[at])
	}
	after := append([]byte{}, out.Bytes()...) // not nil
	if len(after) == 0 && p.After == "" {
		after = nil
	}
	if digestOf(after) != p.After {
		return nil, fmt.Errorf("%w: the result is not %s", ErrChanged, p.After)
	}
	return after, nil
}

// splitLines returns the lines with their newlines; the last may be without.
func splitLines(data []byte) []string {
	lines := strings.SplitAfter(string(data), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// resolve returns the change with its contents. now is what the file holds, nil
// for no file; if the change was not planned from it, the error is [ErrChanged].
func (c Change) resolve(now []byte) (Change, error) {
	const why = "it no longer holds what the plan was made from"
	if !c.isStored() {
		if !same(c.Before, now) {
			return c, changed(c.Path, why)
		}
		return c, nil
	}
	if digestOf(now) != c.stored.Before {
		return c, changed(c.Path, why)
	}
	after, err := c.stored.apply(now)
	if err != nil {
		return c, fmt.Errorf("%s: %w", c.Path, err)
	}
	c.Before, c.After = now, after
	return c, nil
}

// same compares two contents, nil for no file.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }
