package subid

import (
	"fmt"
	"strconv"
	"strings"
)

// IDs of problems. They are stable: scripts match on them.
const (
	NotDecimal       = "not-decimal"        // a start or count that is no plain decimal number
	Wraps            = "wraps"              // runs past 4294967294, the last ID there is
	TooLarge         = "too-large"          // a start or count that is no ID at all
	ZeroCount        = "zero-count"         // a range of no IDs
	RootMapped       = "root-mapped"        // gives away ID 0, the host's root
	LoginUserMapped  = "login-user-mapped"  // gives away the ID of an account
	Overlap          = "overlap"            // shares IDs with another line
	Duplicate        = "duplicate"          // says what another line says
	ReservedIDs      = "reserved"           // holds IDs that have another meaning; see ReservedRanges
	ReadersDiffer    = "readers-differ"     // the line means different things to different programs
	HiddenByNIS      = "hidden-by-nis"      // stands after a "+" or "-" line, where useradd does not look
	NoFinalNewline   = "no-final-newline"   // shadow-utils from 4.19 on refuses the file
	Symlink          = "symlink"            // shadow-utils refuses the file
	DanglingOwner    = "dangling-owner"     // no such account
	NameAndUIDBoth   = "name-and-uid-both"  // lines under the name and lines under the UID of one account
	CountBelow65536  = "count-below-65536"  // too few for an image to have a user nobody
	UIDGIDDiffer     = "uid-gid-differ"     // not the same ranges in both files
	KubeletUnaligned = "kubelet-misaligned" // not what the kubelet demands of its range
	NSSIgnored       = "nss-ignored"        // nsswitch.conf names a source that dockerd does not ask
	NoAccount        = "no-account"         // a warning of plans: the owner of the lines does not exist
	AccountsUnseen   = "accounts-unseen"    // accounts that could not be listed, so that nothing is known of their IDs
)

// A Problem is something about a file that a person should look at.
type Problem struct {
	ID    string // one of the constants
	File  string
	Line  int    // from 1; 0 for the file as a whole
	Owner string // whose line it is; "" for the file as a whole
	Text  string // what is wrong, and who reads what where readers differ
}

// String returns "/etc/subuid:3: overlap: what is wrong".
func (p Problem) String() string {
	place := p.File
	if p.Line > 0 {
		place += ":" + strconv.Itoa(p.Line)
	}
	return place + ": " + p.ID + ": " + p.Text
}

// Problems returns what the file by itself shows to be wrong, in the order of
// its lines. [Audit] adds what takes the rest of the host to see.
func (f *File) Problems() []Problem {
	var list []Problem
	shared := f.shared()
	behindNIS := 0
	for l, r := range f.entries() {
		add := func(id, format string, args ...any) {
			list = append(list, Problem{id, f.name, l.Number, strings.TrimSpace(l.Owner), fmt.Sprintf(format, args...)})
		}
		if r.Count == 0 {
			if id, text := f.odd(l); id != "" {
				add(id, "%s", text)
			}
		} else {
			oneRange(l.Owner, r, add)
		}
		if p, ok := shared[l.Number]; ok {
			add(p.ID, "%s", p.Text)
		}
		if behindNIS > 0 && r.Count > 0 {
			add(HiddenByNIS, "stands behind the NIS entry of line %d: useradd does not see it and may give these IDs away again", behindNIS)
		}
		if nis(l.Text) && behindNIS == 0 {
			behindNIS = l.Number
		}
	}
	if f.text != "" && !strings.HasSuffix(f.text, "\n") {
		list = append(list, Problem{NoFinalNewline, f.name, strings.Count(f.text, "\n") + 1, "",
			"no newline at the end of the file: shadow-utils from 4.19 on refuses the whole file"})
	}
	return list
}

// oneRange finds what is wrong with the range of a line that all readers read.
func oneRange(owner string, r Range, add func(id, format string, args ...any)) {
	for _, x := range reservedTable {
		switch {
		case x.Soft || !x.Overlaps(r):
		case x.Start == 0:
			add(RootMapped, "%s gives away ID 0, the root of the host", named(owner, r))
		default:
			add(ReservedIDs, "%s has IDs of %d-%d: %s", named(owner, r), x.Start, x.Last(), x.Name)
		}
	}
	if r.Count < 65536 {
		add(CountBelow65536, "%d IDs are fewer than 65536, so that ID 65534 (nobody) of an image has none", r.Count)
	}
	if owner == "kubelet" && (r.Start%65536 != 0 || r.Count%65536 != 0) {
		add(KubeletUnaligned, "the kubelet takes only a start and a count that are multiples of 65536, not %v", r)
	}
}

// odd returns what is wrong with a line that readers do not all read alike.
// Comments and blank lines are in order: all of them come to nothing.
func (f *File) odd(l Line) (id, text string) {
	if trimmed := strings.TrimSpace(l.Text); trimmed == "" || trimmed[0] == '#' {
		return "", ""
	}
	id, text = oddWhy(l.Text)
	if text == "" {
		text = fmt.Sprintf("%.80q is not read alike", l.Text)
	}
	return id, text + ": " + whoReadsWhat(l.Text)
}

// oddWhy tells why a line is not plain. The text is empty where the ID says it.
func oddWhy(text string) (id, why string) {
	fields := strings.Split(text, ":")
	if len(fields) != 3 || !plainOwner(fields[0]) || len(text) > maxLine {
		return ReadersDiffer, ""
	}
	var n [2]uint64
	for i, what := range []string{"start", "count"} {
		field := fields[i+1]
		if strings.TrimSpace(text) != text && strings.Trim(strings.TrimSpace(field), "0123456789") == "" {
			return ReadersDiffer, "" // a blank or "\r" at the end of the line
		}
		if strings.Trim(field, "0123456789") != "" || field == "" || len(field) > 1 && field[0] == '0' {
			return NotDecimal, fmt.Sprintf("%s %q is not a plain decimal number", what, field)
		}
		if n[i], _ = decimal(field, 0); n[i] > maxID+1 {
			return TooLarge, fmt.Sprintf("%s %s is larger than any ID", what, field)
		}
	}
	switch {
	case n[1] == 0:
		return ZeroCount, "a range of no IDs"
	case n[0]+n[1] > maxID+1:
		return Wraps, "runs past 4294967294, the last ID there is"
	}
	return ReadersDiffer, "" // a line behind one with a NUL byte
}
