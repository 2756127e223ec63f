package bootargs

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
)

// An envBlock is a GRUB environment block (grub-core/lib/envblk.c): a header,
// lines "name=value" with backslash and newline escaped, and "#" up to a size
// that never changes, since GRUB writes it in place by disk blocks.
type envBlock struct {
	name string
	src  []byte
	pad  int // where the padding begins
}

const envHeader = "# GRUB Environment Block\n"

func parseEnv(name string, src []byte) (*envBlock, error) {
	if !bytes.HasPrefix(src, []byte(envHeader)) {
		return nil, &usernskit.FileError{File: name, Line: 1, Err: fmt.Errorf("%w: no GRUB environment block header", ErrUnsupportedSyntax)}
	}
	pad := len(bytes.TrimRight(src, "#"))
	if src[pad-1] != '\n' {
		return nil, &usernskit.FileError{File: name, Line: 1 + bytes.Count(src[:pad], []byte("\n")),
			Err: fmt.Errorf("%w: the last variable does not end before the padding", ErrUnsupportedSyntax)}
	}
	return &envBlock{name: name, src: src, pad: pad}, nil
}

// find returns the place of a variable's escaped value.
func (b *envBlock) find(name string) (from, to int, ok bool) {
	for at := len(envHeader); at < b.pad; {
		end := at
		for end < b.pad && b.src[end] != '\n' {
			if b.src[end] == '\\' && end+1 < b.pad {
				end++
			}
			end++
		}
		end = min(end, b.pad)
		if key, _, ok := bytes.Cut(b.src[at:end], []byte("=")); ok && string(key) == name && b.src[at] != '#' {
			return at + len(key) + 1, end, true
		}
		at = end + 1
	}
	return 0, 0, false
}

// get returns the value of a variable.
func (b *envBlock) get(name string) (string, bool) {
	from, to, ok := b.find(name)
	if !ok {
		return "", false
	}
	var text strings.Builder
	for i := from; i < to; i++ {
		if b.src[i] == '\\' && i+1 < to {
			i++
		}
		text.WriteByte(b.src[i])
	}
	return text.String(), true
}

// set gives a variable that exists another value. The block keeps its size,
// and so does everything else in it.
func (b *envBlock) set(name, value string) ([]byte, error) {
	from, to, ok := b.find(name)
	if !ok {
		return nil, fmt.Errorf("BUG: %s: no variable %s", b.name, name)
	}
	if old, _ := b.get(name); old == value {
		return b.src, nil
	}
	value = strings.NewReplacer(`\`, `\\`, "\n", "\\\n").Replace(value)
	grow := len(value) - (to - from)
	if room := len(b.src) - b.pad; grow > room {
		return nil, &usernskit.FileError{File: b.name, Err: fmt.Errorf("%w: %s needs %d more bytes, %d are free", ErrNoRoom, name, grow, room)}
	}
	out := make([]byte, 0, len(b.src))
	out = append(out, b.src[:from]...)
	out = append(out, value...)
	out = append(out, b.src[to:b.pad]...)
	for len(out) < len(b.src) {
		out = append(out, '#')
	}
	return out, nil
}

// expandGRUB puts variables into a line as blscfg does. One that we do not know
// stays as it is written.
func expandGRUB(text string, vars map[string]string) string {
	if !strings.Contains(text, "$") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		n := 0
		if text[i] == '$' && (i == 0 || text[i-1] != '\\') {
			n = variableLen([]byte(text[i:]))
		}
		value, known := "", false
		if n > 0 {
			value, known = vars[strings.Trim(text[i:i+n], "${}")]
		}
		if !known {
			b.WriteByte(text[i])
			i++
			continue
		}
		b.WriteString(value)
		b.WriteByte(' ') // GRUB's own: what is glued to a variable is parted from it
		i += n
	}
	return b.String()
}

// opaque reports whether a line still has a variable in it.
func opaque(text string) bool {
	for a := range Parse(text).Args() {
		if isVariable(a.Name) {
			return true
		}
	}
	return false
}

// grubCfg is what we read of a grub.cfg; nothing ever writes to one.
type grubCfg struct {
	bls     bool
	vars    map[string]string // from lines: set name="value"
	entries []string          // the command line of each menu entry
	wrapper bool              // only loads another grub.cfg
}

// parseGRUBCfg looks at single lines and not at the script they form.
func parseGRUBCfg(src []byte) grubCfg {
	cfg := grubCfg{vars: map[string]string{}}
	menu := false
	for line := range bytes.Lines(src) {
		f := strings.Fields(string(line))
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		switch f[0] {
		case "blscfg":
			cfg.bls = true
		case "insmod":
			cfg.bls = cfg.bls || len(f) > 1 && (f[1] == "blscfg" || f[1] == "blsuki")
		case "configfile":
			cfg.wrapper = true
		case "menuentry":
			menu = true
		case "set":
			name, value, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(string(line)), "set")), "=")
			if n := len(value); ok && n > 1 && value[0] == '"' && value[n-1] == '"' {
				cfg.vars[name] = value[1 : n-1]
			}
		case "linux", "linux16", "linuxefi":
			if menu && len(f) > 1 {
				text := strings.TrimSpace(string(line))
				text = strings.TrimSpace(strings.TrimPrefix(text, f[0]))
				cfg.entries = append(cfg.entries, strings.TrimSpace(strings.TrimPrefix(text, f[1])))
			}
		}
	}
	cfg.wrapper = cfg.wrapper && !cfg.bls && len(cfg.entries) == 0
	return cfg
}
