package peerbench

import (
	"fmt"
	"strings"
)

// Truth says how many of the inputs that are not plain each side gets right.
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
