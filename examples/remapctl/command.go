package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"math"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpText has the name, the arguments and the purpose of each command, in the
// order in which a person meets them. Help, completion and the manual pages are
// made from it.
//
//go:embed help.txt
var helpText string

// commandPath matches the name at the start of a command's use.
var commandPath = regexp.MustCompile(`^[a-z]+( [a-z]+)?`)

// newCommand makes the command tree. A command without an action is a group.
func newCommand(e *env) *cobra.Command {
	cobra.EnableCommandSorting = false
	entries, values, build := e.entries(), e.values(), version()
	known := map[string]*cobra.Command{}
	for section := range strings.SplitSeq(strings.TrimPrefix(helpText, "-- "), "\n\n-- ") {
		use, text, _ := strings.Cut(section, " --\n")
		text, example, _ := strings.Cut(text, "\nExample: ")
		short, long, _ := strings.Cut(text, "\n")
		path := commandPath.FindString(use)
		group, name, below := strings.Cut(path, " ")
		if !below {
			group, name = "remapctl", path
		}
		c := &cobra.Command{Use: name + strings.TrimPrefix(use, path), Short: short, Version: build,
			Long: strings.TrimSpace(long), Example: strings.TrimSpace(example)}
		known[path] = c
		switch {
		case path == "remapctl":
			rootFlags(e, c)
		case path == "help":
			known[group].SetHelpCommand(c)
		default:
			known[group].AddCommand(c)
		}
		c.Args, c.RunE = cobra.ArbitraryArgs, noCommand
		if it := entries[path]; it.define != nil {
			most, check := arguments(c.Use)
			c.Args, c.RunE, c.ValidArgsFunction = check, e.action(it.define(c)), it.arguments.complete(most)
		}
		c.Flags().SortFlags = false
		c.Flags().BoolP("help", "h", false, "show what a command does, and its options")
		c.Flags().Bool("version", false, "print the version")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			find := values[path+" --"+f.Name]
			if find == nil {
				find = values["--"+f.Name]
			}
			if find != nil {
				_ = c.RegisterFlagCompletionFunc(f.Name, find.complete(math.MaxInt)) // fails only for a flag that does not exist
			}
		})
	}
	return known["remapctl"]
}

// rootFlags adds the flags that every command has, and sets how cobra prints.
func rootFlags(e *env, root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage, root.CompletionOptions.DisableDefaultCmd = true, true, true
	root.SetOut(e.out)
	root.SetErr(e.err)
	root.SetVersionTemplate("remapctl {{.Version}}\n")
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { fmt.Fprint(c.OutOrStdout(), help(c)) })
	root.SetFlagErrorFunc(flagError)
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&e.host.Root, "root", "", "`DIR` taken for \"/\", as by chroot(8)")
	f.BoolVar(&e.json, "json", false, "print one JSON object with \"schema\": 1")
	f.StringVar(&e.when, "color", "auto", "use colours `WHEN`: auto, always or never")
}

// noCommand runs a group that is called without one of its commands: it prints the
// help to standard error, and fails.
func noCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return unknownCommand(c, args[0])
	}
	fmt.Fprintln(c.ErrOrStderr(), help(c))
	return usage(c, "a command is missing")
}

func usage(c *cobra.Command, format string, a ...any) error {
	return fmt.Errorf(format+"\n  see: %s --help", append(a, c.CommandPath())...)
}

func unknownCommand(c *cobra.Command, word string) error {
	also := ""
	c.SuggestionsMinimumDistance = 2
	if list := c.SuggestionsFor(word); len(list) > 0 {
		also = "; did you mean " + strings.Join(list, " or ") + "?"
	}
	return usage(c, "unknown command %q%s", word, also)
}

func flagError(c *cobra.Command, err error) error {
	if c.HasSubCommands() && c.Flags().NArg() > 0 {
		return unknownCommand(c, c.Flags().Arg(0))
	}
	return usage(c, "%w", err)
}

// arguments returns how many arguments use allows at most, and a check for them.
func arguments(use string) (most int, check cobra.PositionalArgs) {
	most = len(strings.Fields(use)) - 1
	least := most - strings.Count(use, " [")
	if strings.HasSuffix(use, "...") {
		most = math.MaxInt
	}
	return most, func(c *cobra.Command, list []string) error {
		switch {
		case len(list) < least:
			return usage(c, "an argument is missing: %s", strings.TrimSuffix(c.UseLine(), " [flags]"))
		case len(list) > most:
			return usage(c, "unexpected argument %q", list[most])
		}
		return nil
	}
}

// version names the build as Go has stamped it, by a tag or the commit, and the
// version of Go.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(info.Main.Version, "(devel)") + " " + info.GoVersion
}

func (e *env) helpCommand(c *cobra.Command) action {
	return func(_ context.Context, list []string) error {
		of, rest, err := c.Root().Find(list)
		if e.json {
			return errNotJSON
		}
		if err != nil || len(rest) > 0 {
			return unknownCommand(of, rest[0])
		}
		return of.Help()
	}
}

//go:generate env UPDATE=1 go test -run ^(TestManualPages|TestSchemas)$ .

// go generate makes the manual pages from the commands, and the schemas from what
// they print. The completion scripts call cobra's __complete. Those that cobra
// makes evaluate the words of the command line, "$(reboot)" too; these do not.
//
//go:embed man completion
var embedded embed.FS

func (e *env) man(_ context.Context, list []string) error {
	return e.print("man/"+strings.Join(append([]string{"remapctl"}, list...), "-")+".8", "no such command: "+strings.Join(list, " "))
}

func (e *env) completion(_ context.Context, list []string) error {
	return e.print("completion/remapctl."+list[0], fmt.Sprintf("no script for %q: there is one for bash, zsh, fish and powershell", list[0]))
}

var errNotJSON = errors.New("help, a manual page or a script is not JSON")

// print prints a file that comes with the program.
func (e *env) print(name, missing string) error {
	text, err := embedded.ReadFile(name)
	switch {
	case e.json:
		return errNotJSON
	case err != nil:
		return errors.New(missing)
	}
	_, err = e.out.Write(text)
	return err
}

func subcommands(c *cobra.Command) (list []string) {
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			list = append(list, sub.Name()+"\t"+sub.Short)
		}
	}
	return list
}

// help is what --help prints: a screen of 80 columns and 24 lines, and so
// shorter than cobra's own.
func help(c *cobra.Command) string {
	const width = 80
	const general = "\nOf every command: --root DIR, --json, --color WHEN, --version, --help\n"
	text := fold(c.CommandPath()+" - "+c.Short, 4, width) + "\nUsage: " + c.UseLine() + "\n"
	if c.Long != "" && c.HasParent() {
		text += "\n" + c.Long + "\n"
	}
	if c.Example != "" && c.HasParent() {
		text += "\nExample: " + c.Example + "\n"
	}
	if c.HasSubCommands() {
		text += "\n"
	}
	for _, s := range subcommands(c) {
		name, short, _ := strings.Cut(s, "\t")
		text += fmt.Sprintf("  %-*s  %s\n", c.NamePadding(), name, short)
	}
	if !c.HasParent() {
		return text + general + "Exit codes: remapctl man. Try it: remapctl demo\n"
	}
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" {
			own.AddFlag(f)
		}
	})
	if own.HasFlags() { // none has a short form to leave room for
		text += strings.ReplaceAll("\n"+own.FlagUsagesWrapped(width+4), "\n    ", "\n")
	}
	return text + general
}
