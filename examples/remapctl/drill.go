package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/drill"
)

func (e *env) drillCommand(c *cobra.Command) action {
	f := c.Flags()
	name := f.String("container", "", "drill in the mapping of `NAME`")
	start := f.Uint32("start", 0, "drill in the 65536 IDs from `ID` on; does not ask Docker")
	as := f.String("format", "text", "`FORMAT` to print: text, json, junit or sarif")
	without := f.Bool("without-remap", false, "print what a container without remapping would reach, too")
	c.MarkFlagsMutuallyExclusive("container", "start")
	return func(ctx context.Context, _ []string) error {
		switch {
		case !e.host.Live():
			return fmt.Errorf("--root: %w", usernskit.ErrNotLive)
		case *as == "prometheus": // which counts checks
			return fmt.Errorf("--format %s: must be text, json, junit or sarif", *as)
		}
		opts := drill.Options{Helper: probe.Main()} // main has called it first
		if f.Changed("start") {
			m, err := userns.NewMap(userns.Extent{HostID: *start, Count: 65536})
			if err != nil {
				return fmt.Errorf("--start: %w", err)
			}
			opts.Mapping = userns.Mapping{UID: m, GID: m}
		} else if daemon, err := docker.Read(ctx, ""); err != nil {
			return err
		} else if err := opts.Choose(userns.FS{}, daemon, *name); err != nil {
			return err
		}
		report, err := drill.Run(ctx, opts)
		if err != nil {
			return err
		}
		for _, path := range report.Changed {
			e.note("%s changed while the drill ran", path)
		}
		switch {
		case e.json || *as == "json":
			e.json = true
			err = e.printed(nil, report)
		case *as == "text":
			err = report.WriteText(e.out, *without)
		default:
			err = formats[*as](e.out, verify.Report{Findings: report.Findings()})
		}
		if report.Failed() {
			err = errors.Join(err, error(findings))
		}
		return err
	}
}
