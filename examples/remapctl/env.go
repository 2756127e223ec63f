package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/userns/probe"
	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

// An env is what the commands share: the host, how to talk, and the flags that
// several of them have.
type env struct {
	host usernskit.Host
	json bool
	// daemon says which dockerd is meant, where looking cannot tell.
	daemon dockerd.Choice
	when   string // of --color
	color  bool

	yes, dryRun, restarts bool
	accepted              []string

	in     io.Reader
	out    *output      // data
	err    io.Writer    // for people
	prompt bool         // there is a person at a terminal to ask
	about  string       // what that person is asked, where the plan does not tell
	aside  func()       // tells that person more before the question; nil: nothing
	done   string       // what was changed, once something was
	phase  atomic.Int32 // looking, writing or leaving
	ask    func(context.Context) (remap.Daemon, error)
}

// newCommand makes the command tree. Help, completion and the manual pages are
// made from it too.
func newCommand(e *env) *cobra.Command {
	cobra.EnableCommandSorting = false // they are in the order in which a person meets them
	root := group(&cobra.Command{
		Use: "remapctl COMMAND", Short: "turn user-namespace remapping on for a Docker host, and prove it",
		Long: "Exit codes: 0 as wanted; 1 differences or findings; 2 could not do it, nothing\n" +
			"was changed; 3 could not see everything; 4 changed, but something that should\nfollow did not; 128+N ended by signal N.",
		Example:       "remapctl demo",
		SilenceErrors: true, SilenceUsage: true,
	},
		demoCommand(e), planCommand(e), enableCommand(e), disableCommand(e), undoCommand(e), preflightCommand(e), migrateCommand(e), shiftCommand(e),
		verifyCommand(e), drillCommand(e), psCommand(e), mapCommand(e), explainCommand(e), subidCommand(e), daemonCommand(e),
		bootargsCommand(e), completionCommand(e), manCommand(e))
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(helpCommand(root))
	root.SetOut(e.out)
	root.SetErr(e.err)
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { fmt.Fprint(c.OutOrStdout(), help(c)) })
	root.SetFlagErrorFunc(flagError)
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&e.host.Root, "root", "", "`DIR` taken for \"/\", as by chroot(8)")
	f.BoolVar(&e.json, "json", false, "print one JSON object with \"schema\": 1")
	f.StringVar(&e.when, "color", "auto", "use colours `WHEN`: auto, always or never")
	e.values(root, "color", words("auto", "always", "never"))
	setUp(root, version())
	return root
}

// setUp gives every command its --version and --help, the order of its flags, and
// as many arguments as its use names.
func setUp(c *cobra.Command, version string) {
	least, most := 0, 0
	for _, word := range strings.Fields(c.Use)[1:] {
		if most++; !strings.HasPrefix(word, "[") {
			least++
		}
		if strings.HasSuffix(word, "...") {
			most = -1
		}
	}
	if c.Args == nil {
		c.Args = args(least, most)
	}
	c.Version = version
	c.SetVersionTemplate("remapctl {{.Version}}\n")
	c.Flags().SortFlags = false
	c.Flags().BoolP("help", "h", false, "show what a command does, and its options")
	c.Flags().Bool("version", false, "print the version")
	for _, sub := range c.Commands() {
		setUp(sub, version)
	}
}

// version names the build, as Go has stamped it: a tag, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(info.Main.Version, "(devel)") + " " + info.GoVersion
}

// action makes a function into the action of a command.
func (e *env) action(do func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		if err := e.begin(c); err != nil {
			return err
		}
		return do(c.Context(), args)
	}
}

// begin checks the flags of every command.
func (e *env) begin(c *cobra.Command) error {
	if c.Flags().Changed("root") && e.host.Root == "" {
		return errors.New("--root is empty: leave it out for the running host")
	}
	if e.host.Root != "" {
		dir, err := e.host.Path("/")
		if err != nil {
			return fmt.Errorf("--root %s: %w", e.host.Root, err)
		}
		e.host.Root = dir // commands that are printed are run elsewhere
	}
	e.prompt = terminal(e.in) && terminal(e.err)
	switch e.when {
	case "always":
		e.color = true
	case "never":
	case "auto":
		e.color = terminal(e.out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	default:
		return fmt.Errorf("--color %s: must be auto, always or never", e.when)
	}
	if !slices.Contains([]string{"undo", "demo", "explain", "edit"}, c.Name()) { // it does itself, or looks at no host
		e.reportUnfinished()
	}
	return nil
}

// self is a command line of this program, for the host that it was called for.
func (e *env) self(words ...string) string {
	if e.host.Root != "" {
		words = append(words, "--root", e.host.Root)
	}
	return "remapctl " + quoted(words)
}

// quoted joins words as a shell reads them.
func quoted(words []string) string {
	list := slices.Clone(words)
	for i, w := range list {
		if w == "" || strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=+:,./@%") != "" {
			list[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(list, " ")
}

// look says what the looking commands look at: files, and on the running host
// its processes and its daemon. Where the root of a running host is mounted, the
// daemon that DOCKER_HOST names is asked, and no other.
func (e *env) look() verify.Options {
	opts := verify.Options{Host: e.host, Helper: probe.Main(), Daemon: e.daemon} // main has called it first
	if _, err := e.host.Lstat("/proc/self"); e.host.Live() || err == nil && os.Getenv("DOCKER_HOST") != "" {
		opts.Docker = func(ctx context.Context) (*engine.Engine, error) { return docker.Read(ctx, "") }
	}
	return opts
}

// askDocker asks the daemon what a restart has to know.
func askDocker(ctx context.Context) (remap.Daemon, error) {
	engine, err := docker.Read(ctx, "")
	if err != nil {
		return remap.Daemon{}, err
	}
	return remap.Daemon{Remapped: engine.Remaps(), DataRoot: engine.RootDir}, nil
}
