package userns

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// unescape undoes what the kernel does to a name in status (fs/proc/array.c,
// proc_task_name), so that one with a newline in it cannot forge a line.
var unescape = strings.NewReplacer(`\n`, "\n", `\\`, `\`)

// parseStatus reads the text of /proc/PID/status, or of a thread's, proc(5),
// into p: names, parent, state and IDs.
func parseStatus(data []byte, p *Process) error {
	const all = 1<<2 - 1
	found := 0
	for line := range bytes.Lines(data) {
		key, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		var err error
		switch string(key) {
		case "Name":
			p.Command = unescape.Replace(string(bytes.TrimSuffix(bytes.TrimPrefix(value, []byte("\t")), []byte("\n"))))
		case "State":
			if value = bytes.TrimSpace(value); len(value) > 0 {
				p.State = value[0]
			}
		case "PPid":
			var n [1]uint32
			err = numbers(value, n[:])
			p.PPID = int(n[0])
		case "Uid":
			err = numbers(value, p.UID[:])
			found |= 1
		case "Gid":
			err = numbers(value, p.GID[:])
			found |= 2
		case "Groups":
			fields := bytes.Fields(value)
			if p.Groups = make([]uint32, len(fields)); len(fields) == 0 {
				p.Groups = nil
			}
			err = numbers(value, p.Groups)
		case "NSpid":
			n := make([]uint32, len(bytes.Fields(value)))
			err = numbers(value, n)
			p.NSPID = make([]int, len(n))
			for i := range n {
				p.NSPID[i] = int(n[i])
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	if found != all {
		return errors.New("no Uid or no Gid")
	}
	return nil
}

// numbers reads exactly len(to) numbers.
func numbers(value []byte, to []uint32) error {
	i := 0
	for field := range bytes.FieldsSeq(value) {
		if i == len(to) {
			return fmt.Errorf("more than %d numbers", len(to))
		}
		n, err := strconv.ParseUint(string(field), 10, 32) // takes no sign
		if err != nil {
			return fmt.Errorf("%q is not an ID", field)
		}
		to[i] = uint32(n)
		i++
	}
	if i < len(to) {
		return fmt.Errorf("%d numbers where %d belong", i, len(to))
	}
	return nil
}
