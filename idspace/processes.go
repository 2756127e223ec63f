package idspace

import (
	"errors"
	"fmt"
	"iter"

	"github.com/usernskit/usernskit/userns"
)

// Namespaces collects what the processes of [userns.FS.Processes] run in: each
// container once, and each user namespace that is in no container. A container's
// name is what name gives for its ID, else the beginning of the ID; other
// namespaces are called after their first process. Name may be nil.
//
// A namespace whose maps were not written yet is left out. The error joins those
// of the processes; the list holds the others all the same.
func Namespaces(processes iter.Seq2[userns.Process, error], name func(containerID string) string) ([]Namespace, error) {
	type key struct {
		container string
		userNS    uint64
		mapping   string // where the kernel does not show us the namespace
	}
	seen := map[key]bool{}
	var list []Namespace
	var failed []error
	for p, err := range processes {
		if err != nil {
			failed = append(failed, err)
			continue
		}
		k := key{p.ContainerID, p.UserNS, ""}
		if p.UserNS == 0 {
			k.mapping = p.Mapping.String()
		}
		if p.Mapping.IsZero() || seen[k] {
			continue
		}
		seen[k] = true
		list = append(list, Namespace{called(p, name), p.Mapping})
	}
	return list, errors.Join(failed...)
}

func called(p userns.Process, name func(string) string) string {
	if p.ContainerID == "" {
		return fmt.Sprintf("%s[%d]", p.Command, p.PID)
	}
	if name != nil {
		if known := name(p.ContainerID); known != "" {
			return known
		}
	}
	return p.ContainerID[:min(12, len(p.ContainerID))]
}
