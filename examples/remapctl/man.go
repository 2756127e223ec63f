package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

func manCommand() *cli.Command {
	return &cli.Command{
		Name:        "man",
		Usage:       "print the manual page",
		Description: "Example: remapctl man >/usr/local/share/man/man8/remapctl.8",
		Action: func(_ context.Context, cmd *cli.Command) error {
			if _, err := args(cmd, 0, 0); err != nil {
				return err
			}
			if cmd.Bool("json") {
				return errors.New("the manual page is no JSON")
			}
			_, err := io.WriteString(cmd.Root().Writer, manual(tree(cmd.Root())))
			return err
		},
	}
}

// manual makes the page, in the macros of man(7).
func manual(root node) string {
	p := &page{}
	p.macro("TH", "REMAPCTL", "8", "", "usernskit")
	p.macro("SH", "NAME")
	p.text(root.full + ` \- ` + roff(root.Usage))
	p.macro("SH", "SYNOPSIS")
	p.text(`\fB` + roff(root.full) + `\fR \fICOMMAND\fR [options]`)
	p.macro("SH", "DESCRIPTION")
	p.text(roff(manIntroduction))
	p.macro("SH", "OPTIONS OF EVERY COMMAND")
	p.flags(root)
	p.macro("SH", "COMMANDS")
	p.commands(root)
	p.macro("SH", "EXIT STATUS")
	for _, s := range []struct{ code, text string }{
		{"0", "as wanted, or nothing to do"},
		{"1", "differences or findings"},
		{"2", "could not do it; nothing was changed"},
		{"3", "looked, but could not see everything"},
	} {
		p.item(s.code, s.text)
	}
	p.macro("SH", "ENVIRONMENT")
	p.item("DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, DOCKER_API_VERSION", "the daemon to ask, as for Docker's own tools")
	p.item("NO_COLOR", "no colours, unless --color always")
	p.item("COLUMNS", "how wide to draw")
	p.macro("SH", "FILES")
	p.item("/etc/subuid, /etc/subgid", "the ranges; written under the locks of shadow-utils")
	p.item("/etc/docker/daemon.json", "userns-remap, or the file that dockerd is told to read")
	p.item("/var/lib/usernskit/journal", "the receipts, for undo")
	p.macro("SH", "SEE ALSO")
	p.text(roff("subuid(5), subgid(5), user_namespaces(7), dockerd(8), newuidmap(1)"))
	return p.String()
}

const manIntroduction = `remapctl turns user-namespace remapping on for a Docker host, proves that it holds, and takes it back. ` +
	`Data goes to standard output, what is for people only to standard error. ` +
	`A command that writes shows what it is going to change and asks; where there is no terminal it wants --yes.`

// A page is a manual page in the making.
type page struct{ strings.Builder }

// macro begins a line with a macro and its arguments.
func (p *page) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, a := range args {
		p.WriteString(` "` + strings.ReplaceAll(roff(a), `"`, `\(dq`) + `"`)
	}
	p.WriteString("\n")
}

// text writes what is roff already.
func (p *page) text(s string) { p.WriteString(s + "\n") }

// item writes a word and what it is.
func (p *page) item(word, what string) {
	p.macro("TP")
	p.text(`\fB` + roff(word) + `\fR`)
	p.text(roff(what))
}

// commands writes a section for each command below n.
func (p *page) commands(n node) {
	for _, sub := range n.below() {
		p.macro("SS", sub.synopsis())
		p.text(roff(strings.ToUpper(sub.Usage[:1]) + sub.Usage[1:] + "."))
		text, example := sub.description()
		if text != "" {
			p.macro("PP")
			p.text(roff(strings.Join(strings.Fields(text), " ")))
		}
		p.flags(sub)
		if example != "" {
			p.macro("PP")
			p.text("Example:")
			p.macro("PP")
			p.macro("nf")
			p.macro("RS", "4")
			p.text(roff(example))
			p.macro("RE")
			p.macro("fi")
		}
		p.commands(sub)
	}
}

func (p *page) flags(n node) {
	for _, d := range n.flags() {
		p.macro("TP")
		word := `\fB` + roff(strings.Join(d.names, ", ")) + `\fR`
		if d.value != "" {
			word += ` \fI` + roff(d.value) + `\fR`
		}
		p.text(word)
		text := d.text
		if d.repeated && !strings.Contains(text, "repeated") {
			text += "; may be repeated"
		}
		p.text(roff(text))
	}
}

// roff escapes text: a backslash, a dash that is to be typed, and what would be
// a request at the beginning of a line. See groff_char(7), groff(7).
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n.", "\n\\&.", "\n'", "\n\\&'").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
