package main

import (
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
	"github.com/usernskit/usernskit/subid"
)

// writeFlags adds those of every command that writes.
func (e *env) writeFlags(c *cobra.Command) {
	c.Flags().BoolVar(&e.yes, "yes", false, "do it without asking")
	c.Flags().BoolVar(&e.dryRun, "dry-run", false, "show what would change, and change nothing")
	e.riskFlag(c)
}

func (e *env) riskFlag(c *cobra.Command) {
	c.Flags().StringArrayVar(&e.accepted, "accept-risk", nil, "go on despite the risk `ID`; may be repeated")
}

// change is how every command that writes goes about it: plan, show, ask,
// apply. A person who was asked gets what was shown or nothing; with --yes, the
// plan is made once.
func (e *env) change(ctx context.Context, plan func() (usernskit.Plan, error)) (usernskit.Receipt, error) {
	var p usernskit.Plan
	var err error
	shown, warned := "", false
	if !e.yes || e.dryRun {
		if p, err = plan(); err != nil {
			return usernskit.Receipt{}, err
		}
		if !p.Empty() {
			e.show(p)
		}
		e.warn(p)
		switch {
		case p.Empty():
			return usernskit.Receipt{}, e.nothing(p)
		case e.dryRun:
			return usernskit.Receipt{}, errors.Join(e.report(p, usernskit.Receipt{}), findings)
		}
		if err := e.agreed(ctx, p); err != nil {
			return usernskit.Receipt{}, err
		}
		shown, warned = p.Diff(), true
	}
	var receipt usernskit.Receipt
	err = e.write(func() error {
		defer later(time.Second, e.waits)()
		receipt, err = e.host.Update(ctx, func() (usernskit.Plan, error) {
			var err error
			if p, err = plan(); err != nil {
				return p, err
			}
			if ctx.Err() != nil { // what the plan was made from may not have been seen
				return p, ctx.Err()
			}
			if !e.yes && p.Diff() != shown {
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
		return receipt, e.nothing(p)
	}
	if receipt.ID != "" {
		e.done = fmt.Sprintf("the files were written (receipt %s)", receipt.ID)
	}
	for _, c := range receipt.Changes {
		e.say("wrote %s", c.Path)
	}
	e.next(slices.DeleteFunc(slices.Clone(p.Actions), func(a usernskit.Action) bool { return e.restarts && isNow(a) }))
	if receipt.ID != "" {
		e.say("receipt %s; to take it back: %s", receipt.ID, e.self("undo", receipt.ID))
	}
	return receipt, e.report(p, receipt)
}

// nothing reports a plan that changes no file.
func (e *env) nothing(p usernskit.Plan) error {
	if !e.restarts { // which has yet to look
		e.say("nothing to do")
	}
	return e.report(p, usernskit.Receipt{})
}

// waits says what a write waits for, if it is another program.
func (e *env) waits() {
	for _, name := range []string{subid.UIDFile, subid.GIDFile} {
		data, err := e.host.ReadFile(name + ".lock") // as shadow-utils write it
		pid := strings.Trim(string(data), "\x00\n ")
		if err != nil || pid == "" || pid == strconv.Itoa(os.Getpid()) {
			continue
		}
		comm, _ := os.ReadFile("/proc/" + filepath.Base(pid) + "/comm")
		who := cmp.Or(strings.TrimSpace(string(comm)), "not running any more")
		e.note("waiting for %s.lock, held by PID %s (%s)", name, text.Visible(pid), text.Visible(who))
		return
	}
	if terminal(e.err) { // it may only be slow, which a log need not say
		e.note("waiting for other programs that use the files, or that the plan asks")
	}
}

// show prints the diff, unless JSON carries it.
func (e *env) show(p usernskit.Plan) {
	diff := p.Diff()
	if terminal(e.out) { // what others wrote into a file moves no cursor; a pipe gets the very bytes
		diff = text.VisibleLines(diff)
	}
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		if color := diffColors[diffMark.FindString(line)]; e.color && color != "" {
			line = "\x1b[" + color + "m" + line + "\x1b[0m"
		}
		e.text("%s", line)
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
