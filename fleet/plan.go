package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

// A Request is the input of [Plan]. The space alone is enough.
type Request struct {
	// Space is the fleet's.
	Space Space
	// Owner is the name in /etc/subuid and /etc/subgid. If empty, it is
	// Docker's "dockremap".
	Owner string
	// Slot is the wanted slot. If nil, it is the slot of the owner's existing
	// ranges, then the one claimed before, then the first free one in an order
	// that depends on the host.
	Slot *int
	// Reclaim also takes the Slot if its last holder released it.
	Reclaim bool
}

// WarnClaimStays is the ID of the warning that undoing a plan keeps the claim.
const WarnClaimStays = "fleet-claim-stays"

// Plan claims a slot of the fleet for an owner on a host and plans the host's
// files for it. The host's files decide: if the slot overlaps anything there, the
// claim is released, unless it is applied or may be another host's, and the error
// is the [*subid.ConflictError] that names the line.
//
// The claim is made before Plan returns, and the plan is like any other: apply
// it, then call [Claim.Confirm]. After a crash in between, a second Plan finds the
// same claim. Planning on a host that has its slot changes no file.
func Plan(ctx context.Context, h usernskit.Host, reg Registry, want Request) (Claim, usernskit.Plan, error) {
	if err := want.Space.Check(); err != nil {
		return Claim{}, usernskit.Plan{}, err
	}
	want.Owner = cmp.Or(want.Owner, subid.Dockremap)
	c := Claim{Owner: want.Owner, State: Claimed, Time: now(), Reclaim: want.Reclaim}
	var err error
	if want.Space.Policy == Disjoint {
		if c.Machine, c.Host, err = Identity(h); err != nil {
			return Claim{}, usernskit.Plan{}, err
		}
	}
	set, err := subid.Read(ctx, h)
	if err != nil {
		return Claim{}, usernskit.Plan{}, err
	}
	give := func(slot int) (r subid.Range, grants []subid.Grant, plan usernskit.Plan, err error) {
		if r, err = want.Space.Slot(slot); err == nil {
			grants, plan, err = set.Plan(ctx, subid.Request{Owner: want.Owner, Start: r.Start, Count: r.Count, AllowSmall: true})
		}
		return r, grants, plan, err
	}
	held := set.Held(want.Owner)
	slot, local := localSlot(held, want)
	switch {
	case want.Slot != nil:
		if _, err = want.Space.Slot(*want.Slot); err == nil {
			c.Slot = *want.Slot
			err = reg.Claim(ctx, c)
		}
	case local:
		c.Slot, c.State, c.Reclaim = slot, Applied, true // the files have it
		err = reg.Claim(ctx, c)
	case len(held) > 0:
		err = hasRange(want.Owner, held[0])
	default:
		// What is wrong with every slot must not use one up with each try.
		if _, _, _, err = give(0); err == nil || errors.Is(err, subid.ErrOverlap) || errors.Is(err, subid.ErrReserved) {
			err = choose(ctx, reg, want.Space, &c)
		}
	}
	if err != nil {
		return Claim{}, usernskit.Plan{}, err
	}
	r, grants, plan, err := give(c.Slot)
	if err == nil && grants[0].UID != r { // a longer range that begins like the slot
		err = hasRange(want.Owner, held[0])
	}
	if err != nil {
		if !local {
			err = errors.Join(err, giveBack(ctx, reg, c))
		}
		return Claim{}, usernskit.Plan{}, err
	}
	// The title is in receipts: undo does not change the registry.
	plan.Title = fmt.Sprintf("give %s slot %d of the fleet, which stays claimed after an undo", want.Owner, c.Slot)
	if !plan.Empty() {
		plan.Warnings = append(plan.Warnings, usernskit.Warning{ID: WarnClaimStays, Text: fmt.Sprintf(
			"undoing this plan leaves slot %d claimed, since data with its IDs may be left on the disks", c.Slot)})
	}
	return c, plan, nil
}

// hasRange returns the error for an owner whose range is not the slot.
func hasRange(owner string, have subid.Claim) error {
	return &subid.ConflictError{Err: subid.ErrHasRange, Owner: owner, Have: have, Why: fmt.Sprintf(
		"%s has %v already, which is not a slot that both files have; release it first", owner, have.Range)}
}

// giveBack releases a claim that could not be used, even if ctx has ended. A claim
// that is applied stays, and so does one for all hosts that may be another host's.
func giveBack(ctx context.Context, reg Registry, c Claim) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for have, err := range reg.List(ctx) {
		if err == nil && have.Slot == c.Slot && have.State == Claimed && (c.Machine != "" || have.Time.Equal(c.Time)) {
			err = c.Release(ctx, reg)
		}
		if err != nil {
			return fmt.Errorf("slot %d stays claimed: %w", c.Slot, err)
		}
	}
	return nil
}

// choose claims the first slot in the holder's order that is free or the
// holder's. After a few misses it lists the claims once instead of asking for
// each slot.
func choose(ctx context.Context, reg Registry, space Space, c *Claim) error {
	taken := map[int]bool{}
	misses := 0
	for slot := range space.order(c.Machine + "/" + c.Owner) {
		if taken[slot] {
			continue
		}
		c.Slot = slot
		if err := reg.Claim(ctx, *c); !errors.Is(err, ErrTaken) {
			return err
		}
		if misses++; misses%8 != 0 {
			continue
		}
		for have, err := range reg.List(ctx) {
			if err != nil {
				return err
			}
			_, err = c.Over(&have)
			taken[have.Slot] = err != nil
		}
	}
	return fmt.Errorf("%w: all %d slots are claimed or released", ErrFull, space.Slots)
}

// localSlot returns the first slot that both files give the owner, if any. If
// the request names a slot, it looks for no other.
func localSlot(held []subid.Claim, want Request) (slot int, ok bool) {
	files := map[int]string{} // by slot
	for _, c := range held {
		n, ok := want.Space.SlotOf(c.Range)
		switch {
		case !ok || want.Slot != nil && n != *want.Slot:
		case files[n] != "" && files[n] != c.File:
			return n, true
		default:
			files[n] = c.File
		}
	}
	return 0, false
}

// Identity reads machine-id(5) and hostname(5), which identify a host in a
// fleet. A host without a name has an empty one; without a machine ID the error
// is [ErrNoMachineID].
func Identity(h usernskit.Host) (machine, host string, err error) {
	data, err := h.ReadFile("/etc/machine-id")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	machine = strings.TrimSpace(string(data))
	if !isMachineID(machine) {
		return "", "", fmt.Errorf("/etc/machine-id: %w", ErrNoMachineID)
	}
	data, err = h.ReadFile("/etc/hostname")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", "", err
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return machine, line, nil
		}
	}
	return machine, "", nil
}

// isMachineID reports whether s is 32 hexadecimal digits, not all zero.
func isMachineID(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == "" && strings.Trim(s, "0") != ""
}
