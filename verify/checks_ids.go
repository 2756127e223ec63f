package verify

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/internal/accounts"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/verify/internal/facts"
)

// idChecks are the checks of accounts and subordinate IDs.
var idChecks = []check{i01, i02, i03, i04, i05, i06, i07, i08, i09, i10, i11}

var i01 = check{
	Check: Check{
		ID: "I01", Name: "remap-user", Severity: Critical,
		Title:  "The user and the group of userns-remap exist, as dockerd looks them up",
		Why:    "dockerd does not start with a user that is missing; for \"default\" it makes one and chooses the range itself, since version 28 without looking at other users' ranges.",
		Reads:  "/etc/passwd and /etc/group, then getent on the running host. For a bare name dockerd wants a group of the same name.",
		Remedy: "Make the user and the group, with useradd -r.",
	},
	needs: facts.NeedIDs,
	judge: func(j *judge) {
		c := j.Config
		if !c.On {
			j.noAccount()
			return
		}
		err := j.IDs.OwnerErr
		switch {
		case err == nil && j.Made():
			j.pass(c.Value, "dockerd makes the user %s when it starts", j.IDs.Account).saw(c.Place, c.Value, "")
		case err == nil:
			fi := j.pass(c.Value, "user %s and its group exist", j.IDs.Account).saw(c.Place, c.Value, "")
			if uid, ok := j.IDs.AccountUID(); ok {
				fi.saw(j.IDs.Users.File, fmt.Sprintf("%s has UID %d", j.IDs.Account, uid), "")
			}
		case errors.Is(err, daemoncfg.ErrAccount):
			j.fail(c.Value, "%v", err).saw(c.Place, c.Value, "a user and a group that exist")
		default:
			j.unknown(c.Value, "%v", err)
		}
	},
}

var i02 = check{
	Check: Check{
		ID: "I02", Name: "subid-entry", Severity: Critical,
		Title:  "/etc/subuid and /etc/subgid have a range for that user, as dockerd reads them",
		Why:    "dockerd takes the lines with the user's name or UID from both files, always by the user and never by the group, and asks no name service.",
		Reads:  "both files; nsswitch.conf only to explain a range that dockerd does not see.",
		Remedy: "Give the user a range in both files.",
	},
	needs:  facts.NeedIDs,
	unless: (*judge).noAccount,
	judge: func(j *judge) {
		for _, s := range j.IDs.Sides() {
			switch {
			case facts.IsNotExist(s.Refused):
				j.fail(s.Path, "there is no such file, and dockerd does not start without it").saw(s.Path, "no such file", j.IDs.Account+":START:65536")
			case s.Refused != nil:
				j.fail(s.Path, "dockerd refuses the file: %v", s.Refused)
			case s.File != nil && s.Unsure == nil && len(s.Readings) == 0:
				then := "and dockerd does not start without one"
				if j.Made() {
					then = "and dockerd will choose one without looking at those of others"
				}
				fi := j.fail(s.Path, "no range for %s, %s", j.IDs.Account, then).saw(s.Path, "no line", j.IDs.Account+":START:65536")
				if n := j.IDs.SubIDPlugin; n != "" {
					fi.Text += "; dockerd does not ask the name service that nsswitch.conf names"
					fi.saw("/etc/nsswitch.conf", "subid: "+n, "")
				}
			case !j.noRange(s):
				j.entry(s)
			}
		}
	},
}

func span(r reader.Reading) string { return fmt.Sprintf("%d:%d", r.Start, r.Count) }

func spans(list []reader.Reading) string {
	var all []string
	for _, r := range list {
		all = append(all, span(r))
	}
	return strings.Join(all, ", ")
}

// entry compares what versions of dockerd read: an upgrade must not change the
// map.
func (j *judge) entry(s *facts.Side) {
	other := reader.Dockerd27
	if j.IDs.Reader == other {
		other = reader.Dockerd
	}
	theirs, gids := j.IDs.Read(other)
	if s == &j.IDs.GID {
		theirs = gids
	}
	want := spans(s.Readings)
	switch {
	case theirs.Refused != nil:
		j.warn(s.Path, "%v", theirs.Refused).as(High).saw(s.Path, want, "")
	case spans(theirs.Readings) != want:
		j.warn(s.Path, "%v reads other ranges", other).as(High).saw(j.IDs.Reader.String(), want, "").saw(other.String(), spans(theirs.Readings), want)
	default:
		j.pass(s.Path, "%s has %s", j.IDs.Account, want).saw(s.Path, want, "")
	}
}

var i03 = check{
	Check: Check{
		ID: "I03", Name: "subid-size", Severity: High,
		Title:  "The ranges hold 65536 IDs, and every ID that containers are to run as",
		Why:    "dockerd starts with any size; images that hold a larger ID cannot be pulled, and nobody (65534) is not mapped.",
		Reads:  "both files, and the numeric user of every container.",
		Remedy: "Give the user a range of 65536 IDs or more.",
	},
	needs: facts.NeedIDs,
	judge: func(j *judge) {
		for s := range j.ranged() {
			total := int64(0)
			for _, r := range s.Readings {
				total += r.Count
			}
			if total < 65536 {
				j.fail(s.Line(s.Readings[0]), "%d IDs are too few", total).as(Medium).saw(s.Path, strconv.FormatInt(total, 10), "65536 or more")
				continue
			}
			j.pass(s.Path, "%d IDs", total).saw(s.Path, strconv.FormatInt(total, 10), "65536 or more")
		}
		if j.Engine == nil || !j.IDs.Mapped() {
			return
		}
		for i := range j.Engine.Containers {
			c := &j.Engine.Containers[i]
			for _, u := range facts.Unmapped(c, j.IDs.Want()) {
				j.fail(subjectOf(c), "is to run as %s %d, which is not mapped: it does not start", u.Kind, u.ID).
					saw("docker inspect", u.Option, "an ID below the size of the range")
			}
		}
	},
}

// ranged yields the files with ranges for the account, and adds a finding for
// one without, or for a missing account.
func (j *judge) ranged() iter.Seq[*facts.Side] {
	return func(yield func(*facts.Side) bool) {
		if j.noAccount() {
			return
		}
		for _, s := range j.IDs.Sides() {
			if !j.noRange(s) && !yield(s) {
				return
			}
		}
	}
}

// noRange is noAccount for checks that need the ranges of a side.
func (j *judge) noRange(s *facts.Side) bool {
	switch {
	case s.File == nil:
		j.unknown(s.Path, "its ranges are not known: %v", s.Err)
	case s.Unsure != nil:
		j.unknown(s.Path, "%v", s.Unsure)
	case s.Refused != nil, len(s.Readings) == 0:
		j.skip(s.Path, "no range to look at, see I02")
	default:
		return false
	}
	return true
}

var i04 = check{
	Check: Check{
		ID: "I04", Name: "uid-gid-aligned", Severity: Low,
		Title: "User and group IDs are shifted by the same amount",
		Why:   "It may differ. People and scripts that compute a host ID from a container's get it wrong then.",
		Reads: "both files.",
	},
	needs:  facts.NeedIDs,
	unless: (*judge).noAccount,
	judge: func(j *judge) {
		u, g := &j.IDs.UID, &j.IDs.GID
		if j.noRange(u) || j.noRange(g) {
			return
		}
		a, b := u.Readings[0].Start, g.Readings[0].Start
		switch {
		case u.Ok() && u.IDs.Equal(g.IDs), spans(u.Readings) == spans(g.Readings):
			j.pass("host", "both start at %d", a)
		case a == b:
			j.warn("host", "user IDs are %s, group IDs are %s", spans(u.Readings), spans(g.Readings)).
				saw(u.Path, spans(u.Readings), "").saw(g.Path, spans(g.Readings), "")
		default:
			j.warn("host", "user IDs start at %d, group IDs at %d", a, b).
				saw(u.Line(u.Readings[0]), span(u.Readings[0]), "").saw(g.Line(g.Readings[0]), span(g.Readings[0]), "")
		}
	},
}

var i05 = check{
	Check: Check{
		ID: "I05", Name: "root-not-identity", Severity: Critical,
		Title:  "No container ID is root or a system account of the host",
		Why:    "With a range that starts at 0, or that dockerd reads as 0 (28 and newer read 0x186a0 so), a container's root is the host's root although remapping is on.",
		Reads:  "both files, each as dockerd reads it.",
		Remedy: "Give the user a range from 100000 on, written in plain decimal digits.",
		Refs:   refDaemon(),
	},
	needs: facts.NeedIDs,
	judge: func(j *judge) {
		for s := range j.ranged() {
			before := len(j.list)
			for _, r := range s.Readings {
				if r.Count <= 0 || r.Start > facts.MaxSystemID {
					continue
				}
				who := "system accounts of the host"
				if r.Start <= 0 {
					who = "root of the host"
				}
				fi := j.fail(s.Line(r), "%v reads %s: container IDs are %s", j.IDs.Reader, span(r), who)
				fi.saw(s.Line(r), strings.TrimRight(s.Text(r.Line), "\r\n"), "a start above 999, in plain decimal")
			}
			if len(j.list) == before {
				j.pass(s.Path, "no ID below 1000").saw(s.Path, span(s.Readings[0]), "a start above 999")
			}
		}
	},
}

var i06 = check{
	Check: Check{
		ID: "I06", Name: "remap-not-root", Severity: Critical,
		Title:  "userns-remap does not name root",
		Why:    "With root, 0 or 0:0 dockerd logs one warning, starts, and does not remap.",
		Reads:  "daemon.json and dockerd's flags.",
		Remedy: "Name a user of its own, or \"default\".",
		Refs:   refDaemon(),
	},
	needs: facts.NeedIDs,
	judge: func(j *judge) {
		c := j.Config
		uid, exists := j.IDs.AccountUID()
		root := exists && uid == 0
		_, _, open := j.IDs.User.Get()
		switch {
		case errors.Is(c.Err, daemoncfg.ErrFailOpen) && c.Value != "":
			j.fail(c.Place, "userns-remap is %q: dockerd starts and does not remap", c.Value).saw(c.Place, c.Value, "a user other than root")
		case c.On && root:
			j.fail(c.Place, "%s is root by its UID: dockerd starts and does not remap", c.Value).saw(j.IDs.Users.File, c.Value+" has UID 0", "another UID")
		case c.On && j.IDs.Account != "" && open != nil:
			j.unknown(c.Place, "whether %s is root by its UID is not known: %v", c.Value, open)
		case c.On:
			j.pass(c.Place, "userns-remap is %q", c.Value).saw(c.Place, c.Value, "")
		default:
			j.noAccount()
		}
	},
}

var i07 = check{
	Check: Check{
		ID: "I07", Name: "login-user-mapped", Severity: High,
		Title:  "No account of the host has an ID inside the ranges",
		Why:    "A container then runs as that account. A recipe that circulates (me:1000:1 first) makes a container's root the person who logs in.",
		Reads:  "/etc/passwd and /etc/group, and what getent lists besides. I11 asks a directory that lists nothing.",
		Remedy: "Move the range to IDs that no account has.",
	},
	needs:  facts.NeedIDs,
	unless: (*judge).noAccount,
	judge: func(j *judge) {
		j.accountsWithin(j.IDs.Users.File, j.IDs.Users.List, j.IDs.Users.Unseen(), &j.IDs.UID)
		j.accountsWithin(j.IDs.Groups.File, j.IDs.Groups.List, j.IDs.Groups.Unseen(), &j.IDs.GID)
	},
}

// accountsWithin fails for accounts with IDs of the side's ranges, except those
// of the system, which I05 reports.
func (j *judge) accountsWithin(file string, list []accounts.Account, unseen error, s *facts.Side) {
	if j.noRange(s) {
		return
	}
	if unseen != nil {
		j.unknown(file, "which accounts there are is not known: %v", unseen)
	}
	before := len(j.list)
	for _, r := range s.Readings {
		found := slices.DeleteFunc(slices.Clone(list), func(c accounts.Account) bool {
			return int64(c.ID) < r.Start || int64(c.ID)-r.Start >= r.Count || c.ID <= facts.MaxSystemID
		})
		if len(found) == 0 {
			continue
		}
		var names []string
		for _, c := range found[:min(len(found), 3)] {
			names = append(names, c.Name)
		}
		who := strings.Join(names, ", ")
		if n := len(found) - len(names); n > 0 {
			who += fmt.Sprintf(" and %d more", n)
		}
		fi := j.fail(s.Line(r), "containers can become %s", who).saw(s.Line(r), span(r), "no account inside")
		for _, c := range found[:len(names)] {
			fi.saw(file, fmt.Sprintf("%s has ID %d", c.Name, c.ID), "")
		}
	}
	if unseen == nil && len(j.list) == before {
		j.pass(s.Path, "no account of %s inside %s", file, spans(s.Readings))
	}
}

var i08 = check{
	Check: Check{
		ID: "I08", Name: "overlap", Severity: High,
		Title:  "The ranges meet no range of another owner, as any reader reads it, and no other live map",
		Why:    "Two owners of one ID can read and signal each other. Docker's allocator and its rootless setup script both hand out 100000 without looking.",
		Reads:  "both files, and the maps of processes that are in no container of this daemon.",
		Remedy: "Move one of the two to IDs that nobody has.",
	},
	needs:  facts.NeedProcesses,
	unless: (*judge).noAccount,
	judge: func(j *judge) {
		if err := j.IDs.UID.Err; err != nil {
			j.unknown("host", "other owners' ranges are not known: %v", err)
		}
		for _, s := range j.IDs.Sides() {
			if s.Err != nil || j.noRange(s) {
				continue
			}
			claims := j.IDs.Claims(s)
			before := len(j.list)
			for _, r := range s.Readings {
				for _, c := range others(claims, r) {
					j.fail(s.Line(r), "%s overlaps %s of %s", span(r), c.Range, c.Owner).
						saw(s.Line(r), j.IDs.Account+":"+span(r), "").saw(fmt.Sprintf("%s:%d", c.File, c.Line), c.Owner+":"+c.Range.String(), "no ID in common")
				}
			}
			if len(j.list) == before {
				j.pass(s.Path, "%s meets no range of another owner", spans(s.Readings))
			}
		}
		j.foreignMaps()
	},
}

func meets(r reader.Reading, s subid.Range) bool {
	return r.Start < int64(s.Start)+int64(s.Count) && int64(s.Start)-r.Start < r.Count // a sum could overflow
}

// foreignMaps looks for processes of others, such as rootless containers, that
// use IDs of the ranges.
func (j *judge) foreignMaps() {
	want := j.IDs.Want()
	if !j.HasProc || want.IsZero() {
		return
	}
	if j.gaps() {
		return
	}
	count := map[string]int{}
	var list []userns.Process // the first of each map
	for _, p := range j.ForeignProcesses() {
		// With exactly this map it is Docker's own, such as a build, unless it
		// is in another runtime's container.
		ours := p.Mapping.Equal(want) && (p.Runtime == "" || p.Runtime == "docker")
		// A process with every ID is like root of the host.
		if ours || isUnshifted(p.Mapping) || !meetsHost(p.Mapping.UID, want.UID) && !meetsHost(p.Mapping.GID, want.GID) {
			continue
		}
		if count[p.Mapping.String()]++; count[p.Mapping.String()] == 1 {
			list = append(list, p)
		}
	}
	for _, p := range list {
		j.fail(fmt.Sprintf("process/%d", p.PID), "%s in a user namespace with IDs of the ranges, and not of Docker", text.Count(count[p.Mapping.String()], "process is", "processes are")).
			saw(fmt.Sprintf("/proc/%d/comm", p.PID), p.Command, "").
			sawMap(p, "no host ID of "+want.UID.String(), "no host ID of "+want.GID.String())
	}
}

// isUnshifted reports whether a map includes root of the host and shifts no ID.
func isUnshifted(m userns.Mapping) bool {
	root, ok := m.UID.ToHost(0)
	return ok && root == 0 && !slices.ContainsFunc(append(m.UID.Extents(), m.GID.Extents()...), func(e userns.Extent) bool { return e.ID != e.HostID })
}

// meetsHost reports whether two maps have a host ID in common.
func meetsHost(a, b userns.Map) bool {
	return slices.ContainsFunc(a.Extents(), func(e userns.Extent) bool { return shared(e, b) > 0 })
}

var i09 = check{
	Check: Check{
		ID: "I09", Name: "reserved", Severity: Medium,
		Title:  "The ranges stay out of what systemd and the kernel keep for themselves",
		Why:    "systemd gives IDs of these ranges to services and machines without writing them anywhere.",
		Reads:  "both files; systemd's UIDS-GIDS document.",
		Remedy: "Move the range: 100000 to 524287 is free on most hosts.",
	},
	needs: facts.NeedIDs,
	judge: func(j *judge) {
		for s := range j.ranged() {
			before := len(j.list)
			for _, r := range s.Readings {
				if r.Count <= 0 || r.Start <= facts.MaxSystemID {
					continue // I05 reports it
				}
				hit := slices.DeleteFunc(subid.ReservedRanges(), func(res subid.Reserved) bool { return !meets(r, res.Range) })
				if len(hit) == 0 {
					continue
				}
				fi := j.warn(s.Line(r), "%s meets IDs of %s", span(r), hit[0].Name)
				if n := len(hit) - 1; n > 0 {
					fi.Text += fmt.Sprintf(" and %d more kinds", n)
				}
				if hit[0].Soft {
					fi.as(Low) // allocated after a check of the accounts
				}
				for _, res := range hit {
					fi.saw(res.Name, fmt.Sprintf("%d to %d", res.Start, res.Last()), "none of them")
				}
			}
			if len(j.list) == before {
				j.pass(s.Path, "meets no reserved range above those of the system")
			}
		}
	},
}

var i10 = check{
	Check: Check{
		ID: "I10", Name: "multi-range", Severity: Low,
		Title: "Each file has one range for the user",
		Why:   "Several are legal and become container IDs 0, 1, ... in the order of the lines, not of the IDs; the kernel takes at most 340.",
		Reads: "both files.",
	},
	needs: facts.NeedIDs,
	judge: func(j *judge) {
		for s := range j.ranged() {
			switch n := len(s.Readings); {
			case n == 1:
				j.pass(s.Path, "one range")
			case s.MapErr != nil:
				j.fail(s.Path, "the kernel will not take these %d ranges: %v", n, s.MapErr).as(High).saw(s.Path, spans(s.Readings), "")
			default:
				j.warn(s.Path, "%d ranges become container IDs 0, 1, ... in this order", n).saw(s.Path, spans(s.Readings), "")
			}
		}
	},
}

var i11 = check{
	Check: Check{
		ID: "I11", Name: "ids-unused", Severity: Medium,
		Title:  "No other process and no directory service uses IDs of the ranges",
		Why:    "IDs from LDAP or Active Directory are in no file of the host.",
		Reads:  "the owners of processes outside containers; getent for the first, middle and last ID of each range. Skipped for a tree of files.",
		Remedy: "Move the range.",
	},
	needs:  facts.NeedUsers,
	unless: (*judge).noAccount,
	judge: func(j *judge) {
		want := j.IDs.Want()
		switch {
		case !j.HasProc:
			j.skip("host", facts.Offline)
			return
		case want.IsZero():
			j.skip("host", "no map is configured")
			return
		case j.Users.Err != nil:
			j.unknown("host", "%v", j.Users.Err)
			return
		}
		if n := len(j.Users.Processes); n > 0 {
			fi := j.fail("host", "%s with IDs of the ranges", text.Count(n, "process outside containers runs", "processes outside containers run"))
			for _, at := range slices.Sorted(maps.Keys(j.Users.Processes))[:min(n, shown)] {
				fi.saw(at, j.Users.Processes[at], "IDs outside the ranges")
			}
		} else if !j.gaps() {
			j.passUntroubled("host", "no process outside containers uses them")
		}
		for _, n := range j.Users.Accounts {
			j.fail("getent", "a name service knows %s", n).saw("getent", n, "no account inside the ranges")
		}
		switch {
		case j.Users.AskErr != nil:
			j.unknown("getent", "whether a name service knows their first, middle and last is not known: %v", j.Users.AskErr)
		case len(j.Users.Accounts) == 0:
			j.pass("getent", "no name service knows their first, middle and last")
		}
	},
}

// others returns the claims on a range, one for each line.
func others(claims []subid.Claim, r reader.Reading) []subid.Claim {
	if r.Start < 0 || r.Start > math.MaxUint32 || r.Count <= 0 {
		return nil
	}
	var list []subid.Claim
	seen := map[int]bool{}
	// A range may extend past the last ID, which K07 reports.
	have := subid.Range{Start: uint32(r.Start), Count: uint32(min(r.Count, math.MaxUint32))}
	for _, c := range claims {
		if c.Range.Overlaps(have) && !seen[c.Line] {
			seen[c.Line] = true
			list = append(list, c)
		}
	}
	return list
}
