package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/remap"
)

// An env is what the commands share: the host, and how to talk.
type env struct {
	host   usernskit.Host
	json   bool
	color  bool
	in     io.Reader
	out    io.Writer // data; an output
	done   string    // what was changed, once something was
	err    io.Writer // for people
	prompt bool      // there is a person at a terminal to ask
	aside  func()    // tells that person more before the question; nil: nothing
	ask    func(context.Context) (remap.Daemon, error)
}

// action makes a function on an env into the action of a command.
func action(do func(ctx context.Context, e *env, cmd *cli.Command) error) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		root := cmd.Root()
		e := &env{
			host: usernskit.Host{Root: cmd.String("root")},
			json: cmd.Bool("json"),
			in:   root.Reader, out: &output{w: root.Writer}, err: root.ErrWriter,
			ask: askDocker,
		}
		if cmd.IsSet("root") && e.host.Root == "" {
			return errors.New("--root is empty: leave it out for the running host")
		}
		if e.host.Root != "" {
			var err error
			if e.host.Root, err = rootDir(e.host.Root); err != nil {
				return err
			}
		}
		e.prompt = terminal(e.in) && terminal(e.err)
		switch when := cmd.String("color"); when {
		case "always":
			e.color = true
		case "never":
		case "auto":
			e.color = terminal(e.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		default:
			return fmt.Errorf("--color %s: must be auto, always or never", when)
		}
		e.reportUnfinished(cmd)
		return e.told(do(ctx, e, cmd))
	}
}

// rootDir returns a directory by a path without "..", which those that are
// joined to it would not survive. Links stay unread: that of /proc/PID/root
// reads "/" and leads elsewhere.
func rootDir(dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return "", fmt.Errorf("--root %s: not a directory", dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("--root %s: %w", dir, err)
	}
	if same, err := os.Stat(abs); err != nil || !os.SameFile(info, same) {
		return "", fmt.Errorf("--root %s: \"..\" behind a symbolic link; write it without", dir)
	}
	return abs, nil
}

// args returns the arguments of a command that takes from min to max of them.
func args(cmd *cli.Command, min, max int) ([]string, error) {
	list := cmd.Args().Slice()
	switch {
	case len(list) < min:
		return nil, fmt.Errorf("an argument is missing: %s %s\n  see: %s --help", cmd.FullName(), cmd.ArgsUsage, cmd.FullName())
	case len(list) > max:
		return nil, fmt.Errorf("unexpected argument %q\n  see: %s --help", list[max], cmd.FullName())
	}
	return list, nil
}

// printJSON prints v, which has a field "schema", as the command's one object.
func (e *env) printJSON(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// say prints a line for people: to stderr where stdout carries JSON.
func (e *env) say(format string, a ...any) {
	w := e.out
	if e.json {
		w = e.err
	}
	fmt.Fprintf(w, format+"\n", a...)
}

// note prints a line for people that is not the command's data.
func (e *env) note(format string, a ...any) { fmt.Fprintf(e.err, format+"\n", a...) }

func terminal(stream any) bool {
	f, ok := file(stream)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
