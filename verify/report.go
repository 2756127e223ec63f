package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Report is what [Run] found.
type Report struct {
	// Findings holds at least one finding for each check that ran, in the order
	// of the catalogue, the worst first within a check.
	Findings []Finding `json:"findings"`
	Coverage Coverage  `json:"coverage"`
	Summary  Summary   `json:"summary"`
}

// A Finding is the answer of one check about one subject.
type Finding struct {
	Check    string   `json:"check"` // "C01"
	Name     string   `json:"name"`  // "process-host-ids"
	Verdict  Verdict  `json:"verdict"`
	Severity Severity `json:"severity"`
	// Subject is what was checked: "host", "docker", "container/web", a path,
	// or "/etc/subuid:3".
	Subject string `json:"subject"`
	// Text is the result in one line; for skip and unknown it is the reason.
	Text     string     `json:"text"`
	Evidence []Evidence `json:"evidence"`
	Remedy   Remedy     `json:"remedy"`
	// Refs are references to other catalogues: "CIS Docker 1.6.0: 2.9".
	Refs []string `json:"refs"`
	// Allowed is why a failure was allowed: the reason of an [Allowance].
	Allowed string `json:"allowed,omitempty"`
}

// Evidence is one fact that was read, and its source.
type Evidence struct {
	Source string `json:"source"` // a path, a command, an API field
	Got    string `json:"got"`
	Want   string `json:"want,omitempty"` // empty where nothing in particular was wanted
}

// A Remedy is how to fix a finding.
type Remedy struct {
	Text    string `json:"text"`
	Command string `json:"command"` // for a shell, where one command does it
	// Fix names a repair that programs offer with their own command, with Arg
	// if needed; it may be empty.
	Fix FixID  `json:"fix,omitempty"`
	Arg string `json:"arg,omitempty"`
	// From are the host IDs that a FixShift moves, START:COUNT, and To what it
	// moves them to.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// A FixID names a repair that this module can make.
type FixID string

const (
	FixEnable    FixID = "enable"     // turn remapping on: package remap
	FixBootArg   FixID = "boot-arg"   // set Remedy.Arg on the kernel command line: package bootargs
	FixFindRange FixID = "find-range" // move the range to free IDs: package subid
	FixShift     FixID = "shift"      // move the owners in the directory Arg from From to To: package shift
	FixMigrate   FixID = "migrate"    // copy the volumes of the store Arg, "plain" or "UID.GID", into the one in use: package remap
)

// Coverage is what was seen of the host.
type Coverage struct {
	// Host is the root directory, "/" on the running host.
	Host string `json:"host"`
	// Live: kernel and processes of the running host were read.
	Live bool `json:"live"`
	// Docker is where the facts about the daemon are from: the address that was
	// asked, the data-root whose files were read instead, or "".
	Docker string `json:"docker,omitempty"`

	Processes  int `json:"processes"`  // processes seen
	Namespaces int `json:"namespaces"` // user namespaces other than the host's among them
	Vanished   int `json:"vanished"`   // ended while they were being read
	Denied     int `json:"denied"`     // could not be read
	Containers int `json:"containers"` // running containers of this daemon looked into
	Passing    int `json:"passing"`    // containers that came or went during the look

	// Auditor names the container that this report was made in, if any. It is
	// exempt: an auditor has to be in the host's user namespace.
	Auditor string `json:"auditor,omitempty"`

	// Others lists the containers of other programs: "podman: 2 containers, 1
	// not remapped". They are not judged.
	Others []string `json:"others"`

	// Daemons lists the other dockerds of the host: their addresses, as in
	// DOCKER_HOST, or "process 61" if that is not known. Ask each for its own
	// report.
	Daemons []string `json:"daemons"`

	// Missing lists what could not be seen; empty means that everything was.
	Missing []string `json:"missing"`
}

// Summary counts findings.
type Summary struct {
	Pass    int `json:"pass"`
	Fail    int `json:"fail"`
	Warn    int `json:"warn"`
	Skip    int `json:"skip"`
	Unknown int `json:"unknown"`
	Allowed int `json:"allowed"` // findings let pass by an allowance, counted as skip
	// Remapped is the overall verdict: Pass only if the daemon and the kernel
	// both show remapping for every process of every container, Warn if that is
	// so except for allowed findings and warnings, Skip if the host does not run
	// or not all of these checks were chosen, Unknown if something was not seen.
	Remapped Verdict `json:"remapped"`
	// Text says the same in a few words, for people.
	Text string `json:"text"`
}

// proof lists the checks for [Summary.Remapped].
var proof = [...]string{"D05", "C01", "C02", "C03"}

// finish sorts the findings and counts them.
func (r *Report) finish() {
	order := map[string]int{}
	for i, c := range Checks() {
		order[c.ID] = i
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(order[a.Check], order[b.Check]),
			cmp.Compare(rank(a.Verdict), rank(b.Verdict)),
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.Subject, b.Subject))
	})
	var count [len(ranks)]int
	allowed := 0
	for _, f := range r.Findings {
		count[f.Verdict]++
		if f.Allowed != "" {
			allowed++
		}
	}
	r.Summary = Summary{
		Pass: count[Pass], Fail: count[Fail], Warn: count[Warn], Skip: count[Skip], Unknown: count[Unknown], Allowed: allowed,
		Remapped: r.remapped(),
	}
	r.Summary.Text = r.headline(r.Summary.Remapped)
}

// remapped combines the findings of the checks in proof. It is a pass only if
// D05 passes; a skip of the others (no container runs) is allowed.
func (r *Report) remapped() Verdict {
	seen := map[string]bool{}
	worst, daemon := Skip, Skip
	for _, f := range r.Findings {
		if !slices.Contains(proof[:], f.Check) {
			continue
		}
		seen[f.Check] = true
		v := f.Verdict
		switch {
		case f.Allowed != "" && f.Check == "D05":
			v = Fail // if the daemon does not remap, no container is remapped
		case f.Allowed != "":
			v = Warn // an allowed container is not remapped, which its skip must not hide
		}
		worst = worse(worst, v)
		if f.Check == "D05" {
			daemon = worse(daemon, f.Verdict)
		}
	}
	switch {
	case len(seen) < len(proof) && rank(worst) > rank(Unknown):
		return Skip // not all were chosen, and those found nothing
	case worst == Pass && daemon != Pass:
		return Unknown
	}
	return worst
}

// headline is Summary.Remapped in words.
func (r *Report) headline(remapped Verdict) string {
	c := r.Coverage
	switch remapped {
	case Pass:
		if c.Containers == 0 {
			return "yes, by the daemon's word; no container runs that the kernel could show it for" + c.aside()
		}
		several := "one container"
		if c.Containers > 1 {
			several = fmt.Sprintf("%d containers", c.Containers)
		}
		return "yes, every process of this daemon's " + several + ", as the kernel says" + c.aside()
	case Fail:
		return "no"
	case Warn:
		yes, also := "yes, for this daemon's containers", []string{""}
		for _, f := range r.Findings {
			switch {
			case !slices.Contains(proof[:], f.Check):
			case f.Allowed != "":
				yes = "yes, except for what was allowed"
			case f.Verdict != Warn:
			case f.Check == "C02":
				also = append(also, "a runtime of its own remaps "+f.Subject)
			case strings.HasPrefix(f.Subject, containerSubject):
				also = append(also, "another daemon has some too")
			default:
				also = append(also, "the "+f.Subject+" are not remapped")
			}
		}
		return yes + strings.Join(slices.Compact(also), "; ") + c.aside()
	case Skip:
		if c.Live {
			return "not asked"
		}
		return "not asked, this is not a running host"
	}
	return "cannot tell"
}

// aside names the auditor, and the daemons that are not in the report.
func (c Coverage) aside() (text string) {
	if c.Auditor != "" {
		text = "; this audit's own " + c.Auditor + " aside"
	}
	for _, d := range c.Daemons {
		text += "; another dockerd runs here that was not checked: "
		if strings.Contains(d, "://") {
			text += "run the same with DOCKER_HOST="
		}
		text += d
	}
	return text
}

// ranks orders verdicts, the most urgent lowest.
var ranks = [...]int{Fail: 0, Unknown: 1, Warn: 2, Pass: 3, Skip: 4}

func rank(v Verdict) int { return ranks[v] }

func worse(a, b Verdict) Verdict {
	if rank(b) < rank(a) {
		return b
	}
	return a
}
