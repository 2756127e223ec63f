package usernskit

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usernskit/usernskit/internal/enum"
)

// A Plan is what will change on a host, in order.
type Plan struct {
	// Title says in a few words what the plan is for; receipts keep it.
	Title    string    `json:"title,omitempty"`
	Changes  []Change  `json:"changes"`
	Actions  []Action  `json:"actions"`
	Warnings []Warning `json:"warnings"`
}

// MarshalJSON returns {title, changes, actions, warnings}; see [Change.MarshalJSON].
func (p Plan) MarshalJSON() ([]byte, error) {
	type plain Plan // without this method
	out := plain(p)
	out.Changes = append([]Change{}, p.Changes...) // [] and not null
	out.Actions = append([]Action{}, p.Actions...)
	out.Warnings = append([]Warning{}, p.Warnings...)
	return json.Marshal(out)
}

// Empty reports whether the plan changes no file.
func (p Plan) Empty() bool { return len(p.Changes) == 0 }

// Risks returns the IDs of the warnings that are risks, each once, without those
// that were accepted. A program applies a plan only if there are none.
func (p Plan) Risks(accepted ...string) (ids []string) {
	for _, w := range p.Warnings {
		if w.Risk && !slices.Contains(accepted, w.ID) && !slices.Contains(ids, w.ID) {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

// A Change is what happens to one file, as a value: dry run, diff, apply, undo
// and tests all use it.
type Change struct {
	// Path is the file's path on the host, absolute and clean: "/etc/subuid".
	Path string
	// Before is what the change was planned from. Nil means no file; an empty
	// file is empty and not nil.
	Before []byte
	// After is the new content. Nil removes the file.
	After []byte
	// Mode is the permissions of a new file; 0 means 0644. An existing file keeps
	// its own.
	Mode fs.FileMode
	// Shadow says that shadow-utils write this file too. Apply then takes their
	// locks, /etc/.pwd.lock as by lckpwdf(3) and FILE.lock, and keeps the old
	// content in "FILE-", as they do.
	Shadow bool

	stored *patch // of a change that came from JSON: its contents are on the host
}

func (c Change) mode() fs.FileMode {
	if c.Mode == 0 {
		return 0o644
	}
	return c.Mode
}

// check returns an error that matches [fs.ErrInvalid] unless c can be applied.
func (c Change) check() error {
	var why string
	switch {
	case !path.IsAbs(c.Path) || path.Clean(c.Path) != c.Path || c.Path == "/" || strings.Contains(c.Path, "\x00"):
		why = "it is not the clean absolute path of a file"
	case !utf8.ValidString(c.Path):
		why = "the name is not UTF-8, and the journal cannot hold it"
	case c.Mode&^fs.ModePerm != 0:
		why = fmt.Sprintf("its mode %v is more than permissions", c.Mode)
	default:
		return nil
	}
	return fmt.Errorf("bad change: %q: %w: %s", c.Path, fs.ErrInvalid, why)
}

// todo checks the changes and reports whether one of them changes anything.
func (p Plan) todo() (todo bool, err error) {
	for _, c := range p.Changes {
		if err := c.check(); err != nil {
			return false, err
		}
		todo = todo || !c.none()
	}
	return todo, nil
}

// An Action is a program to run after the files have changed. No package runs
// one unless asked to.
type Action struct {
	// Why is the reason: "dockerd reads daemon.json when it starts".
	Why string `json:"why"`
	// Argv is the program and its arguments; no shell reads them.
	Argv  []string   `json:"argv"`
	When  When       `json:"when"`
	Where Where      `json:"where"`
	Kind  ActionKind `json:"kind"`
}

// A Warning is something that a person should know before a plan is applied.
type Warning struct {
	ID  string `json:"id"` // stable, for scripts: a constant of the package that gives it
	Pos Pos    `json:"pos,omitzero"`
	// Text does not repeat the ID or the position.
	Text string `json:"text"`
	// Risk is set where going on can lose data or protection: programs apply
	// only if the ID was accepted by name.
	Risk bool `json:"risk,omitempty"`
}

// String returns the text with its position before it.
func (w Warning) String() string {
	if pos := w.Pos.String(); pos != "" {
		return pos + ": " + w.Text
	}
	return w.Text
}

// A Pos is a place in a file of the host. Line and Col count from 1, Col in
// bytes; 0 is left out. The zero Pos is nowhere.
type Pos struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"column,omitempty"`
}

// String returns "file:line:col", as far as it is known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Merge joins plans in the order given. Equal actions and warnings are kept
// once; the first title stays. Two plans that change one file are a
// [*FileError], since the second was planned from bytes that the first
// replaces: to change a file twice in one plan, edit the file's own value
// (a document, a set of ranges) twice and plan once.
func Merge(plans ...Plan) (Plan, error) {
	var all Plan
	titles := map[string]string{}
	for _, p := range plans {
		if all.Title == "" {
			all.Title = p.Title
		}
		for _, c := range p.Changes {
			if first, ok := titles[c.Path]; ok {
				return Plan{}, &FileError{File: c.Path, Err: fmt.Errorf("changed by two plans (%q and %q)", first, p.Title)}
			}
			titles[c.Path] = p.Title
			all.Changes = append(all.Changes, c)
		}
		for _, a := range p.Actions {
			if !slices.ContainsFunc(all.Actions, a.same) {
				all.Actions = append(all.Actions, a)
			}
		}
		for _, w := range p.Warnings {
			if !slices.Contains(all.Warnings, w) {
				all.Warnings = append(all.Warnings, w)
			}
		}
	}
	return all, nil
}

// same reports whether two actions differ only in Why.
func (a Action) same(b Action) bool { return slices.Equal(a.Argv, b.Argv) && a.Where == b.Where }

// When says how soon an [Action] is needed for the plan to take effect: at once
// or [WhenLater]. It and the types below marshal to text and back.
type When = enum.Of[whenNames]

// Where says which system an [Action] is for: [WhereHost], [WhereTree] or
// [WhereBoot].
type Where = enum.Of[whereNames]

// An ActionKind says what an [Action] does, so that nobody has to guess it from
// the program's name: [ActionRun] and those after it.
type ActionKind = enum.Of[kindNames]

// The zero values are those that most actions have.
const (
	// WhenLater is for actions whose time a person chooses: a reboot.
	WhenLater When = 1

	// WhereHost is the running host.
	WhereHost Where = 0
	// WhereTree is the tree of files that was planned for, by chroot(8).
	WhereTree Where = 1
	// WhereBoot is the system in the tree, the next time that it runs.
	WhereBoot Where = 2

	ActionRun           ActionKind = 0 // any other program
	ActionRestartDocker ActionKind = 1
	ActionReloadDocker  ActionKind = 2
	ActionReboot        ActionKind = 3
)

type (
	whenNames  struct{}
	whereNames struct{}
	kindNames  struct{}
)

func (whenNames) Names() (string, []string)  { return "When", []string{"now", "later"} }
func (whereNames) Names() (string, []string) { return "Where", []string{"host", "tree", "boot"} }
func (kindNames) Names() (string, []string) {
	return "ActionKind", []string{"run", "restart-docker", "reload-docker", "reboot"}
}
