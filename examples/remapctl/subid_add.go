package main

import (
	"context"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

func subidAddCommand() *cli.Command {
	return &cli.Command{
		Name:        "add",
		Usage:       "give an owner the same range in both files",
		ArgsUsage:   "OWNER",
		Description: "An owner with a fit range keeps it. OWNER is a name or UID, account or not.\n\nExample: remapctl subid add kubelet --count 7208960 --align 65536",
		Flags:       writeFlags(subidFlags()...),
		Action:      action(runSubidAdd),
	}
}

func runSubidAdd(ctx context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 1, 1)
	if err != nil {
		return err
	}
	want, err := subidRequest(cmd, list[0])
	if err != nil {
		return err
	}
	_, err = e.change(ctx, cmd, func() (usernskit.Plan, error) {
		_, plan, err := subid.Plan(ctx, e.host, want)
		return plan, err
	})
	return err
}

func subidReleaseCommand() *cli.Command {
	return &cli.Command{
		Name:        "release",
		Usage:       "take all ranges of an owner out of both files",
		ArgsUsage:   "OWNER",
		Description: "Lines under the name and under the UID go, and no others.\n\nExample: remapctl subid release dockremap --dry-run",
		Flags:       writeFlags(),
		Action:      action(runSubidRelease),
	}
}

func runSubidRelease(ctx context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 1, 1)
	if err != nil {
		return err
	}
	_, err = e.change(ctx, cmd, func() (usernskit.Plan, error) { return subid.PlanRelease(ctx, e.host, list[0]) })
	return err
}
