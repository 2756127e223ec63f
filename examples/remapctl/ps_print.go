package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/format"
)

type jsonProcess struct {
	PID       int     `json:"pid"`
	HostUID   uint32  `json:"host_uid"`
	HostGID   uint32  `json:"host_gid"`
	UID       *uint32 `json:"uid"` // null where the namespace has no number for it
	GID       *uint32 `json:"gid"`
	Container string  `json:"container"`
	Name      string  `json:"name"`
	Command   string  `json:"command"`
	UserNS    uint64  `json:"user_ns"`
}

func inside(m userns.Map, host uint32) *uint32 {
	id, ok := m.ToContainer(host)
	if !ok {
		return nil
	}
	return &id
}

func (e *env) printProcesses(list []jsonProcess) error {
	if e.json {
		return e.printJSON(struct {
			Schema    int           `json:"schema"`
			Processes []jsonProcess `json:"processes"`
		}{format.SchemaVersion, list})
	}
	w := tabwriter.NewWriter(e.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PID\tHOST\tIN\tCONTAINER\tCOMMAND")
	for _, p := range list {
		in, name := "-", p.Name
		if p.UID != nil {
			in = strconv.FormatUint(uint64(*p.UID), 10)
		}
		if name == "" {
			name = p.Container[:min(12, len(p.Container))]
		}
		if name == "" {
			name = "-"
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\n", p.PID, p.HostUID, in, plain(name), plain(p.Command))
	}
	return w.Flush()
}

// plain keeps a name that a process gave itself, or that stands in a file, from
// moving the cursor.
func plain(s string) string { return strings.Trim(strconv.QuoteToGraphic(s), `"`) }
