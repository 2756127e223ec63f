package subid

import (
	"context"
	"fmt"

	"github.com/usernskit/usernskit"
)

// PlanRelease works out how to take everything back that an owner has in the
// two files, under the name as well as under the UID, lines that some readers
// read differently included. An owner who has nothing is an empty plan.
//
// What containers left behind keeps its owner: whoever gets the range next
// owns those files, of which the plan warns.
func PlanRelease(ctx context.Context, h usernskit.Host, owner string) (usernskit.Plan, error) {
	if err := checkOwner(owner); err != nil {
		return usernskit.Plan{}, err
	}
	s, err := Read(ctx, h)
	if err != nil {
		return usernskit.Plan{}, err
	}
	s.findOwner(ctx, owner)
	o, _ := s.owner(owner, nil)
	plan := usernskit.Plan{Title: "release the subordinate IDs of " + owner}
	for _, f := range s.files() {
		edited := *f
		if edited.Release(o) > 0 {
			plan.Changes = append(plan.Changes, change(f, &edited))
		}
	}
	if !plan.Empty() {
		plan.Warnings = append(plan.Warnings, usernskit.Warning{ID: "reuse", Text: fmt.Sprintf(
			"files that belong to IDs of %s keep them, and whoever gets the range next owns those files: %s", owner, heldText(s.Held(owner)))})
	}
	return plan, nil
}

func heldText(list []Claim) string {
	var ranges []Range
	for i, c := range list {
		if i == 0 || c.Range != list[i-1].Range && c.Range != list[0].Range {
			ranges = append(ranges, c.Range)
		}
	}
	return join(ranges)
}
