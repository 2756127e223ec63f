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
	// ErrTaken: another holder has the slot, or had it; the message names it.
	ErrTaken = errors.New("the slot is taken")
	// ErrFull: every slot of the space is taken or released.
	ErrFull = errors.New("no free slot")
	// ErrSpace: the space has no slots, or not all of its IDs exist.
	ErrSpace = errors.New("not a usable ID space")
	// ErrNoMachineID: /etc/machine-id is missing, empty or "uninitialized", as
	// in an image that was never booted.
	ErrNoMachineID = errors.New("the host has no machine ID")
)

// A State is the state of a claim.
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

	// Reclaim takes a slot that was released, too. Registries do not keep it.
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

// Confirm records that the host's files have the claimed range. Until then the
// claim is only [Claimed].
func (c Claim) Confirm(ctx context.Context, reg Registry) error {
	c.State, c.Time = Applied, now()
	return reg.Claim(ctx, c)
}

// Release gives the slot back. If another holder has it, the error matches
// [ErrTaken]; if nobody claimed it, there is no error.
func (c Claim) Release(ctx context.Context, reg Registry) error {
	c.State, c.Time = Released, now()
	return reg.Claim(ctx, c)
}

// now returns the time of a claim, in whole seconds, as every text form has it.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// A Registry keeps the claims of a fleet. Every method ends when ctx does.
type Registry interface {
	// List yields every claim in any order, released ones included. It ends
	// after an error.
	List(ctx context.Context) iter.Seq2[Claim, error]

	// Claim records at c.Slot what [Claim.Over] returns for the claim that is there.
	// Of two calls for one slot at the same time, one wins.
	Claim(ctx context.Context, c Claim) error
}

// Over returns what a registry records for c at a slot where it has the claim
// have, or nil if the slot was never claimed. A free slot takes c, a released one
// only with c.Reclaim. The holder's own slot stays as it is if c is [Claimed]: it
// may be applied. A release keeps the names of have; for a slot that was never
// claimed it returns nil: nothing is recorded. Otherwise the error matches
// [ErrTaken]: also if have is of a host with another name and the machine ID of c,
// which may be a clone. Only if c is [Applied], the host has a new name.
func (c Claim) Over(have *Claim) (*Claim, error) {
	switch {
	case have == nil && c.State == Released:
		return nil, nil
	case have != nil && c.State == Released && have.Held(c):
		released := *have
		released.State, released.Time = Released, c.Time
		return &released, nil
	case have == nil, have.State == Released && c.Reclaim, have.State != Released && c.State == Applied && have.Held(c):
		return &c, nil
	case have.State != Released && have.Held(c) && (have.Host == c.Host || have.Host == "" || c.Host == ""):
		return have, nil
	}
	return nil, fmt.Errorf("%w: slot %d is %s by %s since %s", ErrTaken, have.Slot, have.State, have.holder(), have.Time.UTC().Format(time.RFC3339))
}
