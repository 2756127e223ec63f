package dockerd

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/usernskit/usernskit"
)

// A script starts dockerd for an init system that is not systemd.
type script struct {
	file, text string
	init       Init
}

// scriptDirs are where init systems have their scripts: every file, or that file
// in every subdirectory.
var scriptDirs = [...]struct {
	path, file string
	init       Init
}{
	{"/etc/init.d", "", InitSysV}, {"/etc/init", "", InitUpstart}, {"/etc/sv", "run", InitRunit},
	{"/etc/service", "run", InitRunit}, {"/var/service", "run", InitRunit}, {"/service", "run", InitRunit},
	{"/etc/services.d", "run", InitRunit},
}

// findScripts finds the scripts that start dockerd, by name or content.
func findScripts(h usernskit.Host) (all []script, err error) {
	services := map[string]bool{} // /etc/service/docker leads to /etc/sv/docker
	for _, dir := range scriptDirs {
		names, err := list(h, dir.path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if services[name] && dir.init == InitRunit || dir.init == InitUpstart && !strings.HasSuffix(name, ".conf") {
				continue
			}
			sc := script{file: path.Join(dir.path, name, dir.file), init: dir.init}
			data, err := h.ReadFile(sc.file)
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, usernskit.ErrNotRegular) {
				continue
			}
			if err != nil {
				return nil, err
			}
			sc.text = string(data)
			if first, _, _ := strings.Cut(sc.text, "\n"); sc.init == InitSysV && strings.Contains(first, "openrc-run") {
				sc.init = InitOpenRC
			}
			starts, err := sc.startsDockerd(h, strings.TrimSuffix(name, ".conf"))
			if err != nil {
				return nil, err
			}
			if starts {
				all = append(all, sc)
				services[name] = dir.init == InitRunit
			}
		}
	}
	return all, nil
}

// startsDockerd reports whether a script is named like dockerd, or starts it.
func (sc script) startsDockerd(h usernskit.Host, name string) (bool, error) {
	switch name {
	case "docker", "dockerd", "docker-latest", "docker-ce", "docker.io":
		return true, nil
	}
	if !strings.Contains(sc.text, "docker") {
		return false, nil
	}
	s := Startup{}
	err := s.readScript(h, sc)
	return len(s.Unsure) == 0 || len(s.Flags) > 0, err
}

// readScript reads the flags from a script.
func (s *Startup) readScript(h usernskit.Host, sc script) error {
	s.Init = sc.init
	s.Files = append(s.Files, sc.file)
	sh := &shell{host: h, vars: variables{}}
	switch sc.init {
	case InitUpstart:
		sc.text = upstartShell(sc)
	case InitOpenRC: // openrc-run(8) sources it first
		sh.vars["RC_SVCNAME"] = word{text: path.Base(sc.file)}
		if err := sh.source("/etc/conf.d/" + path.Base(sc.file)); err != nil {
			return err
		}
	}
	return s.takeShell(sh, sc, sc.file)
}

// takeShell evaluates a script and adds what it starts.
func (s *Startup) takeShell(sh *shell, sc script, place string) error {
	if err := sh.read(sc); err != nil {
		var bad *usernskit.FileError
		if sc.file != "" && errors.As(err, &bad) && bad.File == sc.file {
			s.Unsure = append(s.Unsure, err.Error())
			return nil
		}
		return err
	}
	if command, ok := sh.vars["command"]; sc.init == InitOpenRC && ok && len(sh.starts) == 0 && isDockerd(command.text) {
		var args []word
		for _, name := range []string{"command_args", "command_args_background", "command_args_foreground"} {
			sh.use(name)
			for _, text := range splitWords(sh.vars[name].text, false) { // openrc-run evaluates them
				args = append(args, word{text, sh.vars[name].from})
			}
		}
		sh.starts = append(sh.starts, args)
	}
	s.Files = append(s.Files, sh.sourced...)
	if len(sh.starts) == 0 {
		s.Unsure = append(s.Unsure, place+": a start of dockerd is not seen in it")
		for _, file := range flagFiles {
			if len(sh.sourced) == 0 && sh.source(file) == nil {
				s.Files = append(s.Files, sh.sourced...)
			}
		}
		for _, name := range flagVariables {
			s.Flags = append(s.Flags, readFlags(sh.use(name))...)
		}
		return nil
	}
	s.Rootless = sh.rootless
	for i, words := range sh.starts {
		flags := readFlags(words)
		if i > 0 && !slices.EqualFunc(flags, readFlags(sh.starts[0]), sameFlag) {
			sh.doubt("%s: it starts dockerd in more than one way", place)
		}
		if i == 0 {
			s.Flags = flags
		}
	}
	s.Unsure = append(s.Unsure, sh.unsure...)
	return nil
}

func sameFlag(a, b Flag) bool { return a.Name == b.Name && a.Value == b.Value }

// upstartShell turns an upstart job, init(5), into a shell script with the same
// line numbers. It keeps the lines between script and end script, exec lines,
// and the variables of env.
func upstartShell(sc script) string {
	job := strings.TrimSuffix(path.Base(sc.file), ".conf")
	out := []string{}
	inside, other := false, false
	for line := range strings.SplitSeq(sc.text, "\n") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case word == "end" && rest == "script":
			inside, other = false, false
			line = ""
		case other:
			line = ""
		case inside:
		case word == "script":
			inside = true
			line = ""
		case (word == "pre-start" || word == "post-start" || word == "pre-stop" || word == "post-stop") && rest == "script":
			other = true
			line = ""
		case word == "exec":
		case word == "env":
			line = rest
		default:
			line = ""
		}
		out = append(out, line)
	}
	return "UPSTART_JOB=" + job + ";" + strings.Join(out, "\n")
}

// A shell reads scripts without running them: it follows assignments and
// sourced files, and notes the starts of dockerd.
type shell struct {
	host     usernskit.Host
	vars     variables
	open     map[string]string // variables whose value is unknown, and why
	args     []word            // "$@" outside of functions
	missing  string            // a missing file that a script reads
	line     int               // of a text without a file
	starts   [][]word          // dockerd's arguments, for each start
	rootless bool
	sourced  []string
	unsure   []string

	depth     int // of files that source one another
	functions int // around the current command
}

func (s *shell) doubt(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(s.unsure, text) {
		s.unsure = append(s.unsure, text)
	}
}

// use returns the words of an unquoted variable.
func (s *shell) use(name string) []word {
	if why, ok := s.open[name]; ok {
		s.doubt("%s", why)
	} else if _, known := s.vars[name]; !known && s.missing != "" {
		s.doubt("%s, and may set %s", s.missing, name)
	}
	return shellWords(s.vars[name])
}

// source reads a file that a script sources, if it exists.
func (s *shell) source(file string) error {
	data, err := s.host.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, usernskit.ErrNotRegular) {
		s.doubt("%s: a shell that reads it stops, because it is not a file", file)
		return nil
	}
	if err != nil {
		return err
	}
	if s.depth++; s.depth > 8 {
		return nil // it sources itself
	}
	defer func() { s.depth-- }()
	s.sourced = append(s.sourced, file)
	return s.read(script{file: file, text: string(data)})
}

func (s *shell) read(sc script) error {
	parsed, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(sc.text), sc.file)
	if err != nil {
		var line, col int
		var bad syntax.ParseError
		if errors.As(err, &bad) {
			line, col = int(bad.Pos.Line()), int(bad.Pos.Col())
			err = fmt.Errorf("no shell can read this file: %s", bad.Text)
		}
		return &usernskit.FileError{File: sc.file, Line: line, Col: col, Err: err}
	}
	if i := strings.Index(sc.text, "\r\n"); i >= 0 {
		s.doubt("%s:%d: a shell takes the carriage return at the end of the line for part of it", sc.file, 1+strings.Count(sc.text[:i], "\n"))
	}
	top := map[syntax.Node]bool{}
	for _, stmt := range parsed.Stmts {
		top[stmt.Cmd] = true
	}
	var inside []func() // leaves the nodes around this one
	syntax.Walk(parsed, func(node syntax.Node) bool {
		if err != nil {
			return false
		}
		if node == nil {
			inside[len(inside)-1]()
			inside = inside[:len(inside)-1]
			return true
		}
		leave := func() {}
		switch cmd := node.(type) {
		case *syntax.FuncDecl:
			s.functions++
			leave = func() { s.functions-- }
		case *syntax.Subshell:
			vars, unknown := maps.Clone(s.vars), maps.Clone(s.open)
			leave = func() { s.vars, s.open = vars, unknown }
		case *syntax.WordIter: // for X in ...
			s.unknown(cmd.Name.Value, s.origin(sc, cmd, ""))
		case *syntax.ParamExp:
			if cmd.Exp != nil && (cmd.Exp.Op == syntax.AssignUnset || cmd.Exp.Op == syntax.AssignUnsetOrNull) {
				s.assignDefault(sc, cmd, len(inside) <= 5) // file, statement, command, word, quotes
			}
		case *syntax.CallExpr:
			if len(cmd.Args) == 0 {
				s.assign(sc, cmd.Assigns, top[node])
			} else {
				err = s.call(sc, cmd, top[node])
			}
		case *syntax.DeclClause: // export X=y
			s.assign(sc, cmd.Args, top[node])
		}
		inside = append(inside, leave)
		return true
	})
	return err
}

func (s *shell) origin(sc script, node syntax.Node, name string) origin {
	line := int(node.Pos().Line())
	if s.line > 0 && s.depth == 0 {
		line = s.line
	}
	return origin{sc.file, line, name}
}

func (s *shell) assign(sc script, list []*syntax.Assign, top bool) {
	for _, a := range list {
		if a.Name == nil || a.Naked {
			continue
		}
		name := a.Name.Value
		value, ok := s.literal(a.Value)
		if a.Append {
			value = s.vars[name].text + value
		}
		from := s.origin(sc, a, name)
		if of, is := s.vars[sole(a.Value)]; is && of.text == value && !a.Append {
			from = of.from // X="${Y}": where Y is written
		}
		if !ok || !top {
			s.unknown(name, from)
		}
		s.vars[name] = word{value, from}
	}
}

// assignDefault follows ${X:=y}, which sets a variable that has no value.
func (s *shell) assignDefault(sc script, p *syntax.ParamExp, top bool) {
	name := p.Param.Value
	set, known := s.vars[name]
	value, ok := s.literal(p.Exp.Word)
	from := s.origin(sc, p, name)
	switch {
	case set.text != "" || known && p.Exp.Op == syntax.AssignUnset:
	case ok && top:
		s.vars[name] = word{value, from}
	default:
		s.unknown(name, from)
	}
}

// unknown notes that the value of a variable is not known from here on.
func (s *shell) unknown(name string, from origin) {
	if s.open == nil {
		s.open = map[string]string{}
	}
	s.open[name] = fmt.Sprintf("%s:%d: what %s is depends on what the shell does here", from.file, from.line, name)
}

// sole returns the variable that a word consists of, or "".
func sole(w *syntax.Word) string {
	if w == nil || len(w.Parts) != 1 {
		return ""
	}
	part := w.Parts[0]
	if q, ok := part.(*syntax.DblQuoted); ok && len(q.Parts) == 1 {
		part = q.Parts[0]
	}
	if p, ok := part.(*syntax.ParamExp); ok && p.Param != nil {
		return p.Param.Value
	}
	return ""
}

// libraries are the distributions' functions for init scripts. They do not
// start dockerd or set its flags.
var libraries = []string{"/lib/lsb/init-functions", "/usr/lib/lsb/init-functions", "/etc/init.d/functions", "/etc/rc.d/init.d/functions", "/etc/rc.status"}

// call handles a command that sources a file or starts dockerd.
func (s *shell) call(sc script, cmd *syntax.CallExpr, top bool) error {
	before := len(s.unsure)
	var words []word
	sure := true
	for _, arg := range cmd.Args {
		list, ok := s.fields(sc, arg)
		words, sure = append(words, list...), sure && ok
	}
	doubts := slices.Clone(s.unsure[before:])
	s.unsure = s.unsure[:before] // doubts count only in a start of dockerd
	if len(words) == 0 {
		return nil
	}
	place := fmt.Sprintf("%s:%d", sc.file, s.origin(sc, cmd, "").line)
	switch path.Base(words[0].text) {
	case ".", "source":
		if len(words) < 2 || !sure || len(doubts) > 0 {
			s.doubt("%s: which file is read here depends on what the shell does", place)
			return nil
		}
		file := words[1].text
		if !path.IsAbs(file) {
			file = path.Join(path.Dir(sc.file), file) // a run script starts in its own directory
		}
		if slices.Contains(libraries, file) {
			return nil
		}
		if there, err := exists(s.host, file); err != nil {
			return err
		} else if !there && top {
			s.missing = fmt.Sprintf("%s: %s, which is read here, is missing", place, file)
		}
		return s.source(file)
	case "unset", "read", "getopts":
		for _, w := range words[1:] {
			s.unknown(w.text, s.origin(sc, cmd, ""))
		}
		return nil
	case "[", "test", "which", "type", "command", "hash", "echo", "printf", "pidof", "pidofproc", "pgrep", "pkill", "kill",
		"killall", "killproc", "checkproc", "status", "status_of_proc", "grep", "egrep", "ps", "rm", "touch", "mkdir", "chown",
		"chmod", "logger", "log_daemon_msg", "log_begin_msg", "log_failure_msg", "ebegin", "einfo", "eerror", "cd", "ln", "return":
		return nil
	}
	i, ok := dockerdIn(words)
	if !ok {
		return nil
	}
	switch path.Base(words[0].text) {
	case "start-stop-daemon", "supervise-daemon":
		stops := func(w word) bool {
			return w.text == "--stop" || w.text == "-K" || w.text == "--status" || w.text == "-T"
		}
		end := slices.IndexFunc(words, func(w word) bool { return w.text == "--" })
		if end < 0 {
			end = len(words) - 1
		}
		if slices.ContainsFunc(words[:end], stops) {
			return nil
		}
		i = end
	}
	s.unsure = append(s.unsure, doubts...)
	if !sure {
		s.doubt("%s: the flags depend on what the shell does here", place)
	}
	s.rootless = s.rootless || path.Base(words[i].text) == "dockerd-rootless.sh"
	s.starts = append(s.starts, words[i+1:])
	return nil
}

// fields expands one word of a script.
func (s *shell) fields(sc script, w *syntax.Word) (words []word, ok bool) {
	here := s.origin(sc, w, "")
	split := false
	for _, part := range w.Parts {
		if p, is := part.(*syntax.ParamExp); is {
			split = true
			if p.Param != nil && (p.Param.Value == "@" || p.Param.Value == "*") {
				return s.args, s.functions == 0
			}
		}
		if q, is := part.(*syntax.DblQuoted); is && len(q.Parts) == 1 {
			if p, is := q.Parts[0].(*syntax.ParamExp); is && p.Param != nil && p.Param.Value == "@" {
				return s.args, s.functions == 0
			}
		}
	}
	syntax.Walk(w, func(node syntax.Node) bool {
		if p, is := node.(*syntax.ParamExp); is && p.Param != nil {
			s.use(p.Param.Value)
			if value, known := s.vars[p.Param.Value]; known && value.from.file != "" {
				here = value.from
			}
		}
		return true
	})
	text, ok := s.literal(w)
	if !split && (ok || text != "") {
		return []word{{text, here}}, ok
	}
	return shellWords(word{text, here}), ok
}

// literal is the text of a shell word of plain text, quotes and known
// variables. If ok is false, it is a guess.
func (s *shell) literal(w *syntax.Word) (text string, ok bool) {
	if w == nil {
		return "", true
	}
	var b strings.Builder
	ok = true
	var add func(parts []syntax.WordPart, quoted bool)
	add = func(parts []syntax.WordPart, quoted bool) {
		for _, part := range parts {
			switch part := part.(type) {
			case *syntax.Lit:
				b.WriteString(unescapeShell(part.Value, quoted))
			case *syntax.SglQuoted:
				b.WriteString(part.Value)
				ok = ok && !part.Dollar
			case *syntax.DblQuoted:
				add(part.Parts, true)
			case *syntax.ParamExp:
				value, known := s.param(part)
				b.WriteString(value)
				ok = ok && known
			default:
				ok = false
			}
		}
	}
	add(w.Parts, false)
	return b.String(), ok
}

// param expands $NAME, ${NAME} or ${NAME:-default}. A variable that no file
// sets is empty.
func (s *shell) param(p *syntax.ParamExp) (value string, ok bool) {
	if p.Param == nil || p.Slice != nil || p.Repl != nil || p.Index != nil || p.Length || p.Excl {
		return "", false
	}
	set, known := s.vars[p.Param.Value]
	switch {
	case p.Exp == nil:
		return set.text, strings.IndexByte("0123456789@*?$!#-", p.Param.Value[0]) < 0
	case p.Exp.Op == syntax.DefaultUnset && known, p.Exp.Op == syntax.DefaultUnsetOrNull && set.text != "":
		return set.text, true
	case p.Exp.Op == syntax.DefaultUnset, p.Exp.Op == syntax.DefaultUnsetOrNull:
		return s.literal(p.Exp.Word)
	}
	return "", false
}

// unescapeShell removes the backslashes from plain text. In double quotes they
// count only before a few characters.
func unescapeShell(s string, quoted bool) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (!quoted || strings.IndexByte("\"\\`$\n", s[i+1]) >= 0) {
			if i++; s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
