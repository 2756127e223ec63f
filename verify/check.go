package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usernskit/usernskit/verify/internal/facts"
)

// A Check is an entry of the catalogue.
type Check struct {
	ID       string   `json:"id"`       // "C01"; the letter is its group: kernel, ids, daemon, containers
	Name     string   `json:"name"`     // "process-host-ids"
	Title    string   `json:"title"`    // what is true if it passes
	Severity Severity `json:"severity"` // of a failure; a finding may be less severe
	Why      string   `json:"why"`      // its purpose, and what goes wrong if it fails
	Reads    string   `json:"reads"`    // its sources, and when the verdict is unknown
	Remedy   string   `json:"remedy,omitempty"`
	Refs     []string `json:"refs,omitempty"`
}

// References to other catalogues. The numbers differ between editions.
func refDaemon() []string { return []string{"CIS Docker 1.11.0: 2.8", "CIS Docker 1.6.0: 2.9"} }
func refContainer() []string {
	return []string{"CIS Docker 1.3.1: 5.30", "CIS Docker 1.6.0: 5.31", "DISA STIG V-235817"}
}

// A check is an entry of the catalogue with its needs and its judge.
type check struct {
	Check
	needs facts.Need // the parts of the facts that judge looks at
	// unless adds a finding and returns true if there is nothing to judge.
	unless func(*judge) bool
	judge  func(*judge) // adds at least one finding
}

func catalogue() []check {
	return slices.Concat(kernelChecks, idChecks, daemonChecks, containerChecks)
}

// Checks returns the catalogue in its order: kernel, IDs, daemon, containers.
func Checks() []Check {
	var all []Check
	for _, c := range catalogue() {
		c.Refs = slices.Clone(c.Refs)
		all = append(all, c.Check)
	}
	return all
}

// Explain returns the check of that ID or name: "C01", "c01" or
// "process-host-ids".
func Explain(id string) (Check, error) {
	all := Checks()
	for _, c := range all {
		if strings.EqualFold(id, c.ID) || id == c.Name {
			return c, nil
		}
	}
	return Check{}, fmt.Errorf("there is no check %q: IDs run from %s to %s", id, all[0].ID, all[len(all)-1].ID)
}

// String describes the check in a few lines.
func (c Check) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s)\n%s.\n\n%s\n\nReads: %s\n", c.ID, c.Name, c.Severity, c.Title, c.Why, c.Reads)
	if c.Remedy != "" {
		fmt.Fprintf(&b, "Remedy: %s\n", c.Remedy)
	}
	if len(c.Refs) > 0 {
		fmt.Fprintf(&b, "See also: %s\n", strings.Join(c.Refs, "; "))
	}
	return b.String()
}
