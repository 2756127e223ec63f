package usernskit

import (
	"fmt"
	"io/fs"
	"slices"
)

// A Change is what happens to one file, as a value: dry run, diff, apply, undo
// and tests all use it.
type Change struct {
	// Path is the file's path on the host: "/etc/subuid".
	Path string
	// Before is what the change was planned from. Nil means that there was no
	// file; an empty file is empty and not nil.
	Before []byte
	// After is what the file is to hold. Nil removes it.
	After []byte
	// Mode is for a file that is made new; a file that exists keeps its own.
	Mode fs.FileMode
	// Lock is the protocol that other writers of this file follow.
	Lock Lock
}

// A Lock is a protocol between the programs that write a file.
type Lock int

const (
	// LockNone is for files whose writers follow no protocol.
	LockNone Lock = iota
	// LockShadow is the protocol of shadow-utils: /etc/.pwd.lock as by
	// lckpwdf(3), then FILE.lock, and the old content kept in "FILE-".
	LockShadow
)

// An Action is a program to run after the files have changed. Nothing runs an
// Action unless it is asked to.
type Action struct {
	Why  string   // what it is good for: "dockerd reads daemon.json when it starts"
	Argv []string // the program and its arguments, for no shell
	When When
}

// When says how soon an [Action] is needed for the plan to take effect.
type When int

const (
	// Now is for actions that follow directly: restart docker, update-grub.
	Now When = iota
	// Later is for actions that a person chooses the time of: a reboot.
	Later
)

// String returns "now" or "later".
func (w When) String() string {
	if w == Later {
		return "later"
	}
	return "now"
}

// A Warning is something that a person should know before a plan is applied.
type Warning struct {
	ID   string // stable, for scripts: "live-restore"
	Text string
	// Risk is set where going on can lose data or protection: programs ask
	// for the ID to be accepted by name before they apply.
	Risk bool
}

// A Plan is everything that is going to happen to a host, in order.
type Plan struct {
	// Title says in a few words what the plan is for; receipts keep it.
	Title    string
	Changes  []Change
	Actions  []Action
	Warnings []Warning
}

// Empty reports whether the plan changes no file.
func (p Plan) Empty() bool { return len(p.Changes) == 0 }

// Merge joins plans in the order given. Equal actions and warnings are kept
// once; the first title stays. Two plans that change one file are an error,
// since the second was planned from bytes that the first replaces.
func Merge(plans ...Plan) (Plan, error) {
	var all Plan
	files := map[string]bool{}
	for _, p := range plans {
		if all.Title == "" {
			all.Title = p.Title
		}
		for _, c := range p.Changes {
			if files[c.Path] {
				return Plan{}, fmt.Errorf("%s: changed by two plans", c.Path)
			}
			files[c.Path] = true
			all.Changes = append(all.Changes, c)
		}
		for _, a := range p.Actions {
			if !slices.ContainsFunc(all.Actions, func(b Action) bool { return slices.Equal(a.Argv, b.Argv) }) {
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
