package bootargs

import (
	"bytes"
	"strings"
)

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
