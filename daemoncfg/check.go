package daemoncfg

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/internal/accounts"
	"github.com/usernskit/usernskit/internal/enum"
	"github.com/usernskit/usernskit/internal/text"
)

// A Problem in a configuration keeps dockerd from starting, or does not do what
// it seems to.
type Problem struct {
	ID   ProblemID
	Pos  usernskit.Pos
	Path []string // of the member of daemon.json; nil for a problem elsewhere
	// Text says what is wrong and with which versions. It does not repeat Pos.
	Text  string
	Level Level
	// Err is the error of a plan that causes the problem; it matches one of the
	// errors of this package. If it is nil, that error matches ErrInvalid.
	Err error

	from int // the first dockerd with the problem; 0: all
}

// String returns the text with its position before it.
func (p Problem) String() string {
	return usernskit.Warning{Pos: p.Pos, Text: p.Text}.String()
}

// A Level is the severity of a [Problem].
type Level = enum.Of[levelNames]

const (
	// LevelUnknown: whether dockerd starts is not known.
	LevelUnknown Level = iota
	// LevelFatal: dockerd does not start. This is the installed dockerd where its
	// version is known, else some dockerd from 20.10 to 29.
	LevelFatal
	// LevelNote: dockerd starts, and ignores or misreads it.
	LevelNote
)

type levelNames struct{}

func (levelNames) Names() (string, []string) { return "Level", []string{"unknown", "fatal", "note"} }

// A ProblemID names a kind of [Problem], for scripts and for callers
// that allow some.
type ProblemID string

const (
	ProblemEmptyFile      ProblemID = "empty-file"      // nothing or white space: dockerd 20.10 does not start
	ProblemNullDocument   ProblemID = "null-document"   // null, an empty configuration
	ProblemMissingFile    ProblemID = "missing-file"    // a flag names a daemon.json that is not there
	ProblemUnknownKey     ProblemID = "unknown-key"     // no known dockerd has the key
	ProblemRemovedKey     ProblemID = "removed-key"     // only an older dockerd has the key
	ProblemWrongType      ProblemID = "wrong-type"      // a known key with a value of another type
	ProblemIgnoredObject  ProblemID = "ignored-object"  // an object under a key that dockerd does not know
	ProblemNestedRemap    ProblemID = "nested-remap"    // userns-remap where nothing reads it
	ProblemFailOpen       ProblemID = "fail-open"       // a userns-remap that looks on and is off
	ProblemBadRemap       ProblemID = "bad-remap"       // a userns-remap with which dockerd does not start
	ProblemConflict       ProblemID = "flag-conflict"   // a key that is also set by a flag
	ProblemRefusedWord    ProblemID = "refused-word"    // a word of the command line that dockerd refuses
	ProblemUnknownFlag    ProblemID = "unknown-flag"    // no known dockerd has the flag, or only an older one
	ProblemSnapshotter    ProblemID = "snapshotter"     // the containerd image store is on, with userns-remap
	ProblemMissingAccount ProblemID = "missing-account" // the user or group of userns-remap does not exist
	ProblemRanges         ProblemID = "ranges"          // dockerd cannot map containers to the account
	ProblemUseradd        ProblemID = "no-useradd"      // no program to create dockremap with
	ProblemRefused        ProblemID = "refused"         // the installed dockerd refuses the file or the flags
)

// Check lists what keeps dockerd from starting on h with doc and the flags of
// s, and what does not do what it seems to: flags first, then the members of
// doc in order. The function ranges returns why dockerd cannot map containers
// to an account, and nil if it can; if ranges is nil, this is not checked.
//
// Where a dockerd from 23.0 on is installed on the running host, its own
// --validate decides about the file and the flags. The dockerd of a tree is not
// run, because a tree is not trusted.
func Check(ctx context.Context, h usernskit.Host, s dockerd.Startup, doc *Document, ranges func(ctx context.Context, account string) error) []Problem {
	c := checker{startup: s, doc: doc}
	c.flags()
	if missing := doc.before == nil && doc.root() == nil; missing && s.ConfigFileGiven {
		c.add(Problem{ID: ProblemMissingFile, Level: LevelFatal, Pos: usernskit.Pos{File: doc.name},
			Text: "a flag of dockerd names this file, and it is missing: dockerd does not start"})
	} else if !missing {
		c.list = append(c.list, doc.Lint()...)
	}
	c.list = append(c.list, conflicts(s, doc)...)
	if set := current(s, doc); set.On {
		c.remap(ctx, h, set, ranges)
	} else if errors.Is(set.Err, ErrRemap) && set.byFlag {
		id, level := remapProblem(set.Err)
		c.fails(id, level, set, set.Err)
	}
	c.askEngine(ctx, h)
	return c.list
}

type checker struct {
	startup dockerd.Startup
	doc     *Document
	list    []Problem
}

func (c *checker) add(p Problem) { c.list = append(c.list, p) }

// fails adds a problem of the configured userns-remap.
func (c *checker) fails(id ProblemID, level Level, set Setting, err error) {
	c.add(Problem{ID: id, Level: level, Pos: set.Pos, Text: err.Error(), Err: err})
}

// flags checks the words of the command line.
func (c *checker) flags() {
	for _, f := range c.startup.Flags {
		option, known := f.Option()
		p := Problem{Pos: f.Pos(), Level: LevelFatal}
		switch {
		case f.Refused != "":
			p.ID, p.Text = ProblemRefusedWord, fmt.Sprintf("%s: %s, and dockerd does not start with it", f.Spelled, f.Refused)
			if strings.Contains(f.Spelled, "$") && f.Var != "" {
				p.Text += "; systemd expands no variables in such a file"
			}
		case !known:
			p.ID, p.Text = ProblemUnknownFlag, fmt.Sprintf("%s: no dockerd from 20.10 to 29 has this flag, nor starts with it", f.Spelled)
		case option.Until != "":
			p.ID, p.Text = ProblemUnknownFlag, fmt.Sprintf("%s: dockerd from %s on does not have this flag and does not start with it", f.Spelled, option.Until)
			p.from = major(option.Until)
		default:
			continue
		}
		c.add(p)
	}
}

// remap checks what a userns-remap that is on needs.
func (c *checker) remap(ctx context.Context, h usernskit.Host, set Setting, ranges func(ctx context.Context, account string) error) {
	if p := snapshotter(c.startup, c.doc); p.Err != nil {
		c.add(p)
	}
	if c.startup.Rootless || isOn(c.startup, c.doc, "rootless") {
		c.add(Problem{ID: RiskRootless, Level: LevelFatal, Pos: set.Pos,
			Text: "dockerd is rootless here: it is in a user namespace already, and fails with userns-remap"})
	}
	look := accounts.New(h)
	if err := set.Remap.check(ctx, look); err != nil {
		level := LevelUnknown
		if errors.Is(err, ErrAccount) {
			level = LevelFatal
		}
		c.fails(ProblemMissingAccount, level, set, err)
		return
	}
	account, _ := set.Remap.account(ctx, look) // check has looked it up
	_, exists, err := look.ByName(ctx, accounts.Passwd, account).Get()
	if err == nil && !exists { // dockremap, which dockerd makes
		made, err := accounts.HasUseradd(h)
		switch {
		case err != nil:
			c.fails(ProblemUseradd, LevelUnknown, set, err)
		case !made:
			c.fails(ProblemUseradd, LevelFatal, set, refuse("there is no user "+DockremapUser+
				", and neither useradd nor adduser, with which dockerd would make it: it does not start", ErrAccount))
		}
	}
	if ranges == nil {
		return
	}
	if err := ranges(ctx, account); err != nil {
		c.fails(ProblemRanges, LevelFatal, set, err)
	}
}

// conflicts returns a problem for each key that both the document and a flag
// set. dockerd refuses them even if the values are equal.
func conflicts(s dockerd.Startup, doc *Document) (list []Problem) {
	for _, at := range effective(doc) {
		key := at[len(at)-1]
		// dockerd merges the runtimes of both (skipDuplicates in its source).
		if f, ok := s.Flag(key); ok && key != "runtimes" {
			p := conflict(f, key, doc.name, s.DropFlag(f))
			p.Path = at
			list = append(list, p)
		}
	}
	return list
}

// conflict is the problem of a flag whose key is in file too. The text fix says
// how to remove the flag.
func conflict(f dockerd.Flag, key, file, fix string) Problem {
	text := fmt.Sprintf("%s is a flag of dockerd here, and dockerd does not start when %q is in %s too; remove %q there, or the flag: %s",
		f.Spelled, key, file, key, fix)
	return Problem{ID: ProblemConflict, Level: LevelFatal, Pos: f.Pos(), Text: text, Err: refuse(f.Place()+": "+text, ErrConflict)}
}

// effective returns the paths of the keys that dockerd reads at the top, including
// those of objects one level down.
func effective(doc *Document) (paths [][]string) {
	for _, m := range doc.root().Items() {
		if !flattened(&m) {
			paths = append(paths, m.Path())
			continue
		}
		for _, inner := range m.Items() {
			paths = append(paths, inner.Path())
		}
	}
	return paths
}

const feature = "containerd-snapshotter"

// ImageStore returns where the containerd image store is switched on, in doc or
// by a flag of s.
func ImageStore(s dockerd.Startup, doc *Document) (at usernskit.Pos, on bool) {
	raw, _ := doc.Get("features", feature)
	flag := slices.IndexFunc(s.Flags, func(f dockerd.Flag) bool {
		return f.Name == "feature" && (f.Value == feature || f.Value == feature+"=true")
	})
	switch {
	case string(raw) == "true":
		return doc.pos("features", feature), true
	case flag >= 0:
		return s.Flags[flag].Pos(), true
	}
	return usernskit.Pos{}, false
}

// snapshotter is the problem of a containerd image store that is configured, or
// the zero Problem. Where it is only the default, dockerd 29 switches it off.
func snapshotter(s dockerd.Startup, doc *Document) Problem {
	at, on := ImageStore(s, doc)
	if !on {
		return Problem{}
	}
	why := fmt.Errorf("%s is switched on here, and dockerd from 29.0 does not start with it and userns-remap; remove it, its images are not seen under userns-remap anyway: %w", feature, ErrSnapshotter)
	return Problem{ID: ProblemSnapshotter, Level: LevelFatal, Pos: at, Text: why.Error(),
		Err: &usernskit.FileError{File: at.File, Line: at.Line, Col: at.Col, Err: why}}
}

// same reports whether two problems, before and after an edit, are the same.
func (p Problem) same(q Problem) bool {
	return p.ID == q.ID && slices.Equal(p.Path, q.Path) && p.Text == q.Text
}

// engineVersion finds the version in what dockerd --version prints.
var engineVersion = regexp.MustCompile(`version v?(\d+)\.(\d+)`)

// askEngine lets the installed dockerd of the running host judge the file and
// the flags. A dockerd before 23.0 has no --validate: problems of other versions
// become notes, and the rest of the list stays.
//
// userns-remap is left out, also among the flags: --validate of dockerd 26 and
// later creates the account and its ranges.
func (c *checker) askEngine(ctx context.Context, h usernskit.Host) {
	if !h.Live() || len(c.list) == 0 && c.doc.root() == nil {
		return
	}
	out, exit, err := h.Ask(ctx, "dockerd", "--version")
	if err != nil || exit != 0 {
		return // no dockerd answers: the list stays
	}
	version := 0 // if the build does not print one
	if m := engineVersion.FindSubmatch(out); m != nil {
		version, _ = strconv.Atoi(string(m[1]))
	}
	said, refused, err := c.validate(ctx, h)
	switch {
	case err != nil:
		c.add(Problem{ID: ProblemRefused, Level: LevelUnknown, Text: fmt.Sprintf("dockerd --validate could not be asked: %v", err)})
		return
	case refused && said == unknownValidate:
		c.forVersion(max(version, 20))
		return
	}
	c.forVersion(max(version, 23))
	if refused {
		c.add(Problem{ID: ProblemRefused, Level: LevelFatal, Pos: usernskit.Pos{File: c.doc.name},
			Text: "the dockerd that is installed does not start with it: " + text.Visible(said)})
		return
	}
	for i := range c.list {
		switch c.list[i].ID {
		case ProblemUnknownKey, ProblemRemovedKey, ProblemWrongType, ProblemUnknownFlag, ProblemRefusedWord, ProblemEmptyFile:
			if c.list[i].Level == LevelFatal {
				c.list[i].Level = LevelNote
				c.list[i].Text += "; the dockerd that is installed accepts it"
			}
		}
	}
}

// forVersion turns the fatal problems of other versions into notes.
func (c *checker) forVersion(version int) {
	for i := range c.list {
		p := &c.list[i]
		if p.Level == LevelFatal && (p.ID == ProblemEmptyFile && version >= 23 || version < p.from) {
			p.Level = LevelNote
		}
	}
}

// validate runs dockerd --validate on a copy of the document in a file without
// a directory entry.
func (c *checker) validate(ctx context.Context, h usernskit.Host) (said string, refused bool, err error) {
	doc := *c.doc
	if err := doc.Delete(remapKey); err != nil {
		return "", false, err
	}
	file, done, err := unnamedFile(doc.Bytes())
	if err != nil {
		return "", false, err
	}
	defer done()
	argv := []string{"dockerd", "--validate", "--config-file", file}
	for _, f := range c.startup.Flags {
		switch {
		case f.Name == remapKey, f.Name == "config-file", f.Name == "validate":
		case f.Name == "":
			argv = append(argv, f.Spelled)
		default:
			argv = append(argv, "--"+f.Name+"="+f.Value)
		}
	}
	limited, cancel := context.WithTimeout(ctx, validateTimeout)
	defer cancel()
	_, err = h.Command(limited, argv...) // not Ask: only this error has the message
	var status interface{ ExitCode() int }
	switch {
	case err == nil:
		return "", false, nil
	case limited.Err() != nil || !errors.As(err, &status) || status.ExitCode() < 0:
		return "", false, err
	}
	if strings.Contains(err.Error(), unknownValidate) { // the last line only points to --help
		return unknownValidate, true, nil
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	said = strings.ReplaceAll(lines[len(lines)-1], file, c.doc.name)
	if i := strings.Index(said, "unable to configure"); i >= 0 {
		said = said[i:]
	}
	// dockerd lists the keys in the random order of a Go map.
	if head, list, ok := strings.Cut(said, "configuration option: "); ok {
		keys := strings.Split(list, ", ")
		slices.Sort(keys)
		said = head + "configuration option: " + strings.Join(keys, ", ")
	}
	return said, true, nil
}

// unknownValidate is the answer of dockerd before 23 to --validate.
const unknownValidate = "unknown flag: --validate"

// validateTimeout is the time that dockerd --validate gets.
const validateTimeout = 5 * time.Second
