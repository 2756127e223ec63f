package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/format"
)

//go:embed sample
var sample embed.FS

func demoCommand(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "plan, apply, verify and undo on a sample host",
		Long: "The host is a temporary directory, removed at the end: this needs no root and\n" +
			"no Docker, and touches nothing else; so there is no --root for it.",
		Example: "remapctl demo",
		Args:    args(0, 0),
		RunE:    e.action(e.demo),
	}
}

func (e *env) demo(ctx context.Context, _ []string) error {
	if e.json || e.host.Root != "" {
		return errors.New("demo makes a host of its own and is for people: it takes no --root and no --json")
	}
	root, err := os.MkdirTemp("", "remapctl-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := errors.Join(os.Chmod(root, 0o755), writeSample(root)); err != nil {
		return err
	}
	e.host.Root = root
	start, err := contents(root)
	if err != nil {
		return err
	}
	e.say("A sample host: Fedora 42 with two rootless users, a daemon.json that someone\n"+
		"indents by hand, and a hardening guide's sysctl file. It is in %s\n\n", root)

	e.say("== plan ==")
	p, err := remap.PlanEnable(ctx, e.host, remap.Request{})
	if err != nil {
		return err
	}
	e.show(p.Plan)
	for _, w := range p.Plan.Warnings {
		e.say("%s", e.fold("warning: "+w.ID+": "+w.String(), 2))
	}

	e.say("\n== apply ==")
	receipt, err := e.host.Apply(ctx, p.Plan)
	if err != nil {
		return err
	}
	for _, c := range receipt.Changes {
		e.say("wrote %s", c.Path)
	}
	e.next(p.Plan.Actions)

	e.say("\n== verify, from the files alone ==")
	report, err := verify.Run(ctx, verify.Options{Host: e.host})
	if err != nil {
		return err
	}
	if err := format.Text(e.out, e.worded(report), format.Options{Color: e.color}); err != nil {
		return err
	}

	e.say("\n== undo ==")
	if err := e.host.Undo(ctx, receipt.ID, nil); err != nil {
		return err
	}
	return e.compare(root, start)
}

// compare ends the demo: it reports whether every file is as it was.
func (e *env) compare(root string, start map[string]string) error {
	end, err := contents(root)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(start)) {
		if end[name] != start[name] {
			return fmt.Errorf("BUG: %s is not as it was", name)
		}
		delete(end, name)
	}
	for name := range end {
		return fmt.Errorf("BUG: %s was not there before", name)
	}
	e.say("all %d files are byte for byte as they were", len(start))
	return nil
}

func writeSample(root string) error {
	tree, err := fs.Sub(sample, "sample")
	if err != nil {
		return err
	}
	return os.CopyFS(root, tree)
}

// contents reads every file below root, except for what usernskit keeps for
// itself and the lock file that shadow-utils leave too.
func contents(root string) (map[string]string, error) {
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, root)
		switch {
		case err != nil:
			return err
		case name == "/var/lib/usernskit":
			return fs.SkipDir
		case name == "/etc/.pwd.lock" || d.IsDir():
			return nil
		}
		data, err := os.ReadFile(path)
		files[name] = string(data)
		return err
	})
	return files, err
}
