package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/subid"
)

// writeFlags adds the flags of every command that writes.
func (e *env) writeFlags(c *cobra.Command) {
	c.Flags().BoolVar(&e.yes, "yes", false, "do it without asking")
	c.Flags().BoolVar(&e.dryRun, "dry-run", false, "show what would change, and change nothing")
	e.riskFlag(c)
}

func (e *env) riskFlag(c *cobra.Command) {
	c.Flags().StringArrayVar(&e.accepted, "accept-risk", nil, "go on despite the risk `ID`; may be repeated")
}

// change is what every command that writes files does: plan, show, ask, apply. A
// person who was asked gets what was shown or nothing; with --yes, nothing is
// planned in advance.
func (e *env) change(ctx context.Context, plan func() (usernskit.Plan, error)) (receipt usernskit.Receipt, err error) {
	var p usernskit.Plan
	shown, asks := "", !e.yes || e.dryRun
	if asks {
		if p, err = plan(); err != nil {
			return receipt, err
		}
		e.show(p)
		e.warn(p)
		if p.Empty() || e.dryRun {
			return receipt, e.planned(p)
		}
		shown = p.Diff()
	}
	warned := asks
	err = e.agreed(ctx, "", p, func() error {
		defer later(time.Second, e.waits)()
		receipt, err = e.host.Update(ctx, func() (usernskit.Plan, error) {
			if p, err = plan(); err == nil {
				err = ctx.Err() // a plan made after a signal may miss facts
			}
			if err != nil {
				return p, err
			}
			if asks && p.Diff() != shown {
				return p, fmt.Errorf("%w: the plan differs from the one that was agreed to", usernskit.ErrChanged)
			}
			if !warned {
				e.warn(p)
				warned = true
			}
			if p.Empty() {
				return p, nil
			}
			return p, e.refused(p)
		})
		return err
	})
	if err != nil {
		return receipt, err
	}
	if p.Empty() {
		return receipt, e.planned(p)
	}
	if receipt.ID != "" {
		e.done = fmt.Sprintf("the files were written (receipt %s)", receipt.ID)
	}
	for _, c := range receipt.Changes {
		e.say("wrote %s", c.Path)
	}
	e.next(slices.DeleteFunc(slices.Clone(p.Actions), func(a usernskit.Action) bool {
		return e.restarts && a.When != usernskit.WhenLater && a.Where == usernskit.WhereHost // it is run
	}))
	e.wayBack(receipt)
	return receipt, e.report(nil, p, receipt)
}

// planned ends a command that has written nothing.
func (e *env) planned(p usernskit.Plan) error {
	if !p.Empty() {
		return e.report(findings, p, usernskit.Receipt{})
	}
	if !e.restarts { // restart has yet to ask the daemon
		e.say("nothing to do")
	}
	return e.report(nil, p, usernskit.Receipt{})
}

// report prints the outcome of a command that writes, with --json.
func (e *env) report(code error, p usernskit.Plan, r usernskit.Receipt) error {
	return e.printed(code, members{"dry_run": e.dryRun, "receipt": r.ID}, p)
}

// wayBack says how a receipt is undone.
func (e *env) wayBack(r usernskit.Receipt) {
	if r.ID != "" {
		e.say("receipt %s; to take it back: %s", r.ID, e.self("undo", r.ID))
	}
}

// refused is the error for a plan with risks that were not accepted.
func (e *env) refused(p usernskit.Plan) error {
	if ids := p.Risks(e.accepted...); ids != nil {
		return fmt.Errorf("nothing was changed: read the warnings above; to go on despite them: --accept-risk %s", strings.Join(ids, " --accept-risk "))
	}
	return nil
}

// agreed runs do, which writes, once the risks of the plan are accepted and the
// person agrees. The question begins with about; if that is empty, with the files
// of the plan.
func (e *env) agreed(ctx context.Context, about string, p usernskit.Plan, do func() error) error {
	switch err := e.refused(p); {
	case err != nil:
		return err
	case e.yes:
		return e.write(do)
	case !e.prompt:
		return errors.New("nothing was changed: not at a terminal, so give --yes to go on, or --dry-run to look")
	case e.out.err != nil:
		return fmt.Errorf("nothing was changed: the plan could not be shown: %w", e.out.err)
	}
	if e.aside != nil {
		e.aside()
	}
	if text := e.decision(ctx, about, p); text != "" {
		e.note("%s", e.fold(text, 0))
	}
	if about == "" && !p.Empty() {
		e.note("The way back: %s", e.self("undo")) // not folded: it is to be copied
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
			return e.write(do)
		}
	case <-ctx.Done(): // Ctrl-C is a no
		fmt.Fprintln(e.err)
	}
	return errors.New("nothing was changed")
}

// decision describes in words what a yes agrees to.
func (e *env) decision(ctx context.Context, about string, p usernskit.Plan) string {
	d := remap.Restart{Host: e.host, Ask: e.ask}.Decide(ctx, p, e.restarts)
	if about != "" {
		d.Files = nil // about has said it
	}
	return strings.TrimSpace(about + " " + d.String())
}

// waits notes which program a write seems to wait for.
func (e *env) waits() {
	for _, name := range []string{subid.UIDFile, subid.GIDFile} {
		data, err := e.host.ReadFile(name + ".lock") // shadow-utils write their PID there
		pid := strings.Trim(string(data), "\x00\n ")
		if err != nil || pid == "" || pid == strconv.Itoa(os.Getpid()) {
			continue
		}
		comm, _ := os.ReadFile("/proc/" + filepath.Base(pid) + "/comm")
		who := cmp.Or(strings.TrimSpace(string(comm)), "not running any more")
		e.note("waiting for %s.lock, held by PID %s (%s)", name, text.Visible(pid), text.Visible(who))
		return
	}
	if terminal(e.err) { // the write may only be slow, which a log need not say
		e.note("waiting for other programs that use the files, or that the plan asks")
	}
}

// show prints the diff, unless JSON carries it.
func (e *env) show(p usernskit.Plan) {
	if e.json {
		return
	}
	diff := p.Diff()
	if terminal(e.out) { // a file's escape sequences must not reach the terminal; a pipe gets the exact bytes
		diff = text.VisibleLines(diff)
	}
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		if color := diffColors[diffMark.FindString(line)]; e.color && color != "" {
			line = "\x1b[" + color + "m" + line + "\x1b[0m"
		}
		fmt.Fprintln(e.out, line)
	}
}

var (
	diffMark   = regexp.MustCompile(`^([+]{3}|-{3}|[+]|-|@@)`)
	diffColors = map[string]string{"+++": "1", "---": "1", "+": "32", "-": "31", "@@": "36"}
)

// warn prints the plan's warnings, each with its ID.
func (e *env) warn(p usernskit.Plan) {
	for _, w := range p.Warnings {
		kind := "warning"
		if w.Risk {
			kind = "risk"
		}
		e.note("%s", e.fold(kind+": "+w.ID+": "+w.String(), 2))
	}
}

// next prints what is left for the person to do.
func (e *env) next(actions []usernskit.Action) {
	for _, a := range actions {
		when := "then"
		if a.When == usernskit.WhenLater {
			when = "later"
		}
		switch a.Where {
		case usernskit.WhereTree:
			e.say("%s run: %s", when, quoted(append([]string{"chroot", e.host.Root}, a.Argv...)))
		case usernskit.WhereBoot:
			e.say("%s, once %s runs: %s", when, text.Visible(e.host.Root), quoted(a.Argv))
		default:
			e.say("%s run: %s", when, quoted(a.Argv))
		}
		e.say("  %s", e.fold(a.Why, 2))
	}
}
