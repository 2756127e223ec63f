package subid

import (
	"fmt"
	"slices"
	"strings"
)

// whoReadsWhat says in words what each reader makes of a line: "shadow-utils:
// 100000:65536; dockerd 28 and later: host ID 0 (0:65536); ..."
func whoReadsWhat(text string) string {
	var outcomes []string // in the order of the readers
	who := map[string][]Reader{}
	for _, r := range Readers() {
		o := outcome(r, text)
		if who[o] == nil {
			outcomes = append(outcomes, o)
		}
		who[o] = append(who[o], r)
	}
	for i, o := range outcomes {
		outcomes[i] = readerNames(who[o]) + " " + o
	}
	return strings.Join(outcomes, "; ")
}

// outcome is what one reader makes of a line, for the owner that it sees there.
func outcome(r Reader, text string) string {
	if r == Dockerd27 || r == ContainersStorage {
		owner, _, err := goEntry(text, func(string) bool { return true })
		if err == errFields {
			return "refuse the whole file because of it"
		}
		if err != nil {
			return fmt.Sprintf("fail for %q", owner)
		}
	}
	for o := range oddReadings(text) {
		if o.reader != r {
			continue
		}
		n := fmt.Sprintf("%d:%d", o.Start, o.Count)
		if r <= Shadow420 {
			n = fmt.Sprintf("%d:%d", uint64(o.Start), uint64(o.Count))
		}
		field, _, _ := strings.Cut(text, ":")
		switch {
		case o.Start == 0 && o.Count != 0:
			return fmt.Sprintf("read this as host ID 0 (%s)", n)
		case o.owner != field:
			return fmt.Sprintf("read %s for %q", n, o.owner)
		}
		return "read " + n
	}
	if r == Dockerd {
		return "cannot read a line this long and refuse the whole file"
	}
	return "ignore it"
}

// readerNames joins the names of readers; all of shadow-utils are one.
func readerNames(list []Reader) string {
	var names []string
	if slices.Contains(list, Shadow413) && slices.Contains(list, Shadow418) && slices.Contains(list, Shadow420) {
		names, list = append(names, "all shadow-utils"), list[3:]
	}
	for _, r := range list {
		names = append(names, r.String())
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return names[0]
}
