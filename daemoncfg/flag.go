package daemoncfg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Flag is one flag that dockerd is started with, and where it is written.
type Flag struct {
	Name  string // in its long form: "userns-remap", "host" for -H
	Value string // "true" for a switch without a value
	File  string // the unit, environment file or script that has it, or /proc/PID/cmdline
	Line  int    // in File, from 1; 0 where there are no lines
	Var   string // the variable of File that it is in: "DOCKER_OPTS", or ""
}

// Place is where the flag is written: "/etc/default/docker:3 (DOCKER_OPTS)".
func (f Flag) Place() string {
	place := f.File
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", place, f.Line)
	}
	if f.Var != "" {
		place += " (" + f.Var + ")"
	}
	return place
}

// Key is what the flag is called in daemon.json: "hosts" for --host.
func (f Flag) Key() string {
	switch f.Name {
	case "host", "label", "log-opt", "dns-opt", "storage-opt", "exec-opt", "registry-mirror",
		"authorization-plugin", "default-ulimit", "default-address-pool", "default-network-opt",
		"node-generic-resource", "host-gateway-ip", "cdi-spec-dir", "feature", "cluster-store-opt", "extension-dir":
		return f.Name + "s"
	case "insecure-registry":
		return "insecure-registries"
	case "add-runtime":
		return "runtimes"
	case "graph": // before 23.0
		return "data-root"
	}
	return f.Name
}

// off reports whether a switch is given a value that is false for dockerd, which
// reads it as pflag does. It does not start with one that is neither.
func (f Flag) off() bool {
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

// readFlags reads dockerd's arguments as spf13/pflag does. dockerd takes no
// argument that is not a flag or the value of one.
func readFlags(args []word) []Flag {
	var flags []Flag
	add := func(w word, name, value string) {
		flags = append(flags, Flag{Name: name, Value: value, File: w.from.file, Line: w.from.line, Var: w.from.name})
	}
	// next is the value of a flag whose word ended without one.
	next := func(i *int, known bool) string {
		if *i+1 == len(args) || !known && strings.HasPrefix(args[*i+1].text, "-") {
			return ""
		}
		*i++
		return args[*i].text
	}
	for i := 0; i < len(args); i++ {
		w := args[i]
		if w.text == "--" {
			break
		}
		if long, ok := strings.CutPrefix(w.text, "--"); ok {
			name, value, given := strings.Cut(long, "=")
			if name == "" {
				continue // dockerd says "bad flag syntax" and does not start
			}
			if !given {
				value = "true"
				if !slices.Contains(switches, name) {
					value = next(&i, knownKeys[Flag{Name: name}.Key()] != 0 || name == "config-file")
				}
			}
			add(w, name, value)
			continue
		}
		// -D -l debug, -Dl debug, -ldebug, -l=debug
		for rest, ok := strings.CutPrefix(w.text, "-"); ok && rest != ""; {
			name := short[rest[0]]
			rest = rest[1:]
			if name == "" || slices.Contains(switches, name) {
				if name != "" {
					add(w, name, "true")
				}
				continue
			}
			value := strings.TrimPrefix(rest, "=")
			if rest == "" {
				value = next(&i, true)
			}
			add(w, name, value)
			break
		}
	}
	return flags
}
