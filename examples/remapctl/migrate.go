package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
)

func (e *env) migrateCommand(c *cobra.Command) action {
	e.writeFlags(c)
	from := c.Flags().String("from", "", "copy from `STORE`: plain, or the UID.GID of a remapped one (default: the other one)")
	remove := c.Flags().Bool("remove-old", false, "remove the old volumes whose copies are the same to the last byte")
	e.daemonFlags(c)
	return func(ctx context.Context, names []string) error {
		stop := e.tell("looking at every volume")
		m, err := remap.PlanMigrate(ctx, e.host, remap.Migrate{From: *from, Volumes: names, RemoveOld: *remove, Daemon: e.daemon})
		stop()
		if err != nil {
			return unseen(err)
		}
		_ = m.WriteText(e.people()) // e.out keeps the error
		e.warn(m.Plan)
		todo, refused := m.Todo()
		switch {
		case e.dryRun && todo+len(refused) > 0:
			e.next(m.Plan.Actions)
			return e.migrated(m, "", findings)
		case todo == 0 && refused != nil:
			return errors.New("nothing was changed: " + strings.Join(refused, "; "))
		case e.dryRun || todo == 0 && !*remove:
			e.say("nothing to do")
			return e.migrated(m, "", nil)
		}
		about := fmt.Sprintf("This copies %s to %s.", text.Count(todo, "volume", "volumes"), m.To)
		var receipt usernskit.Receipt
		ran := false
		if err := e.agreed(ctx, about, m.Plan, e.metered(func(at func(shift.Progress)) (err error) {
			ran = true
			m, receipt, err = m.Run(ctx, at)
			return err
		})); err != nil {
			if !ran {
				return err
			}
			if receipt.ID != "" {
				e.done = fmt.Sprintf("volumes were copied (receipt %s)", receipt.ID)
			}
			return fmt.Errorf("%w; what is copied stays, and the same command goes on", err)
		}
		for _, v := range m.Volumes {
			if v.State == remap.VolumeDone {
				e.say("%s", strings.TrimSuffix("volume "+text.Visible(v.Name)+": copied: "+text.Visible(v.Why), ": "))
			}
		}
		e.next(m.Plan.Actions)
		e.wayBack(receipt)
		if refused != nil {
			e.note("not copied: %s", strings.Join(refused, "; "))
			return e.migrated(m, receipt.ID, behind)
		}
		return e.migrated(m, receipt.ID, nil)
	}
}

func (e *env) migrated(m remap.Migration, receipt string, code error) error {
	return e.printed(code, members{"dry_run": e.dryRun, "receipt": receipt}, m, m.Plan)
}
