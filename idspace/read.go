package idspace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
)

// Read reads the sources of a host: its files, and the processes of its /proc if
// it has one. Each container is one namespace, called what name returns for its
// ID; if name is nil or returns "", it is called the first 12 digits of the ID.
// Each other user namespace is called after its first process. A namespace whose
// maps are not written yet is left out.
//
// The gaps describe what could not be seen; the sources hold the rest.
func Read(ctx context.Context, h usernskit.Host, name func(id string) string) (from Sources, gaps []string, err error) {
	if from.Set, err = subid.Read(ctx, h); err != nil {
		return Sources{}, nil, err
	}
	hostname, _ := h.ReadFile("/etc/hostname") // may be missing
	from.Caption = strings.TrimSpace(string(hostname))
	if from.Caption == "" && h.Live() {
		from.Caption, _ = os.Hostname()
	}
	from.Caption = cmp.Or(from.Caption, "the host") + ", " + time.Now().Format("2006-01-02 MST")
	doc, err := daemoncfg.Read(ctx, h)
	if err == nil && doc.Setting().On {
		from.Remap, err = doc.Setting().Remap.Account(ctx, h)
	}
	if err != nil {
		gaps = append(gaps, "the account that dockerd remaps to: "+err.Error())
	}
	if _, err := h.Stat("/proc/self"); errors.Is(err, fs.ErrNotExist) && !h.Live() {
		return from, gaps, nil // an image: nothing runs in it
	}
	proc, err := h.Path("/proc")
	if err != nil {
		return Sources{}, nil, err
	}
	var coverage userns.Coverage
	var unread []string
	from.Namespaces, unread = namespaces(userns.FS{Root: proc}.Processes(ctx, userns.Options{Coverage: &coverage}), name)
	return from, append(append(gaps, unread...), coverage.Gaps()...), nil
}

// namespaces collects the namespaces of processes, and the errors about
// processes.
func namespaces(processes iter.Seq2[userns.Process, error], name func(id string) string) (list []Namespace, unread []string) {
	type key struct {
		container string
		userNS    uint64
		mapping   string // where the kernel does not show us the namespace
	}
	seen := map[key]bool{}
	for p, err := range processes {
		if err != nil {
			unread = append(unread, err.Error())
			continue
		}
		k := key{p.ContainerID, p.UserNS, ""}
		if p.UserNS == 0 {
			k.mapping = p.Mapping.String()
		}
		if !p.Mapping.IsZero() && !seen[k] {
			seen[k] = true
			list = append(list, Namespace{called(p, name), p.Mapping})
		}
	}
	return list, unread
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
