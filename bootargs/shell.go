package bootargs

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/usernskit/usernskit"
)

// A shellFile is a file of assignments that sh(1) sources, as /etc/default/grub
// is. The parser of mvdan.cc/sh gives the structure and the offsets; text is
// taken from and put into src only.
type shellFile struct {
	name  string
	src   []byte
	steps []shellStep // in the order of the shell

	functions map[string]bool // defined in the file; a call may assign anything
	calls     []shellCall
}

// A shellStep is a top-level assignment, or a statement after which reading does
// not show the value of a variable (of any, if name is "").
type shellStep struct {
	name    string
	assigns bool
	exits   bool // the shell may not reach what follows
	fixed   bool // the variable is read-only from here on, and keeps its value
	from    int  // offset of the step
	line    int
	word    shellWord // of an assignment
	odd     error     // why word was not understood, or nil
}

func (f *shellFile) errorAt(s shellStep, err error) error {
	bol := bytes.LastIndexByte(f.src[:s.from], '\n') + 1
	return &usernskit.FileError{File: f.name, Line: s.line, Col: s.from - bol + 1, Err: err}
}

// parseShell reads what the shells of all distributions read alike; other
// syntax is an error that matches [ErrUnsupportedSyntax].
func parseShell(name string, src []byte) (*shellFile, error) {
	if i := bytes.IndexAny(src, "\r\x00"); i >= 0 {
		line := 1 + bytes.Count(src[:i], []byte("\n"))
		return nil, &usernskit.FileError{File: name, Line: line, Col: i - bytes.LastIndexByte(src[:i], '\n'),
			Err: fmt.Errorf("%w: sh takes the byte %#02x as a part of the value (line ends of another system?)", ErrUnsupportedSyntax, src[i])}
	}
	// The parser wants UTF-8 and sh does not. Only offsets are taken from the
	// tree, so any neutral byte may replace the others.
	ascii := bytes.Clone(src)
	for i, b := range ascii {
		if b >= 0x80 {
			ascii[i] = '%'
		}
	}
	tree, err := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(bytes.NewReader(ascii), name)
	if err != nil {
		at := &usernskit.FileError{File: name, Err: fmt.Errorf("%w: %v", ErrUnsupportedSyntax, err)}
		var parse syntax.ParseError
		if errors.As(err, &parse) {
			at.Line, at.Col = int(parse.Pos.Line()), int(parse.Pos.Col())
			at.Err = fmt.Errorf("%w: %s", ErrUnsupportedSyntax, parse.Text)
		}
		return nil, at
	}
	f := &shellFile{name: name, src: src, functions: map[string]bool{}}
	syntax.Walk(tree, func(n syntax.Node) bool {
		if n, ok := n.(*syntax.FuncDecl); ok && n.Name != nil {
			f.functions[n.Name.Value] = true
		}
		return true
	})
	for _, s := range tree.Stmts {
		f.statement(s)
	}
	f.collectCalls(tree.Stmts)
	return f, nil
}

// statement appends the steps of one top-level statement.
func (f *shellFile) statement(s *syntax.Stmt) {
	call, simple := s.Cmd.(*syntax.CallExpr)
	if !simple || s.Negated || s.Background || len(s.Redirs) > 0 {
		f.taint(s)
		return
	}
	if len(call.Args) == 0 {
		for _, a := range call.Assigns {
			if a.Index != nil || a.Array != nil || a.Append || a.Naked {
				f.taint(a)
				continue
			}
			from := int(a.Name.End().Offset()) + 1 // past "="
			to := from
			var parts []syntax.WordPart
			if a.Value != nil {
				to, parts = int(a.Value.End().Offset()), a.Value.Parts
				f.taint(a.Value)
			}
			f.assign(a.Name.Value, a.Pos(), from, to, parts, false)
		}
		return
	}
	if command := call.Args[0].Lit(); len(call.Assigns) == 0 && (command == "export" || command == "readonly") {
		for _, w := range call.Args[1:] {
			name, assigns, ok := assignedName(w)
			if !ok {
				f.taint(s)
				continue
			}
			if assigns {
				f.taint(w)
				f.assign(name, w.Pos(), int(w.Pos().Offset())+len(name)+1, int(w.End().Offset()), w.Parts, true)
			}
			if command == "readonly" {
				f.steps = append(f.steps, shellStep{name: name, fixed: true, from: int(w.Pos().Offset()), line: int(w.Pos().Line())})
			}
		}
		return
	}
	f.taint(s)
}

func (f *shellFile) assign(name string, pos syntax.Pos, from, to int, parts []syntax.WordPart, splits bool) {
	s := shellStep{name: name, assigns: true, from: int(pos.Offset()), line: int(pos.Line())}
	s.word, s.odd = decodeWord(f.src, from, to), understood(parts, splits, false)
	f.steps = append(f.steps, s)
}

// understood checks that a word has only parts that every sh reads alike: text,
// quotes, $NAME and ${NAME}. Where dash splits words into fields (export), a
// variable must be in quotes.
func understood(parts []syntax.WordPart, splits, quoted bool) error {
	for _, p := range parts {
		switch p := p.(type) {
		case *syntax.Lit:
			if !quoted && strings.ContainsAny(p.Value, "~$") {
				return fmt.Errorf("%w: %q outside quotes", ErrUnsupportedSyntax, p.Value)
			}
		case *syntax.SglQuoted:
			if p.Dollar {
				return fmt.Errorf("%w: $'...', which shells read differently", ErrUnsupportedSyntax)
			}
		case *syntax.DblQuoted:
			if p.Dollar {
				return fmt.Errorf("%w: $\"...\", which shells read differently", ErrUnsupportedSyntax)
			}
			if err := understood(p.Parts, splits, true); err != nil {
				return err
			}
		case *syntax.ParamExp:
			plain := p.Param != nil && syntax.ValidName(p.Param.Value) && !p.Excl && !p.Length && !p.Width &&
				p.Index == nil && p.Slice == nil && p.Repl == nil && p.Exp == nil && p.Names == 0
			if !plain || splits && !quoted {
				return fmt.Errorf("%w: an expansion other than $NAME or ${NAME}", ErrUnsupportedSyntax)
			}
		default:
			return fmt.Errorf("%w: a command or arithmetic in the value", ErrUnsupportedSyntax)
		}
	}
	return nil
}

// assignedName returns the variable of a word after export or readonly; ok is
// false where reading does not show it.
func assignedName(w *syntax.Word) (name string, assigns, ok bool) {
	lit, ok := w.Parts[0].(*syntax.Lit)
	if !ok {
		return "", false, false
	}
	name, _, assigns = strings.Cut(lit.Value, "=")
	switch {
	case !assigns:
		return name, false, len(w.Parts) == 1
	case !syntax.ValidName(name):
		return "", false, false
	}
	return name, true, true
}

// Commands that change variables unseen.
var changers = []string{".", "source", "eval", "read", "unset", "getopts", "declare", "typeset", "local", "let", "mapfile", "readarray",
	"printf", "trap"}

// taint appends a step for each variable that node may change.
func (f *shellFile) taint(node syntax.Node) {
	mark := func(name string, at syntax.Node) {
		f.steps = append(f.steps, shellStep{name: name, from: int(at.Pos().Offset()), line: int(at.Pos().Line())})
	}
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CmdSubst, *syntax.Subshell: // changes its own copies only
			return false
		case *syntax.FuncDecl: // changes something when it is called
			return false
		case *syntax.Assign:
			if n.Name != nil {
				mark(n.Name.Value, n)
			}
		case *syntax.WordIter:
			mark(n.Name.Value, n)
		case *syntax.ParamExp:
			if n.Exp != nil && n.Param != nil && (n.Exp.Op == syntax.AssignUnset || n.Exp.Op == syntax.AssignUnsetOrNull) {
				mark(n.Param.Value, n)
			}
		case *syntax.ArithmExp:
			mark("", n)
		case *syntax.CallExpr:
			f.taintCall(n, mark)
		}
		return true
	})
}

func (f *shellFile) taintCall(n *syntax.CallExpr, mark func(string, syntax.Node)) {
	args := n.Args
	if len(args) == 0 {
		return
	}
	command := f.plain(args[0])
	if len(args) > 1 && (command == "command" || command == "builtin") {
		args = args[1:]
		command = f.plain(args[0])
		if strings.HasPrefix(strings.ToLower(command), "-v") {
			return // it only looks for a command
		}
	}
	if lit, ok := args[0].Parts[0].(*syntax.Lit); ok {
		if name, _, ok := strings.Cut(lit.Value, "+="); ok && syntax.ValidName(name) {
			mark(name, n) // bash appends, dash finds no such command
			return
		}
	}
	switch {
	case command == "exit" || command == "return" || command == "exec" || command == "readonly": // an assignment to a read-only variable ends the shell
		f.steps = append(f.steps, shellStep{exits: true, from: int(n.Pos().Offset()), line: int(n.Pos().Line())})
	case command == "export":
		for _, w := range args[1:] {
			name, assigns, ok := assignedName(w)
			if assigns {
				mark(name, w)
			} else if !ok {
				mark("", w)
			}
		}
	case command == "" || command[0] == '-' || f.functions[command] || slices.Contains(changers, command):
		mark("", n)
	}
}

// How a byte of a shell word is quoted.
const (
	bare byte = iota
	inSingle
	inDouble
)

// A shellWord is the value of an assignment: its text, with the place and the
// quotes of each byte. Variables stay as written, $NAME or ${NAME}.
type shellWord struct {
	src      []byte
	from, to int // of the value in src, quotes included
	text     string
	at       []int  // offset in src of each byte of text
	size     []int  // bytes of src that it takes: 2 with a backslash
	quote    []byte // bare, inSingle or inDouble
	variable []int  // length of the $NAME or ${NAME} that begins here, else 0
}

// decodeWord reads src[from:to], one word of sh(1) that is understood.
func decodeWord(src []byte, from, to int) shellWord {
	w := shellWord{src: src, from: from, to: to}
	var text strings.Builder
	put := func(i, n int, q byte, v int) {
		text.WriteByte(src[i+n-1])
		w.at, w.size = append(w.at, i), append(w.size, n)
		w.quote, w.variable = append(w.quote, q), append(w.variable, v)
	}
	q := bare
	for i := from; i < to; {
		b := src[i]
		switch {
		case q == inSingle && b == '\'' || q == bare && b == '\'':
			q = inSingle - q
			i++
		case q == inSingle:
			put(i, 1, q, 0)
			i++
		case b == '"':
			q = inDouble - q
			i++
		case b == '\\' && i+1 < to && src[i+1] == '\n':
			i += 2
		case b == '\\' && i+1 < to && (q == bare || strings.IndexByte("$`\"\\", src[i+1]) >= 0):
			put(i, 2, q, 0)
			i += 2
		case b == '$':
			n := len(shellReference.Find(src[i:to]))
			put(i, 1, q, n)
			for i++; n > 1; n-- {
				put(i, 1, q, 0)
				i++
			}
		default:
			put(i, 1, q, 0)
			i++
		}
	}
	w.text = text.String()
	return w
}

// splice applies changes of the text to the file, last first, so that earlier
// offsets stay valid. Quotes and line continuations stay.
func (w shellWord) splice(list []splice) []byte {
	out := w.src
	for i := len(list) - 1; i >= 0; i-- {
		s := list[i]
		place, quote, wrap := w.place(s.at, s.del > 0)
		encoded := encodeShell(s.text, quote)
		if wrap && s.text != "" {
			encoded = `"` + encodeShell(s.text, inDouble) + `"`
		}
		empty := s.text == "" && w.fillsQuotes(s)
		if empty {
			end := s.at + s.del - 1
			out = replace(out, w.at[end]+w.size[end], 1, "")
		}
		for j := s.at + s.del - 1; j >= s.at; j-- {
			out = replace(out, w.at[j], w.size[j], "")
		}
		if empty {
			out = replace(out, w.at[s.at]-1, 1, "")
		}
		if encoded != "" {
			out = replace(out, place, 0, encoded)
		}
	}
	return out
}

// fillsQuotes reports whether s removes all that a pair of double quotes holds,
// in a word that has other text.
func (w shellWord) fillsQuotes(s splice) bool {
	end := s.at + s.del
	if s.del == 0 || s.del == len(w.text) || w.quote[s.at] != inDouble {
		return false
	}
	from, to := w.at[s.at]-1, w.at[end-1]+w.size[end-1] // where the quotes would be
	return w.src[from] == '"' && (s.at == 0 || w.at[s.at-1]+w.size[s.at-1] <= from) && w.src[to] == '"' && (end == len(w.text) || to < w.at[end])
}

// place finds where to write text that goes before byte i of the word, and in
// which quotes. wrap means that the text needs quotes of its own.
func (w shellWord) place(i int, replaces bool) (offset int, quote byte, wrap bool) {
	switch {
	case len(w.text) == 0:
		for j := w.from; j < w.to; j++ {
			switch w.src[j] {
			case '"':
				return j + 1, inDouble, false
			case '\'':
				return j + 1, inSingle, false
			}
		}
		return w.from, bare, true
	case i == 0 || replaces:
		return w.at[i], w.quote[i], w.quote[i] == bare
	}
	return w.at[i-1] + w.size[i-1], w.quote[i-1], w.quote[i-1] == bare
}

func encodeShell(text string, quote byte) string {
	if quote == inSingle {
		return strings.ReplaceAll(text, "'", `'\''`)
	}
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(text)
}

func replace(src []byte, at, del int, text string) []byte {
	out := make([]byte, 0, len(src)+len(text))
	out = append(out, src[:at]...)
	out = append(out, text...)
	return append(out, src[at+del:]...)
}
