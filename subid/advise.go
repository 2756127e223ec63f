package subid

import (
	"fmt"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid/reader"
)

// advise adds warnings about an owner.
func (j *job) advise() {
	owner := j.want.Owner
	why := j.set.whyOpen(owner)
	switch {
	case j.exists:
	case why != nil && j.set.open[owner] != nil:
		j.warn(usernskit.Warning{ID: string(ProblemAccountsUnseen), Text: fmt.Sprintf("whether the account %s exists is not known: %v", owner, why)})
	case why != nil: // the host's accounts could not be read: see warnUnseen
	case owner == Dockremap && j.set.hasUseradd(): // dockerd makes it
	default:
		j.warn(usernskit.Warning{ID: WarnNoAccount, Text: noAccount(owner)})
	}
	if j.grant.UIDExisting || j.grant.GIDExisting {
		for _, w := range j.set.rangeWarnings(j.policy, owner, j.owner.UID, j.grant.UID, j.files...) {
			if w.ID == string(ProblemSlot) {
				w.Risk = false // nothing changes
				j.warn(w)
			}
		}
	}
}

// noAccount describes the consequences of an owner without an account.
func noAccount(owner string) string {
	text := fmt.Sprintf("the account %s does not exist: ", owner)
	switch owner {
	case Dockremap:
		return text + "dockerd makes it, but finds neither useradd nor adduser, and will stop"
	case containers:
		return text + "podman and CRI-O read the lines by its name, but find nothing where they are built with libsubid 4.20 or later"
	case kubelet:
		return text + "the kubelet ignores its lines until it exists"
	}
	return text + "shadow-utils from 4.20 on does not see its lines, and userdel will never remove them"
}

// adviseHost adds warnings about the host.
func (p *planner) adviseHost() {
	s := p.set
	for _, path := range s.symlinks {
		p.warn(usernskit.Warning{ID: string(ProblemSymlink), Pos: usernskit.Pos{File: path},
			Text: path + " is a symbolic link: useradd, newuidmap and getsubids refuse it"})
	}
	for i, f := range p.files {
		if l := p.refused[i]; l.number > 0 {
			p.warn(usernskit.Warning{ID: WarnFileRefused, Pos: usernskit.Pos{File: f.name, Line: l.number}, Text: fmt.Sprintf(
				"%q is not three fields: %v, podman and CRI-O refuse the whole file because of it", l.text, reader.Dockerd27)})
		}
	}
	if s.subidSource != "" {
		p.warn(usernskit.Warning{ID: string(ProblemNSSIgnored), Pos: usernskit.Pos{File: nsswitchFile}, Text: s.nssText()})
	}
	p.warnUnseen()
}

// warnUnseen warns of accounts that may exist unseen.
func (p *planner) warnUnseen() {
	for _, text := range p.set.unseen {
		p.warn(usernskit.Warning{ID: string(ProblemAccountsUnseen), Text: text + ": IDs of such accounts cannot be avoided"})
	}
}

func (s *Set) nssText() string {
	return fmt.Sprintf("takes subid from %q: shadow-utils then reads that instead of the files, where its plug-in is installed, and dockerd never does", s.subidSource)
}
