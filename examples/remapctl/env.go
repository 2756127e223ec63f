package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"mvdan.cc/sh/v3/syntax"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/engine"
)

// An env is what the commands share: the host, the streams, and the flags that
// several of them have.
type env struct {
	host usernskit.Host
	json bool
	// daemon says which dockerd is meant, where the host does not tell.
	daemon dockerd.Choice
	when   string // of --color
	color  bool

	yes, dryRun, restarts bool
	accepted              []string

	in     io.Reader
	out    *output      // data
	object []byte       // the data of --json, printed at the end
	err    io.Writer    // for people
	prompt bool         // there is a person at a terminal to ask
	aside  func()       // prints more before the question; may be nil
	done   string       // what was changed; empty until then
	phase  atomic.Int32 // looking, writing or leaving
	// ask asks the daemon; see look.
	ask func(context.Context) (*engine.Engine, error)
}

// An action is what a command does.
type action func(ctx context.Context, args []string) error

// A definition makes the flags of a command, and its action.
type definition func(c *cobra.Command) action

// An entry defines a command of help.txt, and says how its arguments are
// completed: if arguments is nil, as files.
type entry struct {
	define    definition
	arguments lookup
}

// entries returns the entry of every command that is not a group.
func (e *env) entries() map[string]entry {
	bare := func(do action) definition { return func(*cobra.Command) action { return do } }
	return map[string]entry{
		"bootargs check":  {bare(e.bootargsCheck), nil},
		"bootargs edit":   {e.bootargsEdit, nil},
		"bootargs remove": {e.bootargsEdit, nil},
		"bootargs set":    {e.bootargsEdit, nil},
		"bootargs show":   {bare(e.bootargsShow), nil},
		"completion":      {bare(e.completion), words("bash", "zsh", "fish", "powershell")},
		"daemon get":      {bare(e.daemonGet), nil},
		"daemon set":      {e.daemonSet, nil},
		"daemon unset":    {e.daemonSet, nil},
		"demo":            {bare(e.demo), nil},
		"disable":         {e.disableCommand, nil},
		"drill":           {e.drillCommand, nil},
		"enable":          {e.enableCommand, nil},
		"explain":         {e.explainCommand, e.explained},
		"help":            {e.helpCommand, e.commands},
		"man":             {bare(e.man), e.commands},
		"map":             {e.mapCommand, words()},
		"migrate":         {e.migrateCommand, e.volumes},
		"plan":            {e.planCommand, nil},
		"preflight":       {e.preflightCommand, nil},
		"ps":              {bare(e.ps), nil},
		"shift":           {e.shiftCommand, nil},
		"subid add":       {e.subidAddCommand, e.claims(false)},
		"subid audit":     {e.subidAuditCommand, nil},
		"subid find":      {e.subidFindCommand, nil},
		"subid list":      {bare(e.subidList), e.claims(true)},
		"subid owner":     {bare(e.subidOwner), nil},
		"subid release":   {e.subidReleaseCommand, e.claims(true)},
		"undo":            {e.undoCommand, e.receipts},
		"verify":          {e.verifyCommand, e.checks},
	}
}

// action returns what cobra runs for a command: begin, then do.
func (e *env) action(do action) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if slices.Contains(args, "") && c.Parent().Name() != "daemon" { // there it is the pointer to the whole file
			return usage(c, "an argument is empty")
		}
		if err := e.begin(c); err != nil {
			return err
		}
		return do(c.Context(), args)
	}
}

// begin checks the flags that every command has, finds out what the streams are,
// and reports an unfinished run.
func (e *env) begin(c *cobra.Command) error {
	if err := checkFlags(c); err != nil {
		return err
	}
	if e.restarts && !e.host.Live() {
		return errors.New("nothing was changed: a --root has no docker for --restart to restart")
	}
	if e.host.Root != "" {
		dir, err := e.host.Path("/")
		if err != nil {
			return fmt.Errorf("--root %s: %w", e.host.Root, err)
		}
		e.host.Root = dir // printed commands may be run in another directory
	}
	e.prompt = terminal(e.in) && terminal(e.err)
	e.color = e.when == "always" || e.when == "auto" && terminal(e.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if !slices.Contains([]string{"undo", "demo", "explain", "edit", "help"}, c.Name()) { // undo reports it itself; the others look at no host
		e.reportUnfinished()
	}
	return nil
}

// checkFlags refuses a flag with an empty value, as of a variable that is not set,
// and one with a value that is not among its choices.
func checkFlags(c *cobra.Command) (err error) {
	c.Flags().Visit(func(f *pflag.Flag) {
		value, list := []string{f.Value.String()}, choices[f.Name]
		if many, ok := f.Value.(pflag.SliceValue); ok {
			value = many.GetSlice()
		}
		switch last := len(list) - 1; {
		case slices.Contains(value, "") && f.Value.Type() != "func":
			err = fmt.Errorf("--%s is empty: leave it out, or give it a value", f.Name)
		case list != nil && !slices.Contains(list, value[0]):
			err = fmt.Errorf("--%s %s: must be %s or %s", f.Name, f.Value, strings.Join(list[:last], ", "), list[last])
		}
	})
	return err
}

// self returns a command line of remapctl for the same host.
func (e *env) self(words ...string) string {
	if e.host.Root != "" {
		words = append(words, "--root", e.host.Root)
	}
	return "remapctl " + quoted(words)
}

// quoted joins words to a command line, with quotes for the shell where they are
// needed, also for what a terminal would obey.
func quoted(words []string) string {
	list := slices.Clone(words)
	for i, w := range list {
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%") != "" {
			list[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'" // unlike "", also safe from the history of a shell
			if text.Visible(w) != w {
				list[i], _ = syntax.Quote(w, syntax.LangBash) // fails only for NUL, which no argument has
			}
		}
	}
	return strings.Join(list, " ")
}

// look returns what the reading commands look at: files, and on the running host
// its processes and its daemon. If --root is the mounted root of a running host,
// only a daemon that DOCKER_HOST names is asked.
func (e *env) look() verify.Options {
	opts := verify.Options{Host: e.host, Helper: probe.Main(), Daemon: e.daemon} // main called it first
	if _, err := e.host.Lstat("/proc/self"); e.host.Live() || err == nil && os.Getenv("DOCKER_HOST") != "" {
		opts.Docker = e.ask
	}
	return opts
}
