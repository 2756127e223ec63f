package remap

import (
	"context"
	"fmt"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs/gates"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
)

// A Request says how remapping is to be. The zero Request is Docker's default:
// the account dockremap, with the first free range.
type Request struct {
	// Remap is the value of userns-remap. If empty, it is "default".
	Remap daemoncfg.Remap
	// Start is the first host ID of the range in both files. If 0, the first
	// free one is taken.
	Start uint32
	// Count is the number of IDs. If 0, it is 65536, the smallest that every
	// image can be unpacked with.
	Count uint32
	// AllowSmall accepts a Count below 65536. Images whose files belong to
	// higher IDs, nobody (65534) among them, cannot be unpacked then.
	AllowSmall bool
}

// An Enable is a plan that turns remapping on, and what it amounts to.
type Enable struct {
	Remap daemoncfg.Remap
	Grant subid.Grant
	Plan  usernskit.Plan
}

// Store is the name that dockerd gives the directory below its data-root:
// "UID.GID" of container root on the host.
func (e Enable) Store() string {
	return fmt.Sprintf("%d.%d", e.Grant.UID.Start, e.Grant.GID.Start)
}

// PlanEnable plans everything that turns remapping on: ranges, kernel settings
// where this kernel needs them, and daemon.json last. On a host that has all
// of it the plan is empty.
func PlanEnable(ctx context.Context, h usernskit.Host, want Request) (Enable, error) {
	if want.Remap == (daemoncfg.Remap{}) {
		want.Remap = daemoncfg.Remap{User: "default"}
	}
	if err := want.Remap.Check(ctx, h); err != nil {
		return Enable{}, err
	}
	account, err := want.Remap.Account(ctx, h)
	if err != nil {
		return Enable{}, err
	}
	request := subid.Docker()
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
	daemon, err := daemoncfg.PlanRemap(ctx, h, want.Remap)
	if err != nil {
		return Enable{}, err
	}
	was, err := daemoncfg.Current(ctx, h)
	if err != nil {
		return Enable{}, err
	}
	if was.On && !sameAccount(ctx, h, was.Remap, account) {
		daemon.Warnings = append(daemon.Warnings, usernskit.Warning{ID: "remap-changed", Risk: true, Text: fmt.Sprintf(
			"%s: userns-remap is %q now: the images, containers and volumes of its store are not seen under %q", was.Place, was.Value, want.Remap)})
	}
	plan, err := usernskit.Merge(usernskit.Plan{Title: "enable userns-remap " + want.Remap.String()}, ranges, kernel, daemon)
	if err != nil {
		return Enable{}, err
	}
	if account == "dockremap" && want.Remap.User == "default" {
		// dockerd makes this account itself when it starts.
		plan.Warnings = without(plan.Warnings, "no-account")
	}
	return Enable{Remap: want.Remap, Grant: grant, Plan: plan}, nil
}

// sameAccount reports whether r stands for the account, and so for the store that
// begins with its ranges. One that cannot be looked up may be another.
func sameAccount(ctx context.Context, h usernskit.Host, r daemoncfg.Remap, account string) bool {
	name, err := r.Account(ctx, h)
	return err == nil && name == account
}

func without(list []usernskit.Warning, id string) []usernskit.Warning {
	var rest []usernskit.Warning
	for _, w := range list {
		if w.ID != id {
			rest = append(rest, w)
		}
	}
	return rest
}

// PlanDisable plans userns-remap out of daemon.json. With release the ranges of
// the account that was remapped to go too; without it they stay, so that
// turning remapping on again finds the same image store.
func PlanDisable(ctx context.Context, h usernskit.Host, release bool) (usernskit.Plan, error) {
	setting, err := daemoncfg.Current(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	plan, err := daemoncfg.PlanClear(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	plan.Title = "disable userns-remap"
	if !release {
		return plan, nil
	}
	account := "dockremap"
	if setting.On {
		if account, err = setting.Remap.Account(ctx, h); err != nil {
			return usernskit.Plan{}, fmt.Errorf("which account's ranges to release: %w", err)
		}
	}
	ranges, err := subid.PlanRelease(ctx, h, account)
	if err != nil {
		return usernskit.Plan{}, err
	}
	return usernskit.Merge(plan, ranges)
}
