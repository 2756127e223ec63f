package subid

import (
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
)

// advise adds what a person should know about the host before the plan is
// applied, though it does not stand in the way.
func (j *job) advise(known bool) {
	if !known {
		j.warn(usernskit.Warning{ID: "no-account", Text: fmt.Sprintf(
			"there is no account %s: dockerd refuses to start with it until there is, and userdel will never take the lines away", j.want.Owner)})
	}
	j.warn(j.set.advice()...)
}

// advice is what the host as it stands gives reason to warn of.
func (s *Set) advice() []usernskit.Warning {
	var list []usernskit.Warning
	for _, path := range s.symlinks {
		list = append(list, usernskit.Warning{ID: Symlink, Text: path + " is a symbolic link: useradd, newuidmap and getsubids refuse it"})
	}
	for _, f := range s.files() {
		if l, ok := f.refused(); ok {
			list = append(list, usernskit.Warning{ID: "file-refused", Text: fmt.Sprintf(
				"%s:%d: %q is not three fields: dockerd 27 and earlier, podman and CRI-O refuse the whole file because of it", f.name, l.Number, l.Text)})
		}
	}
	if s.subidSource != "" {
		list = append(list, usernskit.Warning{ID: NSSIgnored, Text: s.nssText()})
	}
	for _, text := range s.unseen {
		list = append(list, usernskit.Warning{ID: AccountsUnseen, Text: text + ": IDs of such accounts cannot be avoided"})
	}
	return list
}

func (s *Set) nssText() string {
	return fmt.Sprintf("%s takes subid from %q: shadow-utils then ignores both files, and dockerd ignores that", nsswitchFile, s.subidSource)
}

// refused finds the first line for which strict readers refuse the whole file.
func (f *File) refused() (Line, bool) {
	for l, r := range f.entries() {
		if r.Count > 0 || strings.TrimSpace(l.Text) == "" {
			continue
		}
		if _, _, err := goEntry(l.Text, func(string) bool { return false }); err != nil {
			return l, true
		}
	}
	return Line{}, false
}
