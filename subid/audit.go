package subid

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/usernskit/usernskit"
	known "github.com/usernskit/usernskit/internal/accounts"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/subid/reader"
)

// A ProblemID names a kind of problem. It is stable: scripts match on it.
type ProblemID string

// The kinds of problems, the most severe first: those of one line are in this
// order.
const (
	ProblemRootMapped      ProblemID = "root-mapped"        // includes ID 0, the host's root
	ProblemOverlap         ProblemID = "overlap"            // shares IDs with another line
	ProblemHostsMeet       ProblemID = "hosts-meet"         // shares IDs with a line of another host
	ProblemDuplicate       ProblemID = "duplicate"          // a copy of another line
	ProblemLoginUserMapped ProblemID = "login-user-mapped"  // includes the ID of an account
	ProblemNotDecimal      ProblemID = "not-decimal"        // a start or count that is not a plain decimal number
	ProblemTooLarge        ProblemID = "too-large"          // a start or count beyond any ID
	ProblemWraps           ProblemID = "wraps"              // runs past 4294967294, the last ID
	ProblemZeroCount       ProblemID = "zero-count"         // a range of no IDs
	ProblemBOM             ProblemID = "byte-order-mark"    // an owner begins with a byte order mark
	ProblemReadersDiffer   ProblemID = "readers-differ"     // the line means different things to different programs
	ProblemSlot            ProblemID = "deterministic-slot" // has IDs that useradd gives to another UID without reading the file
	ProblemFormulaBroken   ProblemID = "formula-broken"     // not useradd's range for this UID
	ProblemMixedMode       ProblemID = "mixed-mode"         // deterministic in one file only
	ProblemReserved        ProblemID = "reserved"           // see ReservedRanges
	ProblemHiddenByNIS     ProblemID = "hidden-by-nis"      // after a "+" or "-" line, where useradd does not look
	ProblemNameAndUIDBoth  ProblemID = "name-and-uid-both"  // lines under the name and lines under the UID of one account
	ProblemDanglingOwner   ProblemID = "dangling-owner"     // the account does not exist
	ProblemCountBelow65536 ProblemID = "count-below-65536"  // too few IDs to map ID 65534 (nobody) of an image
	ProblemUIDGIDDiffer    ProblemID = "uid-gid-differ"     // not the same ranges in both files
	ProblemKubelet         ProblemID = "kubelet-misaligned" // not what the kubelet demands of its range
	ProblemNoFinalNewline  ProblemID = "no-final-newline"   // shadow-utils from 4.19 on refuses the file
	ProblemSymlink         ProblemID = "symlink"            // shadow-utils refuses the file
	ProblemNSSIgnored      ProblemID = "nss-ignored"        // nsswitch.conf names a source that dockerd does not ask
	ProblemLimits          ProblemID = "limits"             // login.defs leaves no IDs to choose from
	ProblemAccountsUnseen  ProblemID = "accounts-unseen"    // accounts that could not be listed or asked for
	ProblemFindingsCut     ProblemID = "findings-cut"       // more findings of a kind than are kept
)

// bySeverity has all kinds in order.
var bySeverity = []ProblemID{ProblemRootMapped, ProblemOverlap, ProblemHostsMeet, ProblemDuplicate, ProblemLoginUserMapped,
	ProblemNotDecimal, ProblemTooLarge, ProblemWraps, ProblemZeroCount, ProblemBOM, ProblemReadersDiffer, ProblemSlot,
	ProblemFormulaBroken, ProblemMixedMode, ProblemReserved, ProblemHiddenByNIS, ProblemNameAndUIDBoth, ProblemDanglingOwner,
	ProblemCountBelow65536, ProblemUIDGIDDiffer, ProblemKubelet, ProblemNoFinalNewline, ProblemSymlink, ProblemNSSIgnored,
	ProblemLimits, ProblemAccountsUnseen, ProblemFindingsCut}

// A Problem is a finding about a file.
type Problem struct {
	ID    ProblemID `json:"id"`
	File  string    `json:"file"`
	Line  int       `json:"line"`  // from 1; 0 for the file as a whole
	Owner string    `json:"owner"` // whose line it is; "" for the file as a whole
	Text  string    `json:"text"`  // what is wrong, and what each program reads where they differ
}

// String returns "/etc/subuid:3: overlap: what is wrong", safe for a terminal.
func (p Problem) String() string {
	pos := usernskit.Pos{File: p.File, Line: p.Line}
	return text.Visible(pos.String() + ": " + string(p.ID) + ": " + p.Text)
}

// maxFindings is how many of one kind are kept for one file.
const maxFindings = 1000

// findings collects problems.
type findings struct {
	ctx   context.Context
	seen  int
	list  []Problem
	count map[kind]int
}

// A kind of findings is counted for each file.
type kind struct {
	id   ProblemID
	file string
}

// add keeps a problem if there is room, and makes its text only then.
func (f *findings) add(id ProblemID, file string, line int, owner, format string, args ...any) {
	key := kind{id, file}
	f.count[key]++
	if f.count[key] <= maxFindings {
		f.list = append(f.list, Problem{id, file, line, strings.TrimSpace(owner), fmt.Sprintf(format, args...)})
	}
}

// at adds a problem of a line.
func (f *findings) at(c Claim, id ProblemID, format string, args ...any) {
	f.add(id, c.File, c.Line, c.Owner, format, args...)
}

// cancelled is called for each line and looks at the context now and then.
func (f *findings) cancelled() bool {
	f.seen++
	return f.seen%1024 == 0 && f.ctx.Err() != nil
}

// done returns the problems by file and line.
func (f *findings) done() ([]Problem, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	for key, n := range f.count {
		if n > maxFindings {
			f.list = append(f.list, Problem{ProblemFindingsCut, key.file, math.MaxInt, "",
				fmt.Sprintf("%d more findings of %s are not shown", n-maxFindings, key.id)})
		}
	}
	order := map[string]int{UIDFile: 1, GIDFile: 2, nsswitchFile: 3}
	slices.SortFunc(f.list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(slices.Index(bySeverity, a.ID), slices.Index(bySeverity, b.ID)), cmp.Compare(a.Text, b.Text))
	})
	for i := range f.list {
		if f.list[i].Line == math.MaxInt {
			f.list[i].Line = 0
		}
	}
	return slices.Compact(f.list), nil
}

// Problems checks both files, and compares them with each other, the accounts,
// the limits and nsswitch.conf. It sorts by file and line, and keeps 1000 of a
// kind for each file; "findings-cut" has the number of the rest.
func (s *Set) Problems(ctx context.Context) ([]Problem, error) {
	f := &findings{ctx: ctx, count: map[kind]int{}}
	for _, n := range s.notes {
		f.add(n.ID, n.File, 0, "", "%s", n.Text)
	}
	for _, file := range s.files() {
		s.checkLines(f, file)
		if err := s.window(file).err; err != nil {
			f.add(ProblemLimits, defsFile, 0, "", "%s", strings.TrimPrefix(err.Error(), defsFile+": "))
		}
	}
	s.checkOwners(f)
	if s.window(s.UID).deterministic != s.window(s.GID).deterministic {
		f.add(ProblemMixedMode, defsFile, 0, "", "SUB_UID_DETERMINISTIC and SUB_GID_DETERMINISTIC differ: useradd gives different IDs in the two files")
	}
	return f.done()
}

// A claimed is a range that a program finds on a line of one of several files.
// It is small, since there may be millions.
type claimed struct {
	Range
	file, line, at uint32 // at is where the line starts in the text
}

func (l line) claimed(file int) claimed {
	return claimed{l.Range, uint32(file), uint32(l.Line), uint32(l.at)}
}

// checkLines finds what is wrong with each line by itself, with the accounts,
// and with other lines.
func (s *Set) checkLines(out *findings, f *File) {
	var all []claimed
	users := s.holders(f)
	w := s.window(f)
	behindNIS := 0
	for l := range f.lines() {
		if out.cancelled() {
			return
		}
		if owner, bom := strings.CutPrefix(l.Owner, "\ufeff"); bom {
			out.at(l.Claim, ProblemBOM, "begins with a byte order mark: no program takes the line for one of %q", owner)
		}
		if l.Count > 0 {
			s.checkRange(out, l.Claim, w)
			all = append(all, l.claimed(0))
			users.find(out, l, l.Claim)
			if behindNIS > 0 {
				out.at(l.Claim, ProblemHiddenByNIS, "follows the NIS entry of line %d: useradd does not see it and may give these IDs to another user", behindNIS)
			}
		} else if !comment(l.text) && strings.TrimSpace(l.text) != "" {
			id, why := oddWhy(l)
			out.at(l.Claim, id, "%s: %v", why, explained(l.text))
			for _, c := range l.readings() {
				users.find(out, l, c)
				odd := l
				odd.Range = c.Range
				all = append(all, odd.claimed(0))
			}
		}
		if nis(l.text) && behindNIS == 0 {
			behindNIS = l.Line
		}
	}
	for l := range f.joined() {
		all = append(all, l.claimed(0))
	}
	if f.text != "" && !strings.HasSuffix(f.text, "\n") {
		out.add(ProblemNoFinalNewline, f.name, strings.Count(f.text, "\n")+1, "",
			"no newline at the end of the file: shadow-utils from 4.19 on refuses the whole file")
	}
	overlaps(out, all, f)
}

// explained is a line whose explanation is made only when it is printed.
type explained string

func (e explained) String() string { return reader.Explain(string(e)) }

// checkRange finds what is wrong with the range of a line that all programs
// read.
func (s *Set) checkRange(out *findings, c Claim, w *window) {
	var reserved []string
	for _, x := range reservedTable {
		switch {
		case x.Soft || !x.Overlaps(c.Range):
		case x.Start == 0:
			out.at(c, ProblemRootMapped, "%s includes ID 0, the root of the host", named(c.Owner, c.Range))
		default:
			reserved = append(reserved, fmt.Sprintf("%d-%d (%s)", max(x.Start, c.Start), min(x.Last(), c.Last()), x.Name))
		}
	}
	if len(reserved) > 0 {
		out.at(c, ProblemReserved, "%s has reserved IDs: %s", named(c.Owner, c.Range), strings.Join(reserved, ", "))
	}
	if c.Count < minCount {
		out.at(c, ProblemCountBelow65536, "fewer than 65536 IDs (%d): ID 65534 (nobody) of an image cannot be mapped", c.Count)
	}
	if c.Owner == kubelet && (c.Start%minCount != 0 || c.Count%minCount != 0) {
		out.at(c, ProblemKubelet, "the kubelet takes only a start and a count that are multiples of 65536, not %v", c.Range)
	}
	if !w.deterministic {
		return
	}
	var uid *uint32
	if a, exists := s.user(c.Owner); exists {
		uid = &a.ID
		if slot, ok := w.slot(a.ID); ok && slot != c.Range {
			out.at(c, ProblemFormulaBroken, "%s is not %v, which useradd gives to UID %d (%s, deterministic)",
				named(c.Owner, c.Range), slot, a.ID, defsFile)
		}
	}
	if n, ok := w.foreignSlot(uid, c.Range); ok {
		out.at(c, ProblemSlot, "%s has IDs that useradd gives to UID %d without reading this file (%s, deterministic)",
			named(c.Owner, c.Range), n, defsFile)
	}
}

// oddWhy returns why a line is not plain.
func oddWhy(l line) (id ProblemID, why string) {
	odd := fmt.Sprintf("%.80q is not read alike", l.text)
	fields := strings.Split(l.text, ":")
	if len(fields) != 3 || !plainOwner(fields[0]) || len(l.text) > reader.MaxLine {
		return ProblemReadersDiffer, odd
	}
	var n [2]uint64
	for i, what := range []string{"start", "count"} {
		field := fields[i+1]
		if strings.TrimSpace(l.text) != l.text && strings.Trim(strings.TrimSpace(field), "0123456789") == "" {
			return ProblemReadersDiffer, odd // a blank or "\r" at the end of the line
		}
		if strings.Trim(field, "0123456789") != "" || field == "" || len(field) > 1 && field[0] == '0' {
			return ProblemNotDecimal, fmt.Sprintf("%s %q is not a plain decimal number", what, field)
		}
		if n[i], _ = decimal(field); n[i] > maxID+1 {
			return ProblemTooLarge, fmt.Sprintf("%s %s is larger than any ID", what, field)
		}
	}
	switch {
	case n[1] == 0:
		return ProblemZeroCount, "a range of no IDs"
	case n[0]+n[1] > maxID+1:
		return ProblemWraps, "runs past 4294967294, the last ID"
	}
	return ProblemReadersDiffer, "follows a NUL byte, which joins it to the line before to shadow-utils"
}

// holders are the accounts whose IDs a file must not include, sorted by ID.
type holders struct {
	list []known.Account
	done int // the last line that was reported
}

func (s *Set) holders(f *File) *holders {
	list := slices.Clone(s.users)
	if f == s.GID {
		for i := range list {
			list[i].ID = list[i].GID
		}
		list = append(slices.Clone(s.groups), list...)
	}
	slices.SortStableFunc(list, func(a, b known.Account) int { return cmp.Compare(a.ID, b.ID) })
	return &holders{list: list}
}

// find reports the accounts in a range that a program finds on a line, once for
// each line.
func (h *holders) find(out *findings, l line, c Claim) {
	byID := func(a known.Account, id uint64) int { return cmp.Compare(uint64(a.ID), id) }
	first, _ := slices.BinarySearchFunc(h.list, uint64(max(c.Start, 1)), byID)
	after, _ := slices.BinarySearchFunc(h.list, c.end(), byID)
	if first >= after || h.done == l.Line {
		return
	}
	h.done = l.Line
	a, more := h.list[first], ""
	if n := after - first - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	out.at(l.Claim, ProblemLoginUserMapped, "%s includes ID %d, that of %s%s", named(c.Owner, c.Range), a.ID, a.Name, more)
}

// overlaps finds the lines that share IDs: in one file, or in those of several
// hosts. Of two such lines it reports the one that starts later, or is further
// down, once for each file, and names the other.
func overlaps(out *findings, all []claimed, files ...*File) {
	slices.SortFunc(all, func(a, b claimed) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	// The top of a file is the range that reaches furthest so far. If it is on
	// the same line as c, an earlier line that overlaps c overlaps the top too,
	// and was found.
	tops := make([]claimed, len(files))
	found := map[[3]uint32]bool{}
	for _, c := range all {
		if out.cancelled() {
			return
		}
		for i, top := range tops {
			pair := [3]uint32{c.file, c.line, uint32(i)}
			if !c.Overlaps(top.Range) || len(files) > 1 && i == int(c.file) || len(files) == 1 && c.line == top.line || found[pair] {
				continue
			}
			found[pair] = true
			f, g := files[c.file], files[i]
			at, other := Claim{f.name, int(c.line), f.ownerAt(c), c.Range}, g.ownerAt(top)
			switch {
			case len(files) > 1:
				out.at(at, ProblemHostsMeet, "%s overlaps %s of %s:%d", named(at.Owner, c.Range), named(other, top.Range), g.name, top.line)
			case c.Range == top.Range && at.Owner == other:
				out.at(at, ProblemDuplicate, "%s is on line %d already: a map of both is invalid", named(at.Owner, c.Range), top.line)
			default:
				out.at(at, ProblemOverlap, "%s overlaps %s of line %d", named(at.Owner, c.Range), named(other, top.Range), top.line)
			}
		}
		if c.end() > tops[c.file].end() {
			tops[c.file] = c
		}
	}
}

// ownerAt returns the owner field of a claim's line.
func (f *File) ownerAt(c claimed) string {
	owner, _, _ := strings.Cut(f.text[c.at:endOfLine(f.text, int(c.at))], ":")
	return strings.TrimSpace(owner)
}

// Against returns where ranges of this file and of others overlap, as any
// program reads them: with the files of several hosts, whether containers on
// two hosts could share IDs.
func (f *File) Against(ctx context.Context, others ...*File) ([]Problem, error) {
	if len(others) == 0 {
		return nil, ctx.Err()
	}
	out := &findings{ctx: ctx, count: map[kind]int{}}
	files := append([]*File{f}, others...)
	var all []claimed
	for i, file := range files {
		for l := range file.claims() {
			if out.cancelled() {
				return nil, ctx.Err()
			}
			all = append(all, l.claimed(i))
		}
	}
	overlaps(out, all, files...)
	return out.done()
}

// Against is [File.Against] for both files of the host. A file with "gid" in its
// base name is compared with /etc/subgid, any other with /etc/subuid.
func (s *Set) Against(ctx context.Context, others ...*File) (all []Problem, err error) {
	var sides [2][]*File
	for _, f := range others {
		side := min(strings.Count(path.Base(f.name), "gid"), 1)
		sides[side] = append(sides[side], f)
	}
	for i, own := range s.files() {
		list, err := own.Against(ctx, sides[i]...)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// A holding is an owner's plain lines in the two files.
type holding struct {
	owner string
	first [2]int // lines
	has   [2][]Range
}

// holdings collects the lines under each key, in order.
func (s *Set) holdings(out *findings, key func(owner string) string) (order []*holding, held map[string]*holding) {
	held = map[string]*holding{}
	for i, f := range s.files() {
		for c := range f.Ranges() {
			if out.cancelled() {
				return nil, nil
			}
			k := key(c.Owner)
			h := held[k]
			if h == nil {
				h = &holding{owner: c.Owner}
				held[k] = h
				order = append(order, h)
			}
			if h.first[i] == 0 {
				h.first[i] = c.Line
			}
			h.has[i] = append(h.has[i], c.Range)
		}
	}
	return order, held
}

// checkOwners checks all lines of an owner together.
func (s *Set) checkOwners(out *findings) {
	byName, byUID := map[string]known.Account{}, map[string]known.Account{}
	for _, a := range s.users {
		byName[a.Name], byUID[strconv.FormatUint(uint64(a.ID), 10)] = a, a
	}
	// at puts a problem under the first line of an owner in a file.
	at := func(h *holding, i int, id ProblemID, format string, args ...any) {
		out.add(id, s.files()[i].name, h.first[i], h.owner, format, args...)
	}
	order, held := s.holdings(out, func(owner string) string { return owner })
	for _, h := range order {
		_, named := byName[h.owner]
		a, numbered := byUID[h.owner]
		for i := range h.first {
			if h.first[i] == 0 {
				continue
			}
			if !named && !numbered && !strings.HasPrefix(h.owner, "\ufeff") {
				if id, why := s.missing(h.owner); id != "" {
					at(h, i, id, "%s", why)
				}
			}
			if other := held[a.Name]; numbered && other != nil && other.first[i] > 0 {
				at(h, i, ProblemNameAndUIDBoth, "%s is the UID of %s, whose name is on line %d: %v read this line only, %v both",
					h.owner, a.Name, other.first[i], reader.Dockerd27, reader.Dockerd)
			}
			if h.owner == kubelet && len(h.has[i]) > 1 {
				at(h, i, ProblemKubelet, "the kubelet takes one range only, not %s", join(h.has[i]))
			}
		}
	}
	// A line of the UID in one file pairs with one of the name in the other.
	order, _ = s.holdings(out, func(owner string) string {
		if a, ok := byUID[owner]; ok {
			return a.Name
		}
		return owner
	})
	for _, h := range order {
		if slices.Equal(h.has[0], h.has[1]) {
			continue
		}
		i := 0
		if h.first[0] == 0 {
			i = 1
		}
		at(h, i, ProblemUIDGIDDiffer, "%s in %s, %s in %s", joinOr(h.has[0]), UIDFile, joinOr(h.has[1]), GIDFile)
	}
}

func joinOr(list []Range) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.ReplaceAll(join(list), ", ", " and ")
}
