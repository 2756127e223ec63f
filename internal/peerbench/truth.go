package peerbench

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
	"github.com/tidwall/sjson"
	"github.com/u-root/u-root/pkg/cmdline"

	"github.com/usernskit/usernskit/bootargs"
	"github.com/usernskit/usernskit/daemoncfg"
)

// Truth reports how many of the unusual inputs each side gets right, a line for
// daemon.json and one for kernel command lines.
func Truth() []string {
	var json, boot []string
	for _, s := range setters {
		json = append(json, fmt.Sprintf("%s %d", s.name, refused(s.set)))
	}
	for _, s := range []struct {
		name string
		edit func(string) (string, error)
	}{{"usernskit", bootOurs}, {"u-root", bootUroot}} {
		boot = append(boot, fmt.Sprintf("%s %d", s.name, bootRight(s.edit)))
	}
	return []string{
		fmt.Sprintf("of %d daemon.json that some dockerd does not start with, or reads differently, are refused instead of edited: %s", len(badDocuments), strings.Join(json, ", ")),
		fmt.Sprintf("of %d kernel command lines with something unusual in them are edited right: %s", len(bootLines), strings.Join(boot, ", ")),
	}
}

// A setter puts "userns-remap": "default" into a daemon.json.
type setter struct {
	name string
	set  func([]byte) ([]byte, error)
}

var setters = [...]setter{
	{"usernskit", setOurs},
	{"sjson, ungated", func(doc []byte) ([]byte, error) { return sjson.SetRawBytes(doc, "userns-remap", []byte(`"default"`)) }},
	{"hujson", setHujson},
	{"encoding/json round trip", setRoundTrip},
}

func setOurs(doc []byte) ([]byte, error) {
	d, err := daemoncfg.Parse("daemon.json", doc)
	if err != nil {
		return nil, err
	}
	if err := d.Set([]string{"userns-remap"}, json.RawMessage(`"default"`)); err != nil {
		return nil, err
	}
	return d.Bytes(), nil
}

func setHujson(doc []byte) ([]byte, error) {
	v, err := hujson.Parse(doc)
	if err != nil {
		return nil, err
	}
	err = v.Patch([]byte(`[{"op": "add", "path": "/userns-remap", "value": "default"}]`))
	return v.Pack(), err
}

func setRoundTrip(doc []byte) ([]byte, error) {
	var m map[string]any
	if err := json.Unmarshal(doc, &m); err != nil {
		return nil, err
	}
	m["userns-remap"] = "default"
	return json.MarshalIndent(m, "", "    ")
}

// badDocuments are files with which some dockerd does not start, or which parts of
// dockerd read differently. An editor has to refuse them.
var badDocuments = map[string]string{
	"byte order mark": "\xef\xbb\xbf{\n    \"log-driver\": \"journald\"\n}\n",
	"trailing comma":  "{\n    \"log-driver\": \"journald\",\n}\n",
	"comment":         "{\n    // keep\n    \"log-driver\": \"journald\"\n}\n",
	"cut short":       "{\n    \"log-driver\": \"journald\",\n    \"labels\": [\"a\"",
	"two documents":   "{\"log-driver\": \"journald\"}\n{\"debug\": true}\n",
	"an array":        "[\"log-driver\"]\n",
	"key twice":       "{\"userns-remap\": \"\", \"userns-remap\": \"\"}\n",
	"not UTF-8":       "{\"labels\": [\"caf\xe9\"]}\n",
}

// refused counts the documents that a setter refuses with an error.
func refused(set func([]byte) ([]byte, error)) (n int) {
	for _, doc := range badDocuments {
		if _, err := set([]byte(doc)); err != nil {
			n++
		}
	}
	return n
}

// The edit that all sides make, one that RHEL 7 needs.
const bootName, bootArg = "user_namespace.enable", "user_namespace.enable=1"

func bootOurs(line string) (string, error) {
	return bootargs.Edit{Set: []string{bootArg}}.Apply(line)
}

func bootUroot(line string) (string, error) {
	return cmdline.NewUpdateFilter(bootArg, []string{bootName}, nil).Update(&cmdline.CmdLine{}, line), nil
}

// bootLines are command lines that the kernel accepts. All but the plain one have
// something in them that a parser may not know.
var bootLines = map[string]string{
	"plain":               "root=/dev/sda1 ro quiet",
	"set already":         "root=/dev/sda1 user_namespace.enable=0 ro",
	"spelled with a dash": "root=/dev/sda1 user-namespace.enable=0 ro",
	"set twice":           "user_namespace.enable=0 ro user_namespace.enable=0",
	"quoted value":        `root=/dev/sda1 dyndbg="file a.c +p" ro`,
	"quoted argument":     `root=/dev/sda1 "user_namespace.enable=0" ro`,
	"arguments of init":   "root=/dev/sda1 ro -- single user_namespace.enable=0",
	"apostrophe":          "root=/dev/sda1 motd=it's user_namespace.enable=0 ro",
	"open quote":          `root=/dev/sda1 foo="`,
	"typographic quote":   "root=/dev/sda1 label=\u201cdisk user_namespace.enable=0 ro",
	"same name repeated":  "console=tty0 console=ttyS0,115200 ro",
	"blanks and tabs":     "root=/dev/sda1\t ro  user_namespace.enable=0\tquiet",
}

// bootRight counts the lines that a side gets right. A line in which a quote
// stays open has no place for another argument: to refuse it is right too.
func bootRight(edit func(string) (string, error)) (n int) {
	for _, line := range bootLines {
		refused := false
		s := side("", func() (string, error) {
			out, err := edit(line)
			refused = err != nil
			return out, err
		}, func(out string) string { return bootWrong(line, out) })
		if s.Wrong() == "" || refused && strings.Count(line, `"`)%2 == 1 {
			n++
		}
	}
	return n
}

// bootWrong compares how the kernel parses the line before and after an edit, and
// returns what is wrong, or "". The argument has to be set once, and all others
// and those of init have to be as they were.
func bootWrong(before, after string) string {
	old, oldInit := kernelArgs(before)
	now, nowInit := kernelArgs(after)
	mine := func(a kernelArg) bool { return strings.ReplaceAll(a.name, "-", "_") == bootName }
	var set []kernelArg
	for _, a := range now {
		if mine(a) {
			set = append(set, a)
		}
	}
	old, now = slices.DeleteFunc(old, mine), slices.DeleteFunc(now, mine)
	switch {
	case len(set) != 1 || set[0].value != "1":
		return fmt.Sprintf("the kernel sees %s %d times", bootArg, len(set))
	case !slices.Equal(old, now):
		return "changes other arguments"
	case oldInit != nowInit:
		return "changes the arguments of init"
	}
	return ""
}

type kernelArg struct {
	name, value string
	hasValue    bool
}

// kernelArgs is a model of parse_args in kernel/params.c and next_arg in
// lib/cmdline.c of Linux 6.14, written for this benchmark only.
func kernelArgs(line string) (args []kernelArg, init string) {
	isSpace := func(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0xA0 }
	for {
		for line != "" && isSpace(line[0]) {
			line = line[1:]
		}
		if line == "" {
			return args, ""
		}
		quoted := line[0] == '"'
		if quoted {
			line = line[1:]
		}
		in, equals, i := quoted, 0, 0
		for ; i < len(line) && (in || !isSpace(line[i])); i++ {
			if equals == 0 && line[i] == '=' {
				equals = i
			}
			if line[i] == '"' {
				in = !in
			}
		}
		text := line[:i]
		line = line[i:]
		a := kernelArg{name: text}
		if quoted {
			text = strings.TrimSuffix(text, `"`)
			a.name = text
		}
		if equals > 0 {
			a = kernelArg{text[:equals], text[equals+1:], true}
			if v, ok := strings.CutPrefix(a.value, `"`); ok {
				a.value = strings.TrimSuffix(v, `"`)
			}
		}
		if a.name == "--" && !a.hasValue {
			return args, strings.TrimSpace(line)
		}
		args = append(args, a)
	}
}
