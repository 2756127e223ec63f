package remap

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs/gates"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
)

// A Request configures remapping. The zero Request is Docker's default: the
// account dockremap, with the first free range.
type Request struct {
	// Remap is the value of userns-remap. If empty, it is "default".
	Remap daemoncfg.Remap
	// Start is the first host ID of the range in both files. If 0, the first
	// free one is taken.
	Start uint32
	// Count is the number of IDs. If 0, it is 65536, the least for unpacking
	// every image.
	Count uint32
	// AllowSmall accepts a Count below 65536. Images whose files belong to
	// higher IDs, nobody (65534) among them, cannot be unpacked then.
	AllowSmall bool
	// Daemon selects one of several dockerds.
	Daemon dockerd.Choice
}

// An Enable is a plan that turns remapping on, and its result.
type Enable struct {
	Remap daemoncfg.Remap
	Grant subid.Grant
	Plan  usernskit.Plan
}

// Store is the name that dockerd gives the directory below its data-root:
// "UID.GID" of container root on the host.
func (e Enable) Store() string {
	return store.Name(e.Grant.UID.Start, e.Grant.GID.Start)
}

// PlanEnable plans everything that turns remapping on: ranges, kernel settings
// where this kernel needs them, and daemon.json last. On a host that has all of
// it, the plan is empty.
func PlanEnable(ctx context.Context, h usernskit.Host, want Request) (Enable, error) {
	if want.Remap == (daemoncfg.Remap{}) {
		want.Remap = daemoncfg.Remap{User: daemoncfg.Default}
	}
	if err := want.Remap.Check(ctx, h); err != nil {
		return Enable{}, err
	}
	account, err := want.Remap.Account(ctx, h)
	if err != nil {
		return Enable{}, err
	}
	request := subid.Request{Count: 65536}
	request.Owner, request.Start, request.AllowSmall = account, want.Start, want.AllowSmall
	if want.Count != 0 {
		request.Count = want.Count
	}
	grant, ranges, err := subid.Plan(ctx, h, request)
	if err != nil {
		return Enable{}, err
	}
	kernel, err := gates.Plan(ctx, h)
	if err != nil {
		return Enable{}, err
	}
	_, doc, err := open(ctx, h, want.Daemon)
	if err != nil {
		return Enable{}, err
	}
	was := doc.Setting()
	daemon, err := doc.PlanRemap(ctx, h, want.Remap)
	if err != nil {
		return Enable{}, err
	}
	if was.On && !sameAccount(ctx, h, was.Remap, account) {
		daemon.Warnings = append(daemon.Warnings, usernskit.Warning{ID: RiskRemapChanged, Risk: true, Text: fmt.Sprintf(
			"%s: userns-remap is %q now: the images, containers and volumes of its store are not seen under %q", was.Place, was.Value, want.Remap)})
	}
	plan, err := usernskit.Merge(usernskit.Plan{Title: "enable userns-remap " + want.Remap.String()}, ranges, kernel, daemon)
	if err != nil {
		return Enable{}, err
	}
	if want.Remap.User == daemoncfg.Default {
		// dockerd makes this account itself when it starts.
		plan.Warnings = slices.DeleteFunc(plan.Warnings, func(w usernskit.Warning) bool { return w.ID == subid.WarnNoAccount })
	}
	return Enable{Remap: want.Remap, Grant: grant, Plan: plan}, nil
}

// sameAccount reports whether r is the account, so that the store stays the same.
// An account that cannot be looked up counts as another one.
func sameAccount(ctx context.Context, h usernskit.Host, r daemoncfg.Remap, account string) bool {
	name, err := r.Account(ctx, h)
	return err == nil && name == account
}

func open(ctx context.Context, h usernskit.Host, c dockerd.Choice) (dockerd.Startup, *daemoncfg.Document, error) {
	startup, err := c.Read(ctx, h)
	if err != nil {
		return dockerd.Startup{}, nil, err
	}
	doc, err := daemoncfg.Open(h, startup)
	return startup, doc, err
}

// A Disable configures turning remapping off.
type Disable struct {
	// Release also gives back the ranges of the account that was remapped to.
	// Without it they stay, so that turning remapping on again finds the same
	// image store.
	Release bool
	// Daemon selects one of several dockerds.
	Daemon dockerd.Choice
}

// PlanDisable removes userns-remap from daemon.json.
func PlanDisable(ctx context.Context, h usernskit.Host, want Disable) (usernskit.Plan, error) {
	_, doc, err := open(ctx, h, want.Daemon)
	if err != nil {
		return usernskit.Plan{}, err
	}
	setting := doc.Setting()
	plan, err := doc.PlanClear(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	plan.Title = "disable userns-remap"
	if !want.Release {
		return plan, nil
	}
	account := daemoncfg.DockremapUser
	if setting.On {
		if account, err = setting.Remap.Account(ctx, h); err != nil {
			return usernskit.Plan{}, fmt.Errorf("which account's ranges to release: %w", err)
		}
	}
	set, err := subid.Read(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	ranges, err := set.PlanRelease(account)
	if err != nil {
		return usernskit.Plan{}, err
	}
	return usernskit.Merge(plan, ranges)
}

// Check is [daemoncfg.Check] for the current host, which also checks that
// dockerd can map containers to the account of userns-remap.
func Check(ctx context.Context, h usernskit.Host, c dockerd.Choice) ([]daemoncfg.Problem, error) {
	startup, doc, err := open(ctx, h, c)
	if err != nil {
		return nil, err
	}
	return daemoncfg.Check(ctx, h, startup, doc, ranges(h)), nil
}

// ranges returns why a host's dockerd cannot map containers to an account, for
// [daemoncfg.Check].
func ranges(h usernskit.Host) func(ctx context.Context, account string) error {
	return func(ctx context.Context, account string) error {
		set, err := subid.Read(ctx, h)
		if err != nil {
			return err
		}
		return unusable(set, account)
	}
}

// unusable returns why dockerd cannot map containers to an account, or nil.
func unusable(set *subid.Set, account string) error {
	uid, gid := set.Mapped(reader.Dockerd, account)
	for _, m := range []struct {
		reader.Map
		file string
	}{{uid, subid.UIDFile}, {gid, subid.GIDFile}} {
		switch {
		case m.Refused != nil:
			return fmt.Errorf("dockerd does not start: %w", m.Refused)
		case m.Unsure != nil:
			return m.Unsure
		case len(m.Readings) == 0:
			return fmt.Errorf("%s: %w: there is no line for %s, so dockerd does not start", m.file, ErrNoRanges, account)
		}
	}
	return nil
}

var (
	// ErrNoRanges: the account of userns-remap has no line in one of the files.
	ErrNoRanges = errors.New("no subordinate IDs")

	// ErrNoSystemd is returned by [Restart] where systemd does not start docker.
	// Run the action by hand.
	ErrNoSystemd = errors.New("docker is not started by systemd here")
)
