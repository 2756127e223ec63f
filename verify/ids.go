package verify

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify/engine"
)

// maxSystemID is the last ID of system accounts, SYS_UID_MAX of login.defs(5).
const maxSystemID = 999

// sides returns the two files with the word for their IDs.
func (i *ids) sides() []*side { return []*side{&i.uid, &i.gid} }

// noConfig is why checks that need daemon.json have nothing to look at. It adds
// the finding itself.
func (f *facts) noConfig(v *verdicts) bool {
	switch c := f.conf; {
	case c.startupErr != nil:
		v.unknown("dockerd", "%v", c.unread())
	case c.docErr == nil:
		return false
	case c.unread() == nil:
		v.skip(c.file, "dockerd does not start with this file, see D01")
	default:
		v.unknown(c.file, "%v", c.docErr)
	}
	return true
}

// noAccount is noConfig for checks that need to know whose ranges dockerd reads.
func (f *facts) noAccount(v *verdicts) bool {
	switch {
	case f.ids.account != "":
		return false
	case f.conf.on && errors.Is(f.ids.ownerErr, daemoncfg.ErrAccount):
		v.skip("host", "there is no such user, see I01")
	case f.conf.on:
		v.unknown("host", "it is not known whose ranges dockerd reads: %v", f.ids.ownerErr)
	case !f.noConfig(v):
		v.skip("host", "userns-remap is not configured")
	}
	return true
}

// unmapped is noAccount for checks that need the map.
func (f *facts) unmapped(v *verdicts) bool {
	switch {
	case f.ids.mapped():
		return false
	case f.noAccount(v):
	case f.ids.uid.file == nil || f.ids.gid.file == nil:
		v.unknown("host", "%s", f.noWant())
	default:
		v.skip("host", "%s, see I02 and K07", f.noWant())
	}
	return true
}

// noRange is noAccount for checks that need the ranges of a side.
func (s *side) noRange(v *verdicts) bool {
	switch {
	case s.file == nil:
		v.unknown(s.path, "cannot be read: %v", s.err)
	case s.refused != nil, len(s.readings) == 0:
		v.skip(s.path, "no range to look at, see I02")
	default:
		return false
	}
	return true
}

// line names the line of a reading.
func (s *side) line(r subid.Reading) string { return s.path + ":" + strconv.Itoa(r.Line) }

func span(r subid.Reading) string { return fmt.Sprintf("%d:%d", r.Start, r.Count) }

// i01: user and group exist.
func (f *facts) i01(v *verdicts) {
	c := f.conf
	if !c.on {
		f.noAccount(v)
		return
	}
	err := f.ids.ownerErr
	switch {
	case err == nil && f.ids.owner.UID == nil && c.value == daemoncfg.Default:
		v.pass(c.value, "dockerd makes the user %s when it starts", f.ids.account).saw(orFile(c.place, c.file), c.value, "")
	case err == nil:
		fi := v.pass(c.value, "user %s and its group exist", f.ids.account).saw(orFile(c.place, c.file), c.value, "")
		if f.ids.owner.UID != nil {
			fi.saw("/etc/passwd", fmt.Sprintf("%s has UID %d", f.ids.account, *f.ids.owner.UID), "")
		}
	case errors.Is(err, daemoncfg.ErrAccount):
		v.fail(c.value, "%v", err).saw(orFile(c.place, c.file), c.value, "a user and a group that exist")
	default:
		v.unknown(c.value, "%v", err)
	}
}

func orFile(place, file string) string {
	if place == "" {
		return file
	}
	return place
}

// i02: both files have a range for it.
func (f *facts) i02(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	for _, s := range f.ids.sides() {
		switch {
		case s.file == nil:
			v.unknown(s.path, "cannot be read: %v", s.err)
		case s.refused != nil:
			v.fail(s.path, "dockerd refuses the file: %v", s.refused)
		case errors.Is(s.err, fs.ErrNotExist):
			v.fail(s.path, "there is no such file, and dockerd does not start without").saw(s.path, "no such file", f.ids.account+":START:65536")
		case len(s.readings) == 0:
			then := "and dockerd does not start without"
			if f.ids.owner.UID == nil && f.conf.value == daemoncfg.Default {
				then = "and dockerd will choose one without looking at those of others"
			}
			fi := v.fail(s.path, "no range for %s, %s", f.ids.account, then).saw(s.path, "no line", f.ids.account+":START:65536")
			if n := f.ids.nss.value; n != "" && n != "files" {
				fi.Text += "; dockerd does not ask the name service that nsswitch.conf names"
				fi.saw("/etc/nsswitch.conf", "subid: "+n, "")
			}
		default:
			f.entry(v, s)
		}
	}
}

// entry compares what the engines read: an upgrade must not change the map.
func (f *facts) entry(v *verdicts, s *side) {
	var got []string
	for _, r := range s.readings {
		got = append(got, span(r))
	}
	other := subid.Dockerd27
	if f.ids.reader == other {
		other = subid.Dockerd
	}
	list, err := s.file.As(other, f.ids.owner)
	want := strings.Join(got, ", ")
	var theirs []string
	for _, r := range list {
		theirs = append(theirs, span(r))
	}
	switch {
	case err != nil:
		v.warn(s.path, "%v", err).as(High).saw(s.path, want, "")
	case strings.Join(theirs, ", ") != want:
		v.warn(s.path, "%v reads other ranges", other).as(High).saw(f.ids.reader.String(), want, "").saw(other.String(), strings.Join(theirs, ", "), want)
	default:
		v.pass(s.path, "%s has %s", f.ids.account, want).saw(s.path, want, "")
	}
}

// i03: the ranges are large enough.
func (f *facts) i03(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	for _, s := range f.ids.sides() {
		if s.noRange(v) {
			continue
		}
		total := int64(0)
		for _, r := range s.readings {
			total += r.Count
		}
		if total < 65536 {
			v.fail(s.line(s.readings[0]), "%d IDs are too few", total).saw(s.path, strconv.FormatInt(total, 10), "65536 or more")
			continue
		}
		v.pass(s.path, "%d IDs", total).saw(s.path, strconv.FormatInt(total, 10), "65536 or more")
	}
	if f.engine == nil || !f.ids.mapped() {
		return
	}
	for i := range f.engine.Containers {
		c := &f.engine.Containers[i]
		name, group, _ := strings.Cut(c.User, ":")
		f.fits(v, c, name, f.ids.uid.m.ToHost)
		f.fits(v, c, group, f.ids.gid.m.ToHost)
	}
}

// fits fails where a numeric ID of a container is not mapped.
func (f *facts) fits(v *verdicts, c *engine.Container, id string, toHost func(uint32) (uint32, bool)) {
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || c.Userns == "host" {
		return
	}
	if _, ok := toHost(uint32(n)); !ok {
		v.fail(subjectOf(c), "is to run as %d, which is not mapped: it does not start", n).saw("Config.User", c.User, "an ID below the size of the range")
	}
}

// i04: same shift for users and groups.
func (f *facts) i04(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	u, g := &f.ids.uid, &f.ids.gid
	if u.noRange(v) || g.noRange(v) {
		return
	}
	a, b := u.readings[0].Start, g.readings[0].Start
	switch {
	case u.ok() && u.m.Equal(g.m), spans(u.readings) == spans(g.readings):
		v.pass("host", "both start at %d", a)
	case a == b:
		v.warn("host", "user IDs are %s, group IDs are %s", spans(u.readings), spans(g.readings)).
			saw(u.path, spans(u.readings), "").saw(g.path, spans(g.readings), "")
	default:
		v.warn("host", "user IDs start at %d, group IDs at %d", a, b).
			saw(u.line(u.readings[0]), span(u.readings[0]), "").saw(g.line(g.readings[0]), span(g.readings[0]), "")
	}
}

// i05: nobody of the host's own is mapped.
func (f *facts) i05(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	for _, s := range f.ids.sides() {
		if s.noRange(v) {
			continue
		}
		bad := false
		for _, r := range s.readings {
			if r.Count <= 0 || r.Start > maxSystemID {
				continue
			}
			bad = true
			who := "system accounts of the host"
			if r.Start <= 0 {
				who = "root of the host"
			}
			fi := v.fail(s.line(r), "%v reads %s: container IDs are %s", f.ids.reader, span(r), who)
			fi.saw(s.line(r), strings.TrimRight(s.text(r.Line), "\r\n"), "a start above 999, in plain decimal")
		}
		if !bad {
			v.pass(s.path, "no ID below 1000").saw(s.path, span(s.readings[0]), "a start above 999")
		}
	}
}

// text returns a line of the file as it stands there.
func (s *side) text(line int) string {
	n := 0
	for l := range strings.Lines(string(s.file.Bytes())) {
		if n++; n == line {
			return l
		}
	}
	return ""
}

// i06: the value is not root.
func (f *facts) i06(v *verdicts) {
	c := f.conf
	switch {
	case errors.Is(c.err, daemoncfg.ErrFailOpen) && c.value != "":
		v.fail(orFile(c.place, c.file), "userns-remap is %q: dockerd starts and does not remap", c.value).saw(orFile(c.place, c.file), c.value, "a user other than root")
	case c.on && f.ids.owner.UID != nil && *f.ids.owner.UID == 0:
		v.fail(orFile(c.place, c.file), "%s is root by its UID: dockerd starts and does not remap", c.value).saw("/etc/passwd", c.value+" has UID 0", "another UID")
	case c.on:
		v.pass(orFile(c.place, c.file), "userns-remap is %q", c.value).saw(orFile(c.place, c.file), c.value, "")
	default:
		f.noAccount(v)
	}
}

func holds(r subid.Reading, id int64) bool { return id >= r.Start && id-r.Start < r.Count }

func spans(list []subid.Reading) string {
	var all []string
	for _, r := range list {
		all = append(all, span(r))
	}
	return strings.Join(all, ", ")
}

// i09: nothing reserved.
func (f *facts) i09(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	for _, s := range f.ids.sides() {
		if s.noRange(v) {
			continue
		}
		bad := false
		for _, r := range s.readings {
			if r.Count <= 0 || r.Start <= maxSystemID {
				continue // I05 says worse
			}
			var hit []subid.Reserved
			for _, res := range subid.ReservedRanges() {
				if meets(r, res.Range) {
					hit = append(hit, res)
				}
			}
			if len(hit) == 0 {
				continue
			}
			bad = true
			fi := v.warn(s.line(r), "%s meets IDs of %s", span(r), hit[0].Name)
			if n := len(hit) - 1; n > 0 {
				fi.Text += fmt.Sprintf(" and %d more kinds", n)
			}
			if hit[0].Soft {
				fi.as(Low) // they are given out after a look at accounts
			}
			for _, res := range hit {
				fi.saw(res.Name, fmt.Sprintf("%d to %d", res.Start, res.Last()), "none of them")
			}
		}
		if !bad {
			v.pass(s.path, "meets no reserved range above those of the system")
		}
	}
}

func meets(r subid.Reading, s subid.Range) bool {
	return r.Start < int64(s.Start)+int64(s.Count) && int64(s.Start)-r.Start < r.Count // a sum could overflow
}

// i10: one range each.
func (f *facts) i10(v *verdicts) {
	if f.noAccount(v) {
		return
	}
	for _, s := range f.ids.sides() {
		if s.noRange(v) {
			continue
		}
		switch n := len(s.readings); {
		case n == 1:
			v.pass(s.path, "one range")
		case s.mapErr != nil:
			v.fail(s.path, "the kernel will not take these %d ranges: %v", n, s.mapErr).as(High).saw(s.path, spans(s.readings), "")
		default:
			v.warn(s.path, "%d ranges become container IDs 0, 1, ... in this order", n).saw(s.path, spans(s.readings), "")
		}
	}
}
