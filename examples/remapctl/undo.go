package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
)

func undoCommand() *cli.Command {
	return &cli.Command{
		Name:      "undo",
		Usage:     "bring the files back as they were before a receipt",
		ArgsUsage: "[ID]",
		Description: "Without ID it is the run that was interrupted, else the last one that stands.\n" +
			"Files that were edited since are shown, and nothing is changed.\n\n" +
			"Example: remapctl undo --list",
		Flags: writeFlags(
			&cli.BoolFlag{Name: "list", Usage: "list the receipts and whether their files are still intact"},
			&cli.StringSliceFlag{Name: "force-file", Usage: "bring `PATH` back whatever it holds now; may be repeated"}),
		Action: action(runUndo),
	}
}

func runUndo(ctx context.Context, e *env, cmd *cli.Command) error {
	list, err := args(cmd, 0, 1)
	if err != nil {
		return err
	}
	if cmd.Bool("list") {
		return e.listReceipts()
	}
	r, err := e.host.Receipt(strings.Join(list, ""))
	if errors.Is(err, usernskit.ErrNoReceipt) {
		return fmt.Errorf("%w; remapctl undo --list shows the receipts", err)
	}
	if err != nil {
		return err
	}
	force := cmd.StringSlice("force-file")
	back := r.Reverse(force...)
	if !cmd.Bool("yes") || cmd.Bool("dry-run") {
		e.show(back)
	}
	if cmd.Bool("dry-run") {
		return errors.Join(e.report(back, r, true), findings)
	}
	if err := e.agreed(ctx, cmd, back); err != nil {
		return err
	}
	if err := e.host.Undo(ctx, r.ID, force...); err != nil {
		return e.showEdits(r, err)
	}
	e.done = fmt.Sprintf("it is undone (receipt %s)", r.ID)
	for _, c := range back.Changes {
		e.say("restored %s", c.Path)
	}
	e.next(r.UndoActions())
	return e.report(back, r, false)
}

// showEdits prints, for each file that was edited since, what the receipt wrote
// and what came after it: the three states of the file, as two diffs.
func (e *env) showEdits(r usernskit.Receipt, err error) error {
	files := usernskit.ChangedFiles(err)
	if len(files) == 0 {
		return err
	}
	again := ""
	for _, c := range files {
		again += " --force-file " + c.Path
		i := slices.IndexFunc(r.Files, func(f usernskit.FileState) bool { return f.Path == c.Path })
		if i >= 0 {
			e.note("%s", udiff.Unified(c.Path+" before", c.Path+" as written", string(r.Files[i].Before), string(c.Want)))
		}
		e.note("%s", udiff.Unified(c.Path+" as written", c.Path+" now", string(c.Want), string(c.Now)))
	}
	return fmt.Errorf("edited since receipt %s, as shown above, so nothing was changed; to lose these edits: remapctl undo %s%s", r.ID, r.ID, again)
}
