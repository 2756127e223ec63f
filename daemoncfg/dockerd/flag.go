package dockerd

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
)

// A Flag is one flag that dockerd is started with, and where it is written.
type Flag struct {
	Name  string // in its long form: "userns-remap", "host" for -H
	Value string // "true" for a switch without a value
	// Spelled is the flag as it is written, value included: "-H fd://".
	Spelled string
	File    string // the unit, environment file or script that has it, or /proc/PID/cmdline
	Line    int    // in File, from 1; 0 where there are no lines
	Var     string // the variable of File that it is in: "DOCKER_OPTS", or ""
	// Refused is why no dockerd starts with it: the word is not a flag, or the
	// flag does not accept the value.
	Refused string
}

// Place is where the flag is written: "/etc/default/docker:3 (DOCKER_OPTS)".
func (f Flag) Place() string {
	place := f.Pos().String()
	if f.Var != "" {
		place += " (" + f.Var + ")"
	}
	return place
}

// Pos is the file and line of [Flag.Place].
func (f Flag) Pos() usernskit.Pos { return usernskit.Pos{File: f.File, Line: f.Line} }

// Option returns the flag's option, and false if no dockerd from 20.10 to 29
// has it.
func (f Flag) Option() (Option, bool) { return flagOption(f.Name) }

// Off reports whether a switch has a value that is false to dockerd, as pflag
// reads it.
func (f Flag) Off() bool {
	on, err := strconv.ParseBool(f.Value)
	return err == nil && !on
}

// A word is one argument of a command line, and where it was written.
type word struct {
	text string
	from origin
}

type origin struct {
	file string
	line int
	name string // of a variable
}

// readFlags reads dockerd's arguments as spf13/pflag does. A word that is not a
// flag or its value is in the list with the reason why dockerd refuses it.
func readFlags(args []word) (flags []Flag) {
	for len(args) > 0 {
		w := args[0]
		args = args[1:]
		add := func(f Flag) {
			f.File, f.Line, f.Var = w.from.file, w.from.line, w.from.name
			flags = append(flags, f)
		}
		// named adds a flag with its value. If none is given, the next word is it.
		named := func(name, value string, given bool, spelled string) {
			o, known := flagOption(name)
			f := Flag{Name: name, Value: value, Spelled: spelled}
			switch {
			case name == "":
				f.Refused = "this is not a flag"
			case given:
			case o.Kind == KindBool:
				f.Value = "true"
			case len(args) > 0 && (known || !strings.HasPrefix(args[0].text, "-")):
				f.Value, f.Spelled = args[0].text, spelled+" "+args[0].text
				args = args[1:]
			case known:
				f.Refused = "the flag has no value"
			}
			if f.Refused == "" {
				f.Refused = badValue(o, f.Value)
			}
			add(f)
		}
		if long, ok := strings.CutPrefix(w.text, "--"); ok && long != "" {
			name, value, given := strings.Cut(long, "=")
			named(name, value, given, w.text)
			continue
		}
		if w.text == "--" {
			for _, w = range args {
				add(stray(w))
			}
			return flags
		}
		letters, ok := strings.CutPrefix(w.text, "-")
		if !ok || letters == "" {
			add(stray(w))
		}
		// -D, -Dl debug, -ldebug, -l=debug
		for ok && letters != "" {
			name, letter := short[letters[0]], "-"+letters[:1]
			letters = letters[1:]
			o, _ := flagOption(name)
			switch {
			case name == "":
				add(Flag{Spelled: letter, Refused: "dockerd has no such flag"})
			case o.Kind == KindBool && !strings.HasPrefix(letters, "="):
				named(name, "", false, letter)
			default:
				named(name, strings.TrimPrefix(letters, "="), letters != "", letter+letters)
				letters = ""
			}
		}
	}
	return flags
}

func stray(w word) Flag {
	return Flag{Spelled: w.text, Refused: "dockerd takes no arguments besides its flags"}
}

// badValue returns why a flag does not accept a value, or "". Only switches and
// numbers are checked.
func badValue(o Option, value string) string {
	var err error
	switch o.Kind {
	case KindBool:
		_, err = strconv.ParseBool(value)
	case KindNumber:
		_, err = strconv.ParseInt(value, 0, 64)
	}
	if err != nil {
		return fmt.Sprintf("--%s takes %s, and not %q", o.Flag, o.Kind, value)
	}
	return ""
}

// CutFrom removes the flag from the text of its environment file.
//
// systemd or a shell reads the file, and they agree only on NAME="plain": other
// assignments, units and scripts are not edited. The error says what to do by
// hand.
func (f Flag) CutFrom(text string) (string, error) {
	lines := strings.SplitAfter(text, "\n")
	if strings.HasPrefix(f.File, "/proc/") {
		return "", errors.New("start dockerd without the flag, and run this again")
	}
	if _, known := f.Option(); !known || f.Var == "" || f.Line < 1 || f.Line > len(lines) {
		return "", errors.New("take the flag out there by hand, and run this again")
	}
	line := lines[f.Line-1]
	body := strings.TrimSuffix(line, "\n")
	byHand := errors.New("the line is not of the plain form " + f.Var + `="..."; take the flag out by hand, and run this again: ` + strings.TrimSpace(body))
	value, ok := strings.CutPrefix(body, f.Var+`="`)
	if !ok {
		return "", byHand
	}
	value, ok = strings.CutSuffix(value, `"`)
	if !ok || strings.ContainsAny(value, "\"'`$\\\r%") {
		return "", byHand
	}
	name := "--" + f.Name
	flag := regexp.MustCompile(`(^|[ \t]+)` + regexp.QuoteMeta(name) + `(=[^ \t]*|[ \t]+[^ \t]+|$)`)
	rest := flag.ReplaceAllString(value, "")
	if rest == value || slices.ContainsFunc(strings.Fields(rest), func(w string) bool { return strings.HasPrefix(w, name) }) {
		return "", byHand
	}
	if strings.TrimLeft(value, " \t") == value {
		rest = strings.TrimLeft(rest, " \t")
	}
	lines[f.Line-1] = f.Var + `="` + rest + `"` + line[len(body):]
	return strings.Join(lines, ""), nil
}
