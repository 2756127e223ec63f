package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/subid"
)

// errorMembers returns what every command prints with --json when it fails.
func errorMembers(err error) members {
	var id, file string
	var line, column int
	for _, k := range known {
		if errors.Is(err, k.target) {
			id = k.id
			break
		}
	}
	var at *usernskit.FileError
	var ids *subid.ConflictError
	var path *fs.PathError
	switch {
	case errors.As(err, &at):
		file, line, column = at.File, at.Line, at.Col
	case errors.As(err, &ids):
		file, line = ids.Have.File, ids.Have.Line
	case errors.As(err, &path):
		file = path.Path
	}
	return members{"error": members{"text": err.Error(), "id": id, "file": file, "line": line, "column": column}}
}

// known lists the errors on which people and programs decide, with a hint at what
// to do where the error itself has none.
var known = []struct {
	target   error
	id, hint string
}{
	{usernskit.ErrUnfinished, "unfinished", "run: remapctl undo --yes"},
	{subid.ErrSmallRange, "small-range", "nothing was changed; to go on all the same: --accept-risk small-range"},
	{usernskit.ErrChanged, "changed", "another program wrote the file in between; nothing was changed: look at it and run again"},
	{usernskit.ErrImmutable, "immutable", "nothing was changed; lsattr(1) shows the attribute, chattr -i clears it"},
	{syscall.EROFS, "read-only", "nothing was changed; the file system is mounted read-only"},
	{usernskit.ErrHardLinked, "hard-linked", "nothing was changed; break the link with: cp -p FILE FILE.new && mv FILE.new FILE"},
	{usernskit.ErrBindMounted, "bind-mounted", "nothing was changed; edit the file where it is mounted from"},
	{usernskit.ErrNoReceipt, "no-receipt", ""},
	{bootargs.ErrAccumulates, "accumulates", "use --append to add one more, or --replace to have it as the only one"},
	{bootargs.ErrAmbiguous, "ambiguous-loader", "nothing was changed; --store PATH chooses the loader that reads that file"},
	{bootargs.ErrStops, "stops", "nothing was changed; remapctl bootargs check shows every such line"},
	{bootargs.ErrOwned, "owned", ""},
	{bootargs.ErrNoLoader, "no-loader", ""},
	{bootargs.ErrNoPlace, "no-place", ""},
	{bootargs.ErrUnknownKernel, "unknown-kernel", ""},
	{subid.ErrOverlap, "overlap", ""},
	{subid.ErrExhausted, "exhausted", ""},
	{daemoncfg.ErrFailOpen, "fail-open", ""},
	{daemoncfg.ErrAccount, "account", ""},
	{remap.ErrNoSystemd, "no-systemd", ""},
	{shift.ErrUnfinished, "shift-unfinished", "the same command goes on; remapctl undo takes it back"},
	{shift.ErrRunning, "shift-running", ""},
	{shift.ErrRefused, "shift-refused", ""},
	{shift.ErrNoJob, "shift-no-job", ""},
	{shift.ErrMissed, "shift-missed", "run it again when nothing writes there"},
	{remap.ErrNoRanges, "no-ranges", ""},
	{shift.ErrNoSpace, "no-space", ""},
	{fs.ErrPermission, "permission", ""},
	{fs.ErrNotExist, "not-found", ""},
}

// hints returns what to do about an error, where the error itself does not say it.
func (e *env) hints(err error) (list []string) {
	here := strings.NewReplacer("remapctl undo --yes", e.self("undo", "--yes"), "remapctl undo", e.self("undo"), "remapctl bootargs check", e.self("bootargs", "check"))
	for _, k := range known {
		if k.hint != "" && errors.Is(err, k.target) {
			list = append(list, here.Replace(e.fold(k.hint, 2)))
			if errors.Is(k.target, usernskit.ErrUnfinished) {
				return list // something was changed; the other hints say that nothing was
			}
		}
	}
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		list = append(list, "run it as root (sudo)")
	}
	return list
}
