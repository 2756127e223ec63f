package verify

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// A judge holds the facts and collects the findings of one check.
type judge struct {
	*facts.Facts
	check Check
	list  []*Finding
}

// add adds a finding about the subject, with the severity of the check.
func (j *judge) add(verdict Verdict, subject, format string, args ...any) *Finding {
	f := &Finding{
		Check: j.check.ID, Name: j.check.Name, Verdict: verdict, Severity: j.check.Severity,
		Subject: subject, Text: fmt.Sprintf(format, args...), Refs: slices.Clone(j.check.Refs),
	}
	if verdict == Fail || verdict == Warn {
		f.Remedy.Text = j.check.Remedy
	}
	j.list = append(j.list, f)
	return f
}

func (j *judge) pass(subject, format string, args ...any) *Finding {
	return j.add(Pass, subject, format, args...)
}
func (j *judge) fail(subject, format string, args ...any) *Finding {
	return j.add(Fail, subject, format, args...)
}
func (j *judge) warn(subject, format string, args ...any) *Finding {
	return j.add(Warn, subject, format, args...)
}
func (j *judge) skip(subject, format string, args ...any) *Finding {
	return j.add(Skip, subject, format, args...)
}
func (j *judge) unknown(subject, format string, args ...any) *Finding {
	f := j.add(Unknown, subject, format, args...)
	f.Remedy.Text = j.toKnow(f, args)
	return f
}

// namedPath matches a path in the text of a finding.
var namedPath = regexp.MustCompile(`(?:^|[\s"])(/[^\s:,;"]+)`)

// toKnow returns the remedy of an unknown finding: how to get an answer.
func (j *judge) toKnow(f *Finding, args []any) string {
	const asRoot, ask = "Run it as root of the host.", "ask it through its unix socket as root of the host."
	for _, arg := range args {
		text, _ := arg.(string)
		err, _ := arg.(error)
		switch {
		case text != "" && j.HasProc && (text == j.Scan.OtherIDs() || slices.Contains(j.Scan.Gaps(), text)):
			return "Run it as root of the host; in a container, with --pid=host and --userns=host."
		case text != "" && slices.Contains(j.Config.Startup.Unsure, text):
			return "Say which dockerd is meant, by its unit or its daemon.json."
		case text != "" && j.Engine != nil && slices.Contains(slices.Collect(maps.Values(j.Engine.Unread)), text):
			return "Ask the daemon past the proxy in front of it, or start it: " + ask
		case err == nil:
		case errors.Is(err, fs.ErrPermission):
			return asRoot
		case errors.Is(err, facts.ErrNotAsked), errors.Is(err, engine.ErrDown), j.NoEngine != nil && err.Error() == j.NoEngine.Error():
			return "Start the daemon, and " + ask
		case strings.Contains(err.Error(), "getent"):
			return "See why getent does not answer, and look again."
		}
	}
	for _, text := range []string{f.Text, f.Subject} {
		if found := namedPath.FindAllStringSubmatch(text, -1); found != nil {
			return "Make " + found[len(found)-1][1] + " readable to root of the host, and look again."
		}
	}
	return "Look again; where it stays so, look as root of the host."
}

// know sets the text of the remedy.
func (f *Finding) know(text string) *Finding {
	f.Remedy.Text = text
	return f
}

// troubled reports whether a finding was added that is neither a pass nor a
// skip.
func (j *judge) troubled() bool {
	return slices.ContainsFunc(j.list, func(f *Finding) bool { return f.Verdict != Pass && f.Verdict != Skip })
}

// passUntroubled adds a pass unless something is wrong or unknown.
func (j *judge) passUntroubled(subject, format string, args ...any) {
	if !j.troubled() {
		j.pass(subject, format, args...)
	}
}

// conclude is passUntroubled if something was seen, and else adds a skip, with
// none as its text.
func (j *judge) conclude(seen int, none, subject, format string, args ...any) {
	if seen > 0 {
		j.passUntroubled(subject, format, args...)
	} else if !j.troubled() {
		j.skip("host", "%s", none)
	}
}

// saw adds evidence to a finding.
func (f *Finding) saw(source, got, want string) *Finding {
	f.Evidence = append(f.Evidence, Evidence{Source: source, Got: got, Want: want})
	return f
}

// run sets the command that fixes it.
func (f *Finding) run(command string) *Finding {
	f.Remedy.Command = command
	return f
}

// fix names the repair.
func (f *Finding) fix(id FixID, arg string) *Finding {
	f.Remedy.Fix, f.Remedy.Arg = id, arg
	return f
}

// shift offers to move the owners in a directory into a map, and reports
// whether that is possible. uid and gid are the owner of a file in it.
func (f *Finding) shift(dir string, uid, gid uint32, m userns.Mapping) bool {
	from, to, ok := facts.Movable(dir, uid, gid, m)
	if ok {
		f.fix(FixShift, dir)
		f.Remedy.From, f.Remedy.To = from, to
	}
	return ok
}

// as sets the severity of this finding.
func (f *Finding) as(s Severity) *Finding {
	f.Severity = s
	return f
}

// noConfig adds why daemon.json cannot be checked.
func (j *judge) noConfig() bool {
	switch c := j.Config; {
	case c.StartupErr != nil:
		j.unknown("dockerd", "%v", c.Unread())
	case c.DocErr == nil:
		return false
	case c.Unread() == nil:
		j.skip(c.File, "dockerd does not start with this file, see D01")
	default:
		j.unknown(c.File, "%v", c.DocErr)
	}
	return true
}

// noAccount is noConfig for checks that need to know whose ranges dockerd reads.
func (j *judge) noAccount() bool {
	switch {
	case j.IDs.Account != "":
		return false
	case j.Config.On && errors.Is(j.IDs.OwnerErr, daemoncfg.ErrAccount):
		j.skip("host", "there is no such user, see I01")
	case j.Config.On:
		j.unknown("host", "it is not known whose ranges dockerd reads: %v", j.IDs.OwnerErr)
	case !j.noConfig():
		j.skip("host", "userns-remap is not configured")
	}
	return true
}

// unmapped is noAccount for checks that need the map.
func (j *judge) unmapped() bool {
	switch {
	case j.IDs.Mapped():
		return false
	case j.noAccount():
	case j.WantUnread():
		j.unknown("host", "%s", j.NoWant())
	default:
		j.skip("host", "%s, see I02 and K07", j.NoWant())
	}
	return true
}

// noEngine adds why something that the daemon or its store shows cannot be
// checked; offline is the reason for a tree of files.
func (j *judge) noEngine(err error, offline string) bool {
	switch {
	case err == nil:
		return false
	case !j.Live && errors.Is(err, facts.ErrNotAsked):
		j.skip("docker", "%s", offline)
	default:
		j.unknown("docker", "%v", err)
	}
	return true
}

// noStore adds why Docker's store cannot be checked.
func (j *judge) noStore() bool {
	return j.Engine == nil && j.noEngine(cmp.Or(j.StoreErr, j.NoEngine), "this tree holds no store of Docker's")
}

// noDaemon adds why the running daemon cannot be checked.
func (j *judge) noDaemon() bool { return j.noEngine(j.NoEngine, facts.Offline) }

// noRemapper is noDaemon for checks of what the daemon remaps to.
func (j *judge) noRemapper() bool { return j.noDaemon() || j.isRootless() }

// shown is the maximum number of processes in the evidence of one finding.
const shown = 5

// offline adds why the running kernel cannot be checked.
func (j *judge) offline() bool {
	if !j.HasProc {
		j.skip("host", facts.Offline)
	}
	return !j.HasProc
}

// noProcesses adds why processes cannot be checked, and reports whether there
// is nothing to judge.
func (j *judge) noProcesses() bool {
	return j.offline() || j.isRootless() || j.gaps()
}

// gaps adds what could not be seen of the processes, and reports whether none of
// their IDs can be judged.
func (j *judge) gaps() bool {
	if gap := j.Scan.OtherIDs(); gap != "" {
		j.unknown("host", "%s: run it as root of the host, in a container with --pid=host --userns=host", gap)
		return true
	}
	for _, gap := range j.Scan.Gaps() {
		j.unknown("host", "%s", gap)
	}
	return false
}

const rootlessText = "the daemon is rootless: RootlessKit maps its containers, not userns-remap"

func (j *judge) rootless() bool { return j.Engine != nil && j.Engine.Rootless() }

// isRootless adds why remapping cannot be checked.
func (j *judge) isRootless() bool {
	if j.rootless() {
		j.skip("docker", rootlessText)
	}
	return j.rootless()
}

const noneRuns = "no container is running"

// wantText returns the host IDs that containers are to have.
func (j *judge) wantText(users bool) string {
	s := &j.IDs.GID
	if users {
		s = &j.IDs.UID
	}
	if !s.Ok() {
		return "a range of " + s.Path
	}
	return text.Spans(s.IDs.Extents(), func(e userns.Extent) (uint32, uint32) { return e.HostID, e.Count })
}
