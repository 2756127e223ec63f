package subid

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

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
	ProblemBOM             ProblemID = "byte-order-mark"    // the first owner begins with a byte order mark
	ProblemReadersDiffer   ProblemID = "readers-differ"     // the line means different things to different programs
	ProblemSlot            ProblemID = "deterministic-slot" // has IDs that useradd gives to another UID without a look at the file
	ProblemFormulaBroken   ProblemID = "formula-broken"     // not useradd's range for this UID
	ProblemMixedMode       ProblemID = "mixed-mode"         // deterministic in one file only
	ProblemReserved        ProblemID = "reserved"           // see ReservedRanges
	ProblemHiddenByNIS     ProblemID = "hidden-by-nis"      // after a "+" or "-" line, where useradd does not look
	ProblemNameAndUIDBoth  ProblemID = "name-and-uid-both"  // lines under the name and lines under the UID of one account
	ProblemDanglingOwner   ProblemID = "dangling-owner"     // the account does not exist
	ProblemCountBelow65536 ProblemID = "count-below-65536"  // too few for an image to have a user nobody
	ProblemUIDGIDDiffer    ProblemID = "uid-gid-differ"     // not the same ranges in both files
	ProblemKubelet         ProblemID = "kubelet-misaligned" // not what the kubelet demands of its range
	ProblemNoFinalNewline  ProblemID = "no-final-newline"   // shadow-utils from 4.19 on refuses the file
	ProblemSymlink         ProblemID = "symlink"            // shadow-utils refuses the file
	ProblemNSSIgnored      ProblemID = "nss-ignored"        // nsswitch.conf names a source that dockerd does not ask
	ProblemLimits          ProblemID = "limits"             // login.defs leaves no IDs to choose from
	ProblemAccountsUnseen  ProblemID = "accounts-unseen"    // accounts that could not be listed or asked for
	ProblemFindingsCut     ProblemID = "findings-cut"       // more findings of a kind than are kept
)

var severity = func() map[ProblemID]int {
	order := map[ProblemID]int{}
	for i, id := range []ProblemID{ProblemRootMapped, ProblemOverlap, ProblemHostsMeet, ProblemDuplicate, ProblemLoginUserMapped,
		ProblemNotDecimal, ProblemTooLarge, ProblemWraps, ProblemZeroCount, ProblemBOM, ProblemReadersDiffer, ProblemSlot,
		ProblemFormulaBroken, ProblemMixedMode, ProblemReserved, ProblemHiddenByNIS, ProblemNameAndUIDBoth, ProblemDanglingOwner,
		ProblemCountBelow65536, ProblemUIDGIDDiffer, ProblemKubelet, ProblemNoFinalNewline, ProblemSymlink, ProblemNSSIgnored,
		ProblemLimits, ProblemAccountsUnseen, ProblemFindingsCut} {
		order[id] = i
	}
	return order
}()

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
	place := p.File
	if p.Line > 0 {
		place += ":" + strconv.Itoa(p.Line)
	}
	return text.Visible(place + ": " + string(p.ID) + ": " + p.Text)
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

// add keeps a problem if there is room; text is called only then.
func (f *findings) add(id ProblemID, file string, line int, owner string, words func() string) {
	key := kind{id, file}
	n := f.count[key] + 1
	f.count[key] = n
	if n <= maxFindings {
		f.list = append(f.list, Problem{id, file, line, strings.TrimSpace(owner), words()})
	}
}

func (f *findings) addf(id ProblemID, file string, line int, owner, format string, args ...any) {
	f.add(id, file, line, owner, func() string { return fmt.Sprintf(format, args...) })
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
			cmp.Compare(severity[a.ID], severity[b.ID]), cmp.Compare(a.Text, b.Text))
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
// kind for each file; "findings-cut" has the number of the others.
func (s *Set) Problems(ctx context.Context) ([]Problem, error) {
	f := &findings{ctx: ctx, count: map[kind]int{}}
	for _, path := range s.symlinks {
		f.addf(ProblemSymlink, path, 0, "", "a symbolic link: useradd, newuidmap and getsubids refuse to open it")
	}
	for _, file := range s.files() {
		s.lines(f, file)
	}
	s.owners(f)
	if s.subidSource != "" {
		f.addf(ProblemNSSIgnored, nsswitchFile, 0, "", "%s", s.nssText())
	}
	for _, why := range s.unseen {
		f.addf(ProblemAccountsUnseen, unseenFile(why), 0, "", "%s", why)
	}
	for _, err := range []error{s.uidErr, s.gidErr} {
		if err != nil {
			f.addf(ProblemLimits, defsFile, 0, "", "%s", strings.TrimPrefix(err.Error(), defsFile+": "))
		}
	}
	if s.uid.deterministic != s.gid.deterministic {
		f.addf(ProblemMixedMode, defsFile, 0, "", "SUB_UID_DETERMINISTIC and SUB_GID_DETERMINISTIC differ: useradd gives different IDs in the two files")
	}
	return f.done()
}

// unseenFile is the file to which a reason for unseen accounts belongs.
func unseenFile(why string) string {
	for _, path := range []string{"/etc/passwd", "/etc/group"} {
		if strings.Contains(why, path) {
			return path
		}
	}
	return nsswitchFile
}

// A claimed is what a program finds on a line; there may be millions.
type claimed struct {
	Range
	line, at uint32 // at is where the line starts in the text
}

// lines finds what is wrong with each line by itself, with the accounts, and
// with other lines.
func (s *Set) lines(out *findings, f *File) {
	var all []claimed
	var odd []owned
	users := s.holders(f)
	w, _ := s.window(f)
	behindNIS := 0
	for l, r := range f.entries() {
		if out.cancelled() {
			return
		}
		if l.number == 1 && strings.HasPrefix(l.text, "\ufeff") {
			out.addf(ProblemBOM, f.name, 1, l.owner, "the file begins with a byte order mark: no program takes the first line for one of %q", strings.TrimPrefix(l.owner, "\ufeff"))
		}
		if r.Count > 0 {
			s.oneRange(out, f, l, r, w)
			all = append(all, claimed{r, uint32(l.number), uint32(l.at)})
			users.find(out, f, l, l.owner, r)
		} else if !comment(l.text) && strings.TrimSpace(l.text) != "" {
			id, why := oddWhy(l)
			out.add(id, f.name, l.number, l.owner, func() string { return why() + ": " + reader.Explain(l.text) })
			odd = oddRanges(odd[:0], l.text)
			for _, o := range odd {
				all = append(all, claimed{o.Range, uint32(l.number), uint32(l.at)})
				users.find(out, f, l, o.owner, o.Range)
			}
		}
		if behindNIS > 0 && r.Count > 0 {
			out.addf(ProblemHiddenByNIS, f.name, l.number, l.owner,
				"follows the NIS entry of line %d: useradd does not see it and may give these IDs to another user", behindNIS)
		}
		if nis(l.text) && behindNIS == 0 {
			behindNIS = l.number
		}
	}
	for l, r := range f.joined() {
		all = append(all, claimed{r, uint32(l.number), uint32(l.at)})
	}
	if f.text != "" && !strings.HasSuffix(f.text, "\n") {
		out.addf(ProblemNoFinalNewline, f.name, strings.Count(f.text, "\n")+1, "",
			"no newline at the end of the file: shadow-utils from 4.19 on refuses the whole file")
	}
	overlaps(out, []*File{f}, [][]claimed{all})
}

// oneRange finds what is wrong with the range of a line that all programs read.
func (s *Set) oneRange(out *findings, f *File, l line, r Range, w window) {
	var reserved []string
	for _, x := range reservedTable {
		switch {
		case x.Soft || !x.Overlaps(r):
		case x.Start == 0:
			out.addf(ProblemRootMapped, f.name, l.number, l.owner, "%s includes ID 0, the root of the host", named(l.owner, r))
		default:
			reserved = append(reserved, fmt.Sprintf("%d-%d (%s)", max(x.Start, r.Start), min(x.Last(), r.Last()), x.Name))
		}
	}
	if len(reserved) > 0 {
		out.add(ProblemReserved, f.name, l.number, l.owner, func() string {
			return named(l.owner, r) + " has reserved IDs: " + strings.Join(reserved, ", ")
		})
	}
	if r.Count < minCount {
		out.addf(ProblemCountBelow65536, f.name, l.number, l.owner, "fewer than 65536 IDs (%d): ID 65534 (nobody) of an image cannot be mapped", r.Count)
	}
	if l.owner == kubelet && (r.Start%minCount != 0 || r.Count%minCount != 0) {
		out.addf(ProblemKubelet, f.name, l.number, l.owner, "the kubelet takes only a start and a count that are multiples of 65536, not %v", r)
	}
	if !w.deterministic {
		return
	}
	a, exists := s.user(l.owner)
	if exists {
		if slot, ok := w.slot(a.ID); ok {
			if slot != r {
				out.addf(ProblemFormulaBroken, f.name, l.number, l.owner, "%s is not %v, which useradd gives to UID %d (%s, deterministic)",
					named(l.owner, r), slot, a.ID, defsFile)
			} else {
				return
			}
		}
	}
	var uid *uint32
	if exists {
		uid = &a.ID
	}
	if n, ok := w.foreignSlot(uid, r); ok {
		out.addf(ProblemSlot, f.name, l.number, l.owner, "%s has IDs that useradd gives to UID %d without reading this file (%s, deterministic)",
			named(l.owner, r), n, defsFile)
	}
}

// oddWhy returns why a line is not plain.
func oddWhy(l line) (ProblemID, func() string) {
	quoted := func() string { return fmt.Sprintf("%.80q is not read alike", l.text) }
	fields := strings.Split(l.text, ":")
	if len(fields) != 3 || !plainOwner(fields[0]) || len(l.text) > reader.MaxLine {
		return ProblemReadersDiffer, quoted
	}
	var n [2]uint64
	for i, what := range []string{"start", "count"} {
		field := fields[i+1]
		if strings.TrimSpace(l.text) != l.text && strings.Trim(strings.TrimSpace(field), "0123456789") == "" {
			return ProblemReadersDiffer, quoted // a blank or "\r" at the end of the line
		}
		if strings.Trim(field, "0123456789") != "" || field == "" || len(field) > 1 && field[0] == '0' {
			return ProblemNotDecimal, func() string { return fmt.Sprintf("%s %q is not a plain decimal number", what, field) }
		}
		if n[i], _ = decimal(field); n[i] > maxID+1 {
			return ProblemTooLarge, func() string { return fmt.Sprintf("%s %s is larger than any ID", what, field) }
		}
	}
	switch {
	case n[1] == 0:
		return ProblemZeroCount, func() string { return "a range of no IDs" }
	case n[0]+n[1] > maxID+1:
		return ProblemWraps, func() string { return "runs past 4294967294, the last ID" }
	}
	return ProblemReadersDiffer, quoted // a line after one with a NUL byte
}

// holders are the accounts whose IDs a file must not include, by ID.
type holders struct {
	list []known.Account
	done int // the line for which one was found
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

// find adds a problem for the accounts in a range, one for each line.
func (h *holders) find(out *findings, f *File, l line, owner string, r Range) {
	byID := func(a known.Account, id uint64) int { return cmp.Compare(uint64(a.ID), id) }
	first, _ := slices.BinarySearchFunc(h.list, uint64(max(r.Start, 1)), byID)
	after, _ := slices.BinarySearchFunc(h.list, r.end(), byID)
	if first >= after || h.done == l.number {
		return
	}
	h.done = l.number
	a, more := h.list[first], ""
	if n := after - first - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	out.addf(ProblemLoginUserMapped, f.name, l.number, l.owner, "%s includes ID %d, that of %s%s", named(owner, r), a.ID, a.Name, more)
}

// overlaps finds the lines with IDs of other lines, in one file or in those of
// several hosts. Of two such lines the one that starts later, or is further
// down, is reported and the other is named.
func overlaps(out *findings, files []*File, claims [][]claimed) {
	type placed struct {
		claimed
		file int
	}
	var all []placed
	for i, list := range claims {
		for _, c := range list {
			all = append(all, placed{c, i})
		}
	}
	slices.SortFunc(all, func(a, b placed) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	// The top reaches furthest so far. If it is on the same line as c, an
	// earlier line with an ID of c overlaps the top too, and was found.
	var top placed
	found := make([][]bool, len(files)) // by line
	for i, list := range claims {
		lines := uint32(0)
		for _, c := range list {
			lines = max(lines, c.line)
		}
		found[i] = make([]bool, lines+1)
	}
	for _, c := range all {
		if out.cancelled() {
			return
		}
		if (c.file != top.file || c.line != top.line) && c.Overlaps(top.Range) && !found[c.file][c.line] {
			found[c.file][c.line] = true
			f, g := files[c.file], files[top.file]
			owner, other := f.ownerAt(c.claimed), g.ownerAt(top.claimed)
			switch where := fmt.Sprintf("line %d", top.line); {
			case len(files) > 1:
				out.addf(ProblemHostsMeet, f.name, int(c.line), owner, "%s overlaps %s of %s:%d", named(owner, c.Range), named(other, top.Range), g.name, top.line)
			case c.Range == top.Range && owner == other:
				out.addf(ProblemDuplicate, f.name, int(c.line), owner, "%s is on %s already: a map of both is invalid", named(owner, c.Range), where)
			default:
				out.addf(ProblemOverlap, f.name, int(c.line), owner, "%s overlaps %s of %s", named(owner, c.Range), named(other, top.Range), where)
			}
		}
		if c.end() > top.end() {
			top = c
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
	out := &findings{ctx: ctx, count: map[kind]int{}}
	files := append([]*File{f}, others...)
	var claims [][]claimed
	for _, file := range files {
		// Overlaps within one file do not count: each ID counts once.
		var ids []claimed
		for l, r := range file.claims() {
			if out.cancelled() {
				return nil, ctx.Err()
			}
			ids = append(ids, claimed{r, uint32(l.number), uint32(l.at)})
		}
		claims = append(claims, ids)
	}
	for i := range files {
		for j := i + 1; j < len(files); j++ {
			between := []*File{files[i], files[j]}
			overlaps(out, between, [][]claimed{once(claims[i]), once(claims[j])})
		}
	}
	return out.done()
}

// once cuts claims so that they do not overlap; earlier ones stay whole.
func once(list []claimed) (out []claimed) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b claimed) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.line, b.line)) })
	end := uint64(0)
	for _, c := range list {
		last := c.end()
		if last <= end {
			continue
		}
		c.Start = uint32(max(uint64(c.Start), end))
		c.Count = uint32(min(last-uint64(c.Start), math.MaxUint32))
		end = last
		out = append(out, c)
	}
	return out
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

// owners checks all lines of an owner together.
func (s *Set) owners(out *findings) {
	byName, byUID := map[string]known.Account{}, map[string]known.Account{}
	for _, a := range s.users {
		byName[a.Name], byUID[strconv.FormatUint(uint64(a.ID), 10)] = a, a
	}
	// at puts a problem under the first line of an owner in a file.
	at := func(h *holding, i int, id ProblemID, format string, args ...any) {
		out.addf(id, s.files()[i].name, h.first[i], h.owner, format, args...)
	}
	order, held := s.holdings(out, func(owner string) string { return owner })
	for _, h := range order {
		_, named := byName[h.owner]
		a, numbered := byUID[h.owner]
		for i := range h.first {
			if h.first[i] == 0 {
				continue
			}
			switch why := s.whyOpen(h.owner); {
			case named || numbered || h.owner == Dockremap && s.hasUseradd() || strings.HasPrefix(h.owner, "\ufeff"):
			case why == nil && s.lookup != nil:
				at(h, i, ProblemDanglingOwner, "%s", noAccount(h.owner))
			case why != nil && s.open[h.owner] != nil:
				at(h, i, ProblemAccountsUnseen, "whether the account %s exists is not known: %v", h.owner, why)
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
