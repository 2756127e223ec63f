package daemoncfg

import (
	"regexp"
	"slices"
	"strings"
)

// withoutFlag takes --userns-remap out of the line of an environment file that has it.
//
// One file is read by systemd here, by a shell there, and the two agree only on
// NAME="plain": no other form of assignment is touched, and none whose value a
// shell or systemd would change. Units and scripts are nobody's to edit.
func withoutFlag(text string, f Flag) (string, error) {
	lines := strings.SplitAfter(text, "\n")
	refuse := func(fix string) error { return &ConflictError{Key: f.Key(), Flag: f, Fix: fix} }
	if strings.HasPrefix(f.File, "/proc/") {
		return "", refuse("start dockerd without the flag, and run this again")
	}
	if f.Var == "" || f.Line < 1 || f.Line > len(lines) {
		return "", refuse("take the flag out there by hand, and run this again")
	}
	line := lines[f.Line-1]
	body := strings.TrimSuffix(line, "\n")
	byHand := refuse("the line is not of the plain form " + f.Var + `="..."; take the flag out by hand, and run this again: ` + strings.TrimSpace(body))
	value, ok := strings.CutPrefix(body, f.Var+`="`)
	if !ok {
		return "", byHand
	}
	value, ok = strings.CutSuffix(value, `"`)
	if !ok || strings.ContainsAny(value, "\"'`$\\\r%") {
		return "", byHand
	}
	flag := regexp.MustCompile(`(^|[ \t]+)--userns-remap(=[^ \t]*|[ \t]+[^ \t]+|$)`)
	rest := flag.ReplaceAllString(value, "")
	if rest == value || slices.ContainsFunc(strings.Fields(rest), func(w string) bool { return strings.HasPrefix(w, "--userns-remap") }) {
		return "", byHand
	}
	if strings.TrimLeft(value, " \t") == value {
		rest = strings.TrimLeft(rest, " \t")
	}
	lines[f.Line-1] = f.Var + `="` + rest + `"` + line[len(body):]
	return strings.Join(lines, ""), nil
}
