package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
		step := &env{in: e.in, out: e.out, err: e.out, ask: e.ask}
		words = append(words, "--root", root)
		e.say("\n$ remapctl %s", quoted(words))
		if code := step.execute(ctx, append(words, "--color", e.when)); code == 2 {
			return exitCode(code) // it has said why
		}
	}
	files := 0
	err = fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		was, wasErr := fs.ReadFile(tree, name)
		is, isErr := os.ReadFile(filepath.Join(root, name))
		if files++; !bytes.Equal(was, is) {
			return fmt.Errorf("BUG: %s is not as it was", name)
		}
		return errors.Join(wasErr, isErr)
	})
	if err == nil {
		e.say("\nall %d files are byte for byte as they were", files)
	}
	return err
}
