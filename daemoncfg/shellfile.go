package daemoncfg

import (
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/usernskit/usernskit"
)

// readShellFile reads the assignments of a file that an init script sources:
// /etc/default/docker under sysvinit, /etc/conf.d/docker under OpenRC. What
// only a running shell can know is left out and named in unsure.
func readShellFile(file, text string) (vars variables, unsure []string, err error) {
	parsed, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), file)
	if err != nil {
		var line, col int
		if bad, ok := err.(syntax.ParseError); ok {
			line, col = int(bad.Pos.Line()), int(bad.Pos.Col())
			err = fmt.Errorf("no shell can read this file: %s", bad.Text)
		}
		return nil, nil, &usernskit.FileError{File: file, Line: line, Col: col, Err: err}
	}
	if i := strings.Index(text, "\r\n"); i >= 0 {
		line, _ := position(text, i)
		unsure = append(unsure, fmt.Sprintf("%s:%d: a shell takes the carriage return at the end of the line for part of it", file, line))
	}
	vars = variables{}
	top := map[syntax.Node]bool{}
	for _, stmt := range parsed.Stmts {
		top[stmt.Cmd] = true
	}
	syntax.Walk(parsed, func(node syntax.Node) bool {
		var assigns []*syntax.Assign
		switch cmd := node.(type) {
		case *syntax.CallExpr:
			if len(cmd.Args) > 0 { // X=y program: for that program only
				return true
			}
			assigns = cmd.Assigns
		case *syntax.DeclClause: // export X=y
			assigns = cmd.Args
		default:
			return true
		}
		for _, a := range assigns {
			if a.Name == nil || a.Naked {
				continue
			}
			name := a.Name.Value
			line := int(a.Pos().Line())
			value, ok := vars.literal(a.Value)
			if a.Append {
				value = vars[name].text + value
			}
			if !ok || !top[node] {
				unsure = append(unsure, fmt.Sprintf("%s:%d: what %s is depends on what the shell does here", file, line, name))
			}
			vars[name] = word{value, origin{file, line, name}}
		}
		return true
	})
	return vars, unsure, nil
}

// literal is the text of a shell word made of plain text, quotes and variables
// that are known already. It is a best guess where ok is false.
func (v variables) literal(w *syntax.Word) (text string, ok bool) {
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
				// What the file has not set is empty: a script that appends to
				// DOCKER_OPTS starts from nothing.
				plain := part.Exp == nil && part.Slice == nil && part.Repl == nil && part.Index == nil && !part.Length && !part.Excl
				if ok = ok && plain && part.Param != nil; ok {
					b.WriteString(v[part.Param.Value].text)
				}
			default:
				ok = false
			}
		}
	}
	add(w.Parts, false)
	return b.String(), ok
}

// unescapeShell takes the backslashes from plain text. Between double quotes
// they count only before a few characters.
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
