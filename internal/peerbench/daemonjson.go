package peerbench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/tailscale/hujson"
	"github.com/tidwall/sjson"

	"github.com/usernskit/usernskit/daemoncfg"
)

// A setter puts "userns-remap": "default" into a daemon.json.
type setter struct {
	name   string
	set    func([]byte) ([]byte, error)
	target float64
}

var setters = [...]setter{
	{"usernskit", setOurs, 0},
	{"sjson, ungated", func(doc []byte) ([]byte, error) { return sjson.SetRawBytes(doc, "userns-remap", []byte(`"default"`)) }, 1.0 / 3},
	{"hujson", setHujson, 0},
	{"encoding/json round trip", setRoundTrip, 0},
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

// SetRows adds one key to a daemon.json of about so many bytes.
func SetRows(sizes ...int) []Row {
	var rows []Row
	for _, n := range sizes {
		doc := daemonJSON(n)
		row := Row{Work: "set a key of daemon.json", Size: bytesSize(n), Units: len(doc), Target: 1}
		for _, s := range setters {
			one := side(s.name, func() ([]byte, error) { return s.set(doc) }, func(out []byte) string { return lossless(doc, out) })
			one.Target = s.target
			row.Sides = append(row.Sides, one)
		}
		rows = append(rows, row)
	}
	return rows
}

// daemonJSON makes a well-formed configuration as people write it: members on
// lines of their own, four blanks, an array on one line, a number that a
// float64 does not hold.
func daemonJSON(n int) []byte {
	var b strings.Builder
	b.WriteString("{\n    \"log-driver\": \"json-file\",\n    \"log-opts\": {\"max-size\": \"10m\", \"max-file\": \"3\", \"labels\": \"a,b\"},\n")
	b.WriteString("    \"default-shm-size\": 12345678901234567,\n    \"insecure-registries\": [\"10.0.0.0/8\", \"registry.example.org:5000\"],\n    \"runtimes\": {\n")
	const end = "        \"last\": {\"path\": \"/usr/bin/runc\"}\n    }\n}\n"
	for i := 0; b.Len()+len(end) < n-100; i++ {
		fmt.Fprintf(&b, "        \"runtime-%d\": {\"path\": \"/usr/bin/runtime-%d\", \"runtimeArgs\": [\"--debug\", \"--root\", \"/run/%d\"]},\n", i, i, i)
	}
	b.WriteString(end)
	return []byte(b.String())
}

// lossless reports what an edit did besides adding the key: the old bytes must
// all be there, in order and in two pieces at most, and the new document must
// say what the old one said, with the key.
func lossless(before, after []byte) string {
	var want, got map[string]any
	if err := errors.Join(numbers(before, &want), numbers(after, &got)); err != nil {
		return "writes what is not JSON"
	}
	want["userns-remap"] = "default"
	head := 0
	for head < min(len(before), len(after)) && before[head] == after[head] {
		head++
	}
	tail := 0
	for tail < min(len(before), len(after))-head && before[len(before)-1-tail] == after[len(after)-1-tail] {
		tail++
	}
	switch {
	case !reflect.DeepEqual(want, got):
		return "changes other values"
	case head+tail < len(before):
		return fmt.Sprintf("does not keep %d bytes", len(before)-head-tail)
	}
	return ""
}

func numbers(doc []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	return d.Decode(v)
}

func bytesSize(n int) string {
	switch {
	case n >= 1<<20-1<<12:
		return "1 MiB"
	case n >= 1<<10:
		return fmt.Sprint(n>>10, " KiB")
	}
	return fmt.Sprint(n, " B")
}

// badDocuments are files with which some dockerd does not start, or which its
// parts read differently. An editor has to refuse them.
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
