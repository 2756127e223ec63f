package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
)

//go:embed sample
var sample embed.FS

func (e *env) demo(ctx context.Context, _ []string) error {
	if e.json {
		return errors.New("the demo is for people: it takes no --json")
	}
	root := e.host.Root
	if root == "" {
		var err error
		if root, err = os.MkdirTemp("", "remapctl-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(root)
	}
	if list, err := os.ReadDir(root); err != nil || len(list) > 0 {
		return errors.Join(fmt.Errorf("--root %s: the sample host needs an empty directory", root), err)
	}
	tree, err := fs.Sub(sample, "sample")
	if err != nil {
		return err
	}
	if err := errors.Join(os.Chmod(root, 0o755), os.CopyFS(root, tree)); err != nil {
		return err
	}
	e.say("A sample host: Fedora 42 with two rootless users, a daemon.json that someone\n"+
		"indents by hand, and a hardening guide's sysctl file. It is in %s", root)
	for _, words := range [][]string{{"plan"}, {"enable", "--yes"}, {"verify"}, {"undo", "--yes"}} {
		step := &env{in: e.in, out: e.out, err: e.out}
		step.ask = step.askDocker
		words = append(words, "--root", root)
		e.say("\n$ remapctl %s", quoted(words))
		if code := step.execute(ctx, append(words, "--color", e.when)); code == 2 {
			return exitCode(code) // it has said why
		}
	}
	start, err := contents(tree)
	if err != nil {
		return err
	}
	end, err := contents(os.DirFS(root))
	if err != nil {
		return err
	}
	if !maps.Equal(start, end) {
		return fmt.Errorf("BUG: the files in %s are not as they were", root)
	}
	e.say("\nall %d files are byte for byte as they were", len(start))
	return nil
}

// contents reads every file of a tree, except for what usernskit keeps for
// itself and the lock file that shadow-utils leave too.
func contents(tree fs.FS) (map[string]string, error) {
	files := map[string]string{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == "var/lib/usernskit":
			return fs.SkipDir
		case name == "etc/.pwd.lock" || d.IsDir():
			return nil
		}
		data, err := fs.ReadFile(tree, name)
		files[name] = string(data)
		return err
	})
	return files, err
}
