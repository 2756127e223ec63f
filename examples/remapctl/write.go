package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
)

// change is how every command that writes goes about it: plan, show, ask,
// apply. The plan that is applied is made anew under the lock, since another
// program may have written meanwhile; a person who was asked gets what was
// shown or nothing.
func (e *env) change(ctx context.Context, cmd *cli.Command, plan func() (usernskit.Plan, error)) (usernskit.Receipt, error) {
	p, err := plan()
	if err != nil {
		return usernskit.Receipt{}, err
	}
	dry := cmd.Bool("dry-run")
	if p.Empty() {
		e.warn(p)
		if !cmd.Bool("restart") { // which has yet to look
			e.say("nothing to do")
		}
		return usernskit.Receipt{}, e.report(p, usernskit.Receipt{}, dry)
	}
	if !cmd.Bool("yes") || dry {
		e.show(p)
	}
	e.warn(p)
	if dry {
		return usernskit.Receipt{}, errors.Join(e.report(p, usernskit.Receipt{}, dry), findings)
	}
	if err := e.agreed(ctx, cmd, p); err != nil {
		return usernskit.Receipt{}, err
	}
	shown := p.Diff()
	receipt, err := e.host.Update(ctx, func() (usernskit.Plan, error) {
		var err error
		if p, err = plan(); err != nil {
			return p, err
		}
		if !cmd.Bool("yes") && p.Diff() != shown {
			return p, fmt.Errorf("%w: the plan would be another than the one that was agreed to", usernskit.ErrChanged)
		}
		return p, accepted(cmd, p)
	})
	if err != nil {
		return receipt, err
	}
	if receipt.ID != "" {
		e.done = fmt.Sprintf("it is done (receipt %s)", receipt.ID)
	}
	for _, f := range receipt.Files {
		e.say("wrote %s", f.Path)
	}
	e.next(p.Actions)
	if receipt.ID != "" {
		e.say("receipt %s: remapctl undo %s takes it back", receipt.ID, receipt.ID)
	}
	return receipt, e.report(p, receipt, dry)
}

// accepted returns nil if every risk of the plan was accepted by its ID.
func accepted(cmd *cli.Command, p usernskit.Plan) error {
	ids := cmd.StringSlice("accept-risk")
	var open []string
	for _, w := range p.Warnings {
		if w.Risk && !slices.Contains(ids, w.ID) && !slices.Contains(open, w.ID) {
			open = append(open, w.ID)
		}
	}
	if open == nil {
		return nil
	}
	return fmt.Errorf("nothing was changed: read the warnings above; to go on all the same: --accept-risk %s", strings.Join(open, " --accept-risk "))
}

// agreed returns nil once the risks are accepted and the person agrees.
func (e *env) agreed(ctx context.Context, cmd *cli.Command, p usernskit.Plan) error {
	if err := accepted(cmd, p); err != nil {
		return err
	}
	if cmd.Bool("yes") {
		return nil
	}
	if !e.prompt {
		return errors.New("nothing was changed: not at a terminal, so say --yes to go on, or --dry-run to look")
	}
	if err := e.lost(); err != nil {
		return fmt.Errorf("nothing was changed: what would be could not be shown: %w", err)
	}
	if e.aside != nil {
		e.aside()
	}
	fmt.Fprint(e.err, "go on? [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(e.in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
	case <-ctx.Done(): // Ctrl-C is a no
		fmt.Fprintln(e.err)
	}
	return errors.New("nothing was changed")
}

// show prints the diff, unless JSON carries it.
func (e *env) show(p usernskit.Plan) {
	if e.json {
		return
	}
	for line := range strings.Lines(p.Diff()) {
		fmt.Fprint(e.out, e.paintDiff(line))
	}
}

func (e *env) paintDiff(line string) string {
	code := ""
	switch {
	case !e.color:
		return line
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		code = "1"
	case strings.HasPrefix(line, "+"):
		code = "32"
	case strings.HasPrefix(line, "-"):
		code = "31"
	case strings.HasPrefix(line, "@@"):
		code = "36"
	default:
		return line
	}
	return "\x1b[" + code + "m" + strings.TrimSuffix(line, "\n") + "\x1b[0m\n"
}

// warn prints the plan's warnings, each with its ID.
func (e *env) warn(p usernskit.Plan) {
	for _, w := range p.Warnings {
		kind := "warning"
		if w.Risk {
			kind = "risk"
		}
		text := kind + ": " + w.ID + ": " + w.String()
		if terminal(e.err) { // in a log it is one line
			text = fold(text, 2, e.width())
		}
		e.note("%s", text)
	}
}

// next prints what is left for the person to do.
func (e *env) next(actions []usernskit.Action) {
	for _, a := range actions {
		when := "then"
		if a.When == usernskit.WhenLater {
			when = "later"
		}
		e.say("%s run: %s", when, strings.Join(a.Argv, " "))
		e.say("  %s", fold(a.Why, 2, e.width()-2))
	}
}
