package bootargs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/usernskit/usernskit"
)

// Sources is what grub-mkconfig (update-grub) reads before it makes a menu:
// /etc/default/grub, and on Debian and Ubuntu the files of grub.d after it.
type Sources struct {
	// Shell is the program behind /bin/sh, "dash" or "bash"; "" where it is
	// not known.
	Shell string `json:"shell"`
	// Files are the files in the order in which they are read.
	Files []string `json:"files"`
	// Problems are the places where update-grub stops ([WarnStops]), or stops
	// if a command fails ([WarnMayStop]).
	Problems []usernskit.Warning `json:"problems"`
	// Values are the variables that reach the kernel. Path is the file that
	// decides each; State is StateCannotTell where its value is not known, and
	// Path is "" too where a file of them cannot be read as shell.
	Values []Place `json:"values"`
}

// Stops reports whether update-grub stops before it makes a menu.
func (s Sources) Stops() bool {
	return slices.ContainsFunc(s.Problems, func(w usernskit.Warning) bool { return w.ID == WarnStops })
}

// Check finds out whether update-grub will get through the files that it
// reads. update-grub runs them under "sh -e": a statement that is neither an
// assignment nor an existing command ends it, and no menu is made. A host
// without any of the files gives an error that matches [ErrNoPlace].
func Check(ctx context.Context, h usernskit.Host) (Sources, error) {
	s, err := load(ctx, h, "")
	if err != nil {
		return Sources{}, err
	}
	if s.shell == nil {
		s.loadShell()
	}
	if len(s.shell) == 0 {
		return Sources{}, fmt.Errorf("%w: %s does not exist", ErrNoPlace, defaultGrub)
	}
	sources := Sources{Shell: s.shellProgram(), Files: s.shell, Problems: []usernskit.Warning{}} // [] and not null
	var files []*shellFile
	unread := false // a file may set anything
	for _, name := range s.shell {
		f, err := parseShell(name, s.Read(name))
		if err != nil {
			var at *usernskit.FileError
			if !errors.As(err, &at) {
				return Sources{}, err
			}
			id := WarnCannotTell
			if !bytes.ContainsAny(s.Read(name), "\r\x00") && !(sources.Shell != "dash" && bashParses(s.Read(name))) {
				id = WarnStops
			}
			sources.Problems = append(sources.Problems, usernskit.Warning{ID: id, Pos: usernskit.Pos{File: at.File, Line: at.Line, Col: at.Col}, Text: at.Err.Error()})
			unread = true
			continue
		}
		files = append(files, f)
		sources.Problems = append(sources.Problems, s.problems(f)...)
	}
	env := evaluate(files...)
	for _, name := range []string{grubVariable, grubDefaultVariable} {
		v := env[name]
		p := Place{Path: v.file, What: name, For: "every kernel", Line: v.text, State: StateActive}
		if unread {
			p.Path, p.Line, p.State = "", "", StateCannotTell
		} else if v.unknown {
			p.Line, p.State = "", StateCannotTell
		}
		sources.Values = append(sources.Values, p)
	}
	if v, why := stopsLater(env); why != "" && !unread {
		sources.Problems = append(sources.Problems, usernskit.Warning{ID: WarnStops, Pos: usernskit.Pos{File: v.file, Line: v.line}, Text: why})
	}
	if s.Err != nil {
		return Sources{}, s.Err
	}
	return sources, nil
}

// bashParses reports whether bash can parse a file.
func bashParses(src []byte) bool {
	_, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(bytes.NewReader(src), "")
	return err == nil
}

// stopsLater returns the first value with which update-grub ends after it has
// read the files.
func stopsLater(env map[string]shellValue) (v shellValue, why string) {
	for _, name := range []string{grubVariable, grubDefaultVariable} {
		if v = env[name]; !v.unknown {
			if why = brokenMenu(v.text); why != "" {
				return v, why
			}
		}
	}
	if v = env["GRUB_TERMINAL"]; v.text == "" {
		v = env["GRUB_TERMINAL_OUTPUT"]
	}
	for _, word := range strings.Fields(v.text) {
		if !v.unknown && !slices.Contains([]string{"gfxterm", "console", "serial", "ofconsole", "vga_text"}, word) {
			return v, fmt.Sprintf("update-grub knows no output terminal %q and ends", word)
		}
	}
	return shellValue{}, ""
}

// brokenMenu returns why grub-script-check refuses a menu with this command
// line, "" where it does not.
func brokenMenu(text string) string {
	quote, braces := byte(0), 0
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '\\' && quote != '\'':
			if i++; i == len(text) {
				return "the value ends in a backslash, so the menu is refused"
			}
		case quote == 0 && (b == '"' || b == '\''):
			quote = b
		case b == quote:
			quote = 0
		case quote == 0 && strings.IndexByte("|&<>", b) >= 0:
			return fmt.Sprintf("the value has a %c that is not in quotes, so the menu is refused", b)
		case quote == 0 && b == '{':
			braces++
		case quote == 0 && b == '}':
			braces--
		case b == '$' && quote != '\'':
			if i+1 == len(text) || !isLetter(text[i+1]) && !isDigit(text[i+1]) && !strings.ContainsRune("_{?#*@", rune(text[i+1])) {
				return "the value has a $ without a name, so the menu is refused"
			}
		}
	}
	if quote != 0 {
		return "the value has a quote that is not closed, so the menu is refused"
	}
	if braces != 0 {
		return "the value has a brace without its other half, so the menu is refused"
	}
	return ""
}

// shellProgram returns the shell behind /bin/sh.
func (s *site) shellProgram() string {
	for _, link := range []string{"/bin/sh", "/usr/bin/sh"} {
		if target, err := s.h.Path(link); err == nil && s.Exists(link) {
			if base := path.Base(target); base != "sh" {
				return base
			}
		}
	}
	switch {
	case s.release.Is("debian", "ubuntu"):
		return "dash"
	case s.release.Is("fedora", "rhel", "suse", "opensuse", "arch"):
		return "bash"
	}
	return ""
}

// problems returns the places where "sh -e" stops, or may stop, in a file.
func (s *site) problems(f *shellFile) []usernskit.Warning {
	var list []usernskit.Warning
	if _, step, ok := readOnly(f); ok {
		list = append(list, usernskit.Warning{ID: WarnStops, Pos: usernskit.Pos{File: f.name, Line: step.line}, Text: step.name + " is read-only here, so that this assignment ends update-grub"})
	}
	relaxed := false // an error may not end the shell
	for _, c := range f.calls {
		relaxed = relaxed || c.name == "set" && strings.HasPrefix(c.arg(), "+")
		if why, sure := s.stops(f, c); why != "" {
			id := WarnMayStop
			if sure && !c.maybe && !relaxed {
				id = WarnStops
			}
			list = append(list, usernskit.Warning{ID: id, Pos: usernskit.Pos{File: f.name, Line: c.line, Col: c.col}, Text: why})
		}
	}
	return list
}

// stopsAt returns an error for the first place where update-grub stops for sure.
func (s *site) stopsAt(files ...*shellFile) error {
	for _, f := range files {
		for _, w := range s.problems(f) {
			if w.ID == WarnStops {
				return &usernskit.FileError{File: w.Pos.File, Line: w.Pos.Line, Col: w.Pos.Col, Err: fmt.Errorf("%w: %s", ErrStops, w.Text)}
			}
		}
	}
	return nil
}

// Commands that every sh has, and programs that every host has.
const (
	shBuiltins = " : alias break continue echo export jobs pwd readonly set times true ulimit umask unset wait "
	canFail    = " bg cd command eval fg getopts hash kill local printf read shift trap type unalias "
	bashFails  = " declare typeset let mapfile readarray shopt pushd popd dirs enable builtin caller logout disown help history [[ "
	everywhere = " awk basename cat chmod cp cut date dirname env expr find grep egrep fgrep head hostname id ls mkdir mktemp mv readlink rm sed sleep sort stat" +
		" tail tee tr uname uniq wc xargs "
)

// stops returns why a command ends the shell, "" where it does not; sure means
// that it always does.
func (s *site) stops(f *shellFile, c shellCall) (why string, sure bool) {
	shell := s.shellProgram()
	isBash := shell != "dash"
	name := c.name
	variable, _, appends := strings.Cut(name, "+=")
	is := func(commands string) bool { return strings.Contains(commands, " "+name+" ") }
	missing := func(arg string) bool {
		return strings.HasPrefix(arg, "/") && !strings.ContainsAny(arg, "*?[ ") && !s.Exists(arg)
	}
	switch {
	case c.why != "":
		return c.why, false
	case appends && syntax.ValidName(variable) && shell != "bash":
		return fmt.Sprintf("%s+= is not an assignment for dash, which looks for a command of that name", variable), !isBash
	case name == "set" && len(c.args) > 0 && !harmlessSet.MatchString(strings.Join(c.args, " ")):
		return "from here on the shell works differently, and update-grub may end at things that are no fault, " +
			"with -u at a variable that is not set", false
	case is(" exit exec "):
		return fmt.Sprintf("%q ends update-grub before it makes a menu", name), true
	case is(" export readonly ") && slices.ContainsFunc(c.args, invalidName):
		return fmt.Sprintf("%s takes no name that is written like this: are there blanks around '='?", name), true
	case appends && syntax.ValidName(variable), c.guarded:
		return "", false
	case name == "return":
		if c.arg() == "" || c.arg() == "0" {
			return "", false
		}
		return "from here the file gives a failure back, which ends update-grub", true
	case is(canFail), isBash && is(bashFails):
		return "if this fails, update-grub ends there", false
	case name == "":
		return "the command is in a variable; if it fails, update-grub ends there", false
	case name == "false":
		return `"false" ends update-grub here`, true
	case is(" [ test "):
		return "if this does not hold, update-grub ends there", false
	case name == "." || name == "source" && isBash:
		if strings.HasPrefix(c.arg(), "/") && s.Exists(c.arg()) {
			return "", false
		}
		if !strings.HasPrefix(c.arg(), "/") {
			return "it reads a file that is looked for where update-grub is started; without it update-grub ends there", false
		}
		return fmt.Sprintf("it reads %s, which does not exist", c.arg()), true
	case is(" awk cat cut grep head sed tail ") && slices.ContainsFunc(c.args, missing):
		return fmt.Sprintf("%s reads %s, which does not exist", name, c.args[slices.IndexFunc(c.args, missing)]), false
	case f.functions[name] || is(shBuiltins+everywhere) || s.program(name):
		return "", false
	case strings.HasPrefix(name, "\ufeff"):
		return "the file begins with a byte order mark, which sh takes for a part of the first word", true
	case strings.HasPrefix(c.arg(), "=") && (c.arg() == "=" || syntax.ValidName(name)):
		return fmt.Sprintf("it runs a command %s: are there blanks around '='?", name), true
	case strings.Contains(name, "="):
		return fmt.Sprintf("it runs a command %s: is a value with blanks not in quotes?", name), true
	}
	return fmt.Sprintf("it runs a command %q, which does not exist", name), true
}

// program reports whether the host has a program of that name.
func (s *site) program(name string) bool {
	if strings.Contains(name, "/") {
		return strings.HasPrefix(name, "/") && s.Exists(name)
	}
	for _, dir := range []string{"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/", "/usr/local/sbin/", "/usr/local/bin/"} {
		// Errors are ignored: no file can have some of these names.
		if info, err := s.h.Stat(dir + name); err == nil && info.Mode().IsRegular() {
			return true
		}
	}
	return false
}

// A shellCall is a command that a file runs.
type shellCall struct {
	name      string
	args      []string // "" for one that is not plain text
	line, col int
	guarded   bool   // its failure is handled, or does not count
	maybe     bool   // it may not be reached
	why       string // not a call: why update-grub may end here
}

// invalidName reports whether export would refuse an argument. One with an
// expansion in it is "".
func invalidName(arg string) bool {
	name, _, _ := strings.Cut(arg, "=")
	return arg != "" && !strings.HasPrefix(arg, "-") && !syntax.ValidName(strings.TrimSuffix(name, "+"))
}

func (c shellCall) arg() string { return strings.Join(c.args[:min(len(c.args), 1)], "") }

// harmlessSet matches the arguments of set that do not make a shell end which
// runs with -e already.
var harmlessSet = regexp.MustCompile(`^(-[aehvx]+( |$))*(--.*|[^-+].*)?$`)

// collectCalls finds the commands that "sh -e" may reach.
func (f *shellFile) collectCalls(stmts []*syntax.Stmt) {
	callWalker{f: f}.all(stmts)
	if len(stmts) == 0 {
		return
	}
	s := stmts[len(stmts)-1]
	if b, ok := s.Cmd.(*syntax.BinaryCmd); s.Negated || ok && b.Op == syntax.AndStmt {
		f.mayStop(s, "the file ends in a condition; if that does not hold, update-grub ends there")
	}
}

func (f *shellFile) mayStop(at syntax.Node, why string) {
	f.calls = append(f.calls, shellCall{line: int(at.Pos().Line()), col: int(at.Pos().Col()), why: why})
}

// A callWalker goes through statements.
type callWalker struct {
	f       *shellFile
	sub     bool // they run in a subshell
	guarded bool
	maybe   bool
}

func (w callWalker) all(stmts []*syntax.Stmt) {
	for _, s := range stmts {
		w.one(s)
	}
}

func (w callWalker) one(s *syntax.Stmt) {
	w.guarded = w.guarded || s.Negated || s.Background
	for _, r := range s.Redirs {
		isFile := r.Word != nil && !slices.Contains([]syntax.RedirOperator{syntax.DplOut, syntax.DplIn, syntax.Hdoc, syntax.DashHdoc}, r.Op)
		if isFile && !w.sub && !strings.HasPrefix(w.f.plain(r.Word), "/dev/") {
			w.f.mayStop(r.Word, "if this file cannot be opened, update-grub ends there")
		}
	}
	tried, maybe, sub := w, w, w
	tried.guarded, maybe.maybe, sub.sub = true, true, true
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		w.call(c)
	case *syntax.BinaryCmd:
		tried.one(c.X)
		if c.Op == syntax.AndStmt || c.Op == syntax.OrStmt {
			w = maybe
		} // a pipe has the status of its last command
		w.one(c.Y)
	case *syntax.IfClause:
		for i := c; i != nil; i = i.Else {
			tried.all(i.Cond)
			maybe.all(i.Then)
		}
	case *syntax.WhileClause:
		tried.all(c.Cond)
		maybe.all(c.Do)
	case *syntax.ForClause:
		maybe.all(c.Do)
	case *syntax.CaseClause:
		for _, item := range c.Items {
			maybe.all(item.Stmts)
		}
	case *syntax.Block:
		w.all(c.Stmts)
	case *syntax.Subshell:
		sub.all(c.Stmts)
	case *syntax.FuncDecl:
		maybe.one(c.Body)
	}
}

func (w callWalker) call(c *syntax.CallExpr) {
	for _, a := range c.Assigns {
		if a.Value != nil && len(c.Args) == 0 { // an assignment has the status of its last substitution
			w.substitutions(a.Value)
		}
	}
	if len(c.Args) == 0 {
		return
	}
	tried := w
	tried.guarded = true
	var texts []string
	for _, a := range c.Args {
		tried.substitutions(a)
		texts = append(texts, w.f.plain(a))
	}
	at := c.Args[0].Pos()
	call := shellCall{name: texts[0], args: texts[1:], guarded: w.guarded, maybe: w.maybe}
	call.line, call.col = int(at.Line()), int(at.Col())
	if call.name == "." || call.name == "source" { // no "||" helps if the file does not exist, in the shell itself
		call.guarded = w.guarded && w.sub
	}
	if w.sub && call.name == "exit" {
		if call.arg() == "" || call.arg() == "0" {
			return
		}
		call.name = "false"
	}
	if !w.sub || call.name != "exec" {
		w.f.calls = append(w.f.calls, call)
	}
}

func (w callWalker) substitutions(word *syntax.Word) {
	w.sub = true
	syntax.Walk(word, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst:
			w.all(n.Stmts)
			return false
		case *syntax.ParamExp:
			if n.Exp != nil && (n.Exp.Op == syntax.ErrorUnset || n.Exp.Op == syntax.ErrorUnsetOrNull) {
				w.f.mayStop(n, "if the variable is not set, update-grub ends here")
			}
		case *syntax.BinaryArithm:
			if n.Op == syntax.Quo || n.Op == syntax.Rem {
				w.f.mayStop(n, "a division by zero ends update-grub")
			}
		}
		return true
	})
}

// plain returns a word without its quotes, "" if it has an expansion.
func (f *shellFile) plain(word *syntax.Word) string {
	w := decodeWord(f.src, int(word.Pos().Offset()), int(word.End().Offset()))
	if understood(word.Parts, false, false) != nil || slices.Max(append(w.variable, 0)) > 0 {
		return ""
	}
	return w.text
}
