package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/usernskit/usernskit"
)

// The cli package has completion too. Its script for bash evaluates the words of
// the line, "$(reboot)" among them, and knows no values; hence this one.

// completeCommand answers the shells' scripts: its arguments are the words of
// the line after the program's name, the last of them being typed. It prints a
// candidate on each line, with a tab before what it is.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name:            "__complete",
		Hidden:          true,
		SkipFlagParsing: true,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			words := cmd.Args().Slice()
			if len(words) == 0 {
				words = []string{""}
			}
			for _, c := range complete(ctx, tree(cmd.Root()), words) {
				fmt.Fprintf(cmd.Root().Writer, "%s\t%s\n", c.value, c.text)
			}
			return nil
		},
	}
}

// A candidate is something that the last word may become.
type candidate struct{ value, text string }

// A line is a command line as far as it has been typed.
type line struct {
	at     node
	root   string // of --root
	args   []string
	flag   *flagDoc // whose value is being typed
	inside bool     // past "--"
}

// complete returns what the last of the words may become.
func complete(ctx context.Context, root node, words []string) []candidate {
	l, current := read(root, words)
	var list []candidate
	switch {
	case l.flag != nil:
		list = values{ctx, usernskit.Host{Root: l.root}}.ofFlag(*l.flag)
	case strings.HasPrefix(current, "-") && !l.inside:
		list = l.flags(root)
	case len(l.at.below()) > 0 && len(l.args) == 0:
		for _, sub := range l.at.below() {
			list = append(list, candidate{sub.Name, sub.Usage})
		}
	default:
		list = values{ctx, usernskit.Host{Root: l.root}}.ofArgument(l.at, l.args)
	}
	var fit []candidate
	for _, c := range list {
		if strings.HasPrefix(c.value, current) && !strings.ContainsAny(c.value, "\t\n") {
			fit = append(fit, c)
		}
	}
	return fit
}

// read follows the words but the last, and returns what of the last one is to
// be completed: all, or the value of "--flag=value". Bash hands the "=" over as
// a word of its own.
func read(root node, words []string) (l line, current string) {
	l.at = root
	last := len(words) - 1
	for i, w := range words {
		name, value, joined := strings.Cut(w, "=")
		switch {
		case l.flag != nil:
			if w == "=" && i < last {
				continue
			}
			if i == last {
				return l, strings.TrimPrefix(w, "=")
			}
			l.take(w)
		case strings.HasPrefix(w, "-") && w != "-" && !l.inside:
			if w == "--" && i < last {
				l.inside = true
				continue
			}
			l.flag = l.find(root, name)
			switch {
			case joined && i == last && l.flag != nil:
				return l, value
			case joined && l.flag != nil:
				l.take(value)
			case i == last:
				l.flag = nil // the name itself is being typed
			}
		case i == last:
		case len(l.args) == 0 && l.sub(w):
		default:
			l.args = append(l.args, w)
		}
	}
	return l, words[last]
}

// take ends a flag with its value.
func (l *line) take(value string) {
	if l.flag.names[0] == "--root" {
		l.root = value
	}
	l.flag = nil
}

// find returns the flag of that name if it takes a value.
func (l *line) find(root node, name string) *flagDoc {
	for _, d := range append(l.at.flags(), root.flags()...) {
		for _, n := range d.names {
			if n == name && d.value != "" {
				return &d
			}
		}
	}
	return nil
}

// sub goes to a command below.
func (l *line) sub(name string) bool {
	for _, sub := range l.at.below() {
		if sub.Name == name {
			l.at = sub
			return true
		}
	}
	return false
}

// flags lists the flags that may stand here.
func (l *line) flags(root node) []candidate {
	list := l.at.flags()
	if !l.at.root {
		list = append(list, root.flags()...)
	}
	var out []candidate
	for _, d := range list {
		out = append(out, candidate{d.names[0], d.text})
	}
	return out
}
