package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Errors of this package match one of these, or come from the registry or from
// package subid.
var (
	// ErrTaken is matched by every [*TakenError].
	ErrTaken = errors.New("the slot is taken")
	// ErrFull: every slot of the space is taken or released.
	ErrFull = errors.New("no free slot")
	// ErrSpace: the space has no slots, or not all of its IDs exist.
	ErrSpace = errors.New("not a usable ID space")
	// ErrNoMachineID: /etc/machine-id is missing, empty or "uninitialized", as
	// in an image that was never booted.
	ErrNoMachineID = errors.New("the host has no machine ID")
)

// A State is that of a claim.
type State string

const (
	// Claimed: the slot is reserved. The host's files may not have it yet.
	Claimed State = "claimed"
	// Applied: the host's files have the range.
	Applied State = "applied"
	// Released: the holder gave the slot back. Data of its containers may be
	// left on its disks, so the slot is given again only on request.
	Released State = "released"
)

// UnmarshalText reads one of the three words.
func (s *State) UnmarshalText(text []byte) error {
	switch word := State(text); word {
	case Claimed, Applied, Released:
		*s = word
		return nil
	}
	return fmt.Errorf("%q: a state is claimed, applied or released", text)
}

// A Claim is a slot and its holder. Under [Same] a claim belongs to its Owner
// on every host, and Machine and Host are empty.
type Claim struct {
	Slot    int       `json:"slot"`
	Machine string    `json:"machine,omitempty"` // as in machine-id(5)
	Host    string    `json:"host,omitempty"`    // as in hostname(5); for people
	Owner   string    `json:"owner"`             // the name in /etc/subuid: "dockremap"
	State   State     `json:"state"`
	Time    time.Time `json:"time"` // of the last change

	// Reclaim lets [Registry.Claim] give a released slot again. Registries do
	// not keep it.
	Reclaim bool `json:"-"`
}

// Held reports whether both claims have the same holder: the same owner on the
// same machine. A registry without machine IDs compares host names.
func (c Claim) Held(by Claim) bool {
	if c.Owner != by.Owner {
		return false
	}
	if c.Host != "" && (c.Machine == "" || by.Machine == "") {
		return c.Host == by.Host
	}
	return c.Machine == by.Machine
}

// holder names the holder in words.
func (c Claim) holder() string {
	if where := cmp.Or(c.Host, c.Machine); where != "" {
		return c.Owner + " on " + where
	}
	return c.Owner
}

// A Registry keeps the claims of a fleet. Every method ends when ctx does.
type Registry interface {
	// List yields every claim in any order, released ones included. It ends
	// after an error.
	List(ctx context.Context) iter.Seq2[Claim, error]

	// Claim records c at c.Slot if the slot was never claimed, or if c's holder
	// has it: then it replaces State and Time. Otherwise, and for a released
	// slot unless c.Reclaim is set, it returns a [*TakenError] and changes
	// nothing. Of two calls for one slot at the same time, one wins.
	Claim(ctx context.Context, c Claim) error

	// Release marks the slot of c as released. If another holder has it, it
	// returns a [*TakenError]; if it is free, nil.
	Release(ctx context.Context, c Claim) error
}

// A TakenError says who has a slot.
type TakenError struct {
	By Claim
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("slot %d is %s by %s since %s", e.By.Slot, e.By.State, e.By.holder(), e.By.Time.UTC().Format(time.RFC3339))
}

// Is reports whether target is [ErrTaken].
func (e *TakenError) Is(target error) bool { return target == ErrTaken }

// May reports whether claim c may replace have at its slot, by the rule of
// [Registry.Claim], for implementations of Registry. have is nil if the slot
// was never claimed.
func (c Claim) May(have *Claim) error {
	switch {
	case have == nil, have.State == Released && c.Reclaim, have.State != Released && have.Held(c):
		return nil
	}
	return &TakenError{By: *have}
}
