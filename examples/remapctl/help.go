package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// group makes a command of others. Called without one of them it prints its
// help to standard error, and fails.
func group(c *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	c.AddCommand(subs...)
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args[0])
		}
		fmt.Fprintln(c.ErrOrStderr(), help(c))
		return usage(c, "a command is missing")
	}
	return c
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

// args is for a command that takes from least to most arguments; -1 is any number.
func args(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, list []string) error {
		switch {
		case len(list) < least:
			return usage(c, "an argument is missing: %s", strings.TrimSuffix(c.UseLine(), " [flags]"))
		case most >= 0 && len(list) > most:
			return usage(c, "unexpected argument %q", list[most])
		}
		return nil
	}
}

func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND]...", Short: "show what a command does, and its options",
		Example:           "remapctl help subid add",
		ValidArgsFunction: completeCommand,
		RunE: func(_ *cobra.Command, list []string) error {
			c, rest, err := root.Find(list)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c, rest[0])
			}
			return c.Help()
		},
	}
}

// completeCommand completes a command given in words.
func completeCommand(c *cobra.Command, list []string, word string) ([]string, cobra.ShellCompDirective) {
	of, _, _ := c.Root().Find(list)
	return fitting(subcommands(of), word), cobra.ShellCompDirectiveNoFileComp
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
	var b strings.Builder
	const width = 80
	fmt.Fprintf(&b, "%s\nUsage: %s\n", fold(c.CommandPath()+" - "+c.Short, 4, width), c.UseLine())
	if c.Long != "" {
		fmt.Fprintf(&b, "\n%s\n", c.Long)
	}
	if c.Example != "" {
		fmt.Fprintf(&b, "\nExample: %s\n", c.Example)
	}
	if list := subcommands(c); len(list) > 0 {
		fmt.Fprintln(&b)
		for _, s := range list {
			name, text, _ := strings.Cut(s, "\t")
			fmt.Fprintf(&b, "  %-*s  %s\n", c.NamePadding(), name, text)
		}
	}
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !c.HasParent() || f.Name != "help" && f.Name != "version" {
			own.AddFlag(f)
		}
	})
	if own.HasFlags() {
		text := "\n" + own.FlagUsagesWrapped(width)
		if own.Lookup("help") == nil { // none has a short form to leave room for
			text = strings.ReplaceAll("\n"+own.FlagUsagesWrapped(width+4), "\n    ", "\n")
		}
		b.WriteString(text)
	}
	if c.HasParent() {
		b.WriteString("\nOf every command: --root DIR, --json, --color WHEN, --version, --help\n")
	}
	return b.String()
}
