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
	"github.com/usernskit/usernskit/internal/text"
)

// engineVersion finds the version in what dockerd --version prints.
var engineVersion = regexp.MustCompile(`version v?(\d+)\.(\d+)`)

// askEngine lets the dockerd that is installed on the running host judge the
// file and the flags. Its word decides about keys that this package knows by
// name or not at all. One before 23.0 cannot be asked; of it the version is
// enough for the keys that came later.
//
// userns-remap is kept from it, among the flags too: --validate of dockerd 26
// and later makes the account and its ranges.
func (c *checker) askEngine(ctx context.Context, h usernskit.Host) {
	if !h.Live() || len(c.list) == 0 && c.doc.isBlank() {
		return
	}
	out, exit, err := h.Ask(ctx, "dockerd", "--version")
	if err != nil || exit != 0 {
		return // none is installed, or none that answers: the list stays as it is
	}
	version := 0 // of a build that does not say
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

// forVersion lets problems of other versions be notes.
func (c *checker) forVersion(version int) {
	for i := range c.list {
		p := &c.list[i]
		if p.Level == LevelFatal && (p.ID == ProblemEmptyFile && version >= 23 || version < p.from) {
			p.Level = LevelNote
		}
	}
}

// validate asks dockerd --validate, with a copy of the document that only this
// process and the program can open.
func (c *checker) validate(ctx context.Context, h usernskit.Host) (said string, refused bool, err error) {
	doc := *c.doc
	if !doc.isBlank() {
		if err := doc.Delete(remapKey); err != nil {
			return "", false, err
		}
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
	_, err = h.Command(limited, argv...) // and not Ask: the words are in the error
	var status interface{ ExitCode() int }
	switch {
	case err == nil:
		return "", false, nil
	case limited.Err() != nil || !errors.As(err, &status) || status.ExitCode() < 0:
		return "", false, err
	}
	if strings.Contains(err.Error(), unknownValidate) { // the last line only says where help is
		return unknownValidate, true, nil
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	said = strings.ReplaceAll(lines[len(lines)-1], file, c.doc.name)
	if i := strings.Index(said, "unable to configure"); i >= 0 {
		said = said[i:]
	}
	// It names keys in the order of a Go map.
	if head, list, ok := strings.Cut(said, "configuration option: "); ok {
		keys := strings.Split(list, ", ")
		slices.Sort(keys)
		said = head + "configuration option: " + strings.Join(keys, ", ")
	}
	return said, true, nil
}

// unknownValidate is what dockerd before 23 says to --validate.
const unknownValidate = "unknown flag: --validate"

// validateTimeout is the time that dockerd --validate gets.
const validateTimeout = 5 * time.Second
