package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"
)

// What the help, the manual page and completion read from the command table.

// A flagDoc is a flag as people read of it.
type flagDoc struct {
	names    []string // with dashes
	value    string   // what its value is called; empty where it takes none
	text     string
	file     bool // the value is a file
	repeated bool
}

// flags describes the flags of a command, without those of its parents.
func (n node) flags() []flagDoc {
	var list []flagDoc
	for _, f := range n.Flags {
		doc, ok := f.(cli.DocGenerationFlag)
		if visible, is := f.(cli.VisibleFlag); !ok || is && !visible.IsVisible() {
			continue
		}
		d := flagDoc{text: doc.GetUsage()}
		for _, name := range f.Names() {
			d.names = append(d.names, strings.Repeat("-", min(len(name), 2))+name)
		}
		if doc.TakesValue() {
			d.value = "VALUE"
			if before, rest, ok := strings.Cut(d.text, "`"); ok {
				word, after, _ := strings.Cut(rest, "`")
				d.value, d.text = word, before+word+after
			}
			_, d.repeated = f.(*cli.StringSliceFlag)
			if s, ok := f.(*cli.StringFlag); ok {
				d.file = s.TakesFile
				if s.Value != "" {
					d.text += fmt.Sprintf(" (default: %s)", s.Value)
				}
			}
		}
		list = append(list, d)
	}
	return list
}

// spelled returns the flag as it is typed: "--pid P".
func (d flagDoc) spelled() string {
	s := strings.Join(d.names, ", ")
	if d.value != "" {
		s += " " + d.value
	}
	return s
}

// A node is a command and its full name: the cli package knows that only when it
// runs one.
type node struct {
	*cli.Command
	full string // "remapctl subid add"
	root bool
}

// tree returns the whole table as a node.
func tree(root *cli.Command) node { return node{root, root.Name, true} }

// below returns the commands below n that people are told of.
func (n node) below() []node {
	var list []node
	for _, sub := range n.Commands {
		if !sub.Hidden {
			list = append(list, node{sub, n.full + " " + sub.Name, false})
		}
	}
	return list
}

// synopsis is how a command is called.
func (n node) synopsis() string {
	s := n.full
	if len(n.Commands) > 0 {
		s += " COMMAND"
	}
	if len(n.Flags) > 0 || n.root {
		s += " [options]"
	}
	return strings.TrimSpace(s + " " + n.ArgsUsage)
}

// description returns what a command says of itself, and its example.
func (n node) description() (text, example string) {
	text, example, _ = strings.Cut("\n\n"+n.Description, "\n\nExample: ")
	return strings.TrimSpace(text), strings.TrimSpace(example)
}
