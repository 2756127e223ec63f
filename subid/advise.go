package subid

import (
	"fmt"

	"github.com/usernskit/usernskit"
)

// advise adds what a person should know about the host before the plan is
// applied, though it does not stand in the way.
func (j *job) advise(known bool) {
	switch err := j.set.open[j.want.Owner]; {
	case known || j.set.noPasswd != nil:
	case err != nil:
		j.warn(usernskit.Warning{ID: AccountsUnseen, Text: fmt.Sprintf("whether there is an account %s cannot be told: %v", j.want.Owner, err)})
	default:
		j.warn(usernskit.Warning{ID: NoAccount, Text: fmt.Sprintf(
			"there is no account %s: dockerd refuses to start with it until there is, and userdel will never take the lines away", j.want.Owner)})
	}
	s := j.set
	for _, path := range s.symlinks {
		j.warn(usernskit.Warning{ID: Symlink, Text: path + " is a symbolic link: useradd, newuidmap and getsubids refuse it"})
	}
	for i, f := range s.files() {
		if l := j.refused[i]; l.Number > 0 {
			j.warn(usernskit.Warning{ID: "file-refused", Text: fmt.Sprintf(
				"%s:%d: %q is not three fields: dockerd 27 and earlier, podman and CRI-O refuse the whole file because of it", f.name, l.Number, l.Text)})
		}
	}
	if s.subidSource != "" {
		j.warn(usernskit.Warning{ID: NSSIgnored, Text: s.nssText()})
	}
	j.warnUnseen()
}

// warnUnseen says that there may be accounts of which nothing is known.
func (j *job) warnUnseen() {
	for _, text := range j.set.unseen {
		j.warn(usernskit.Warning{ID: AccountsUnseen, Text: text + ": IDs of such accounts cannot be avoided"})
	}
}

func (s *Set) nssText() string {
	return fmt.Sprintf("%s takes subid from %q: shadow-utils then ignores both files, and dockerd ignores that", nsswitchFile, s.subidSource)
}

// refusing reports whether strict readers refuse the whole file for a line,
// whoever they look for.
func refusing(text string) bool {
	_, _, err := goEntry(text, func(string) bool { return false })
	return err != nil
}
