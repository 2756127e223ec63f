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
func readFlags(args []word) []Flag {
	var flags []Flag
	for i := 0; i < len(args); i++ {
		w := args[i]
		add := func(name, value, spelled, refused string) {
			flags = append(flags, Flag{Name: name, Value: value, Spelled: spelled, Refused: refused,
				File: w.from.file, Line: w.from.line, Var: w.from.name})
		}
		// next is the value of a flag whose word ended without one.
		next := func(known bool) (value, spelled, refused string) {
			if i+1 == len(args) && known {
				return "", w.text, "the flag has no value"
			}
			if i+1 == len(args) || !known && strings.HasPrefix(args[i+1].text, "-") {
				return "", w.text, ""
			}
			i++
			return args[i].text, w.text + " " + args[i].text, ""
		}
		switch {
		case w.text == "--":
			for _, w = range args[i+1:] {
				add("", "", w.text, "dockerd takes no arguments besides its flags")
			}
			return flags
		case strings.HasPrefix(w.text, "--"):
			name, value, given := strings.Cut(w.text[2:], "=")
			o, known := flagOption(name)
			spelled, refused := w.text, ""
			switch {
			case name == "":
				refused = "this is not a flag"
			case !given && known && o.Kind == KindBool:
				value = "true"
			case !given:
				value, spelled, refused = next(known)
			}
			if refused == "" && known {
				refused = badValue(o, value)
			}
			add(name, value, spelled, refused)
		case strings.HasPrefix(w.text, "-") && w.text != "-":
			readShort(w.text[1:], add, next)
		default:
			add("", "", w.text, "dockerd takes no arguments besides its flags")
		}
	}
	return flags
}

// readShort reads a word of one-letter flags: -D, -Dl debug, -ldebug, -l=debug.
func readShort(rest string, add func(name, value, spelled, refused string), next func(bool) (string, string, string)) {
	for rest != "" {
		name, letter := short[rest[0]], "-"+rest[:1]
		rest = rest[1:]
		if name == "" {
			add("", "", letter, "dockerd has no such flag")
			continue
		}
		o, _ := flagOption(name)
		if o.Kind == KindBool {
			value, given := strings.CutPrefix(rest, "=")
			if !given {
				add(name, "true", letter, "")
				continue
			}
			add(name, value, letter+"="+value, badValue(o, value))
			return
		}
		value, spelled, refused := strings.TrimPrefix(rest, "="), letter+rest, ""
		if rest == "" {
			value, spelled, refused = next(true)
		}
		if refused == "" {
			refused = badValue(o, value)
		}
		add(name, value, spelled, refused)
		return
	}
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
