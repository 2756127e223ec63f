package peerbench

import "fmt"

// Truth says how many of the inputs that are not plain each side gets right.
func Truth() []string {
	var list []string
	for _, s := range setters {
		list = append(list, fmt.Sprintf("daemon.json that dockerd does not start with or reads in two ways: %s refuses %d of %d and edits the others",
			s.name, refused(s.set), len(badDocuments)))
	}
	for _, s := range []struct {
		name string
		edit func(string) (string, error)
	}{{"usernskit", bootOurs}, {"u-root", bootUroot}} {
		list = append(list, fmt.Sprintf("kernel command lines: %s is right on %d of %d", s.name, bootRight(s.edit), len(bootLines)))
	}
	return list
}
