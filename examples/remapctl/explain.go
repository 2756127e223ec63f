package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/verify"
)

// A risk is something that a plan warns of, and that --accept-risk accepts.
type risk struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

var riskTexts = []risk{
	{daemoncfg.RiskLiveRestore, "containers keep running across the restart as they are, and docker no longer lists them"},
	{daemoncfg.RiskSwarm, "the node drops out of its swarm, whose state stays in the other store"},
	{daemoncfg.RiskPlugins, "managed plugins are not seen after the change, and have to be installed again"},
	{daemoncfg.RiskHostContainers, "containers with options that remapping refuses need --userns=host, which is weaker than no remapping"},
	{daemoncfg.RiskStorageDriver, "the storage driver is not known to shift the owners of files"},
	{daemoncfg.RiskDataRootPath, "the remapped root cannot pass through a directory above the data-root"},
	{daemoncfg.RiskDataRootNFS, "the file system of the data-root may refuse the changes of owner that images need"},
	{daemoncfg.RiskRootless, "dockerd is rootless, which excludes userns-remap"},
	{remap.RiskRemapChanged, "another account than before: its images and containers are in another store"},
	{daemoncfg.WarnStartupUnsure, "how dockerd is started could not be read for certain"},
	{subid.WarnSmallRange, "fewer than 65536 IDs: files of users with higher IDs, such as nobody, cannot be created"},
	{string(subid.ProblemSlot), "useradd would give IDs of the range to another UID, without a look at the files"},
	{remap.RiskVolumeChanged, "a copied volume was written to since: undo moves its data out of the store and keeps it"},
	{remap.WarnVolumeOutside, "files of a volume have owners that the container does not have, and keep them in the copy"},
	{remap.RiskRemoveOld, "old volumes whose copies are the same are removed, and cannot be had back"},
	{shift.RiskInUse, "a container or a process uses the directory or volume, or it is one of the system; a volume that is written to is not copied"},
	{shift.RiskMixed, "files have IDs of both ranges already: undo cannot tell them apart"},
	{shift.RiskImmutable, "immutable and append-only files are made ordinary ones while their owners move; copies stay so"},
}

func (e *env) explainCommand(c *cobra.Command) action {
	var checks, risks []string
	for _, c := range verify.Checks() {
		checks = append(checks, c.ID)
	}
	for _, r := range riskTexts {
		risks = append(risks, r.ID)
	}
	c.Long += "\n\n" + fold("Checks: "+strings.Join(checks, " "), 2, 80) + "\n" + fold("Risks: "+strings.Join(risks, " "), 2, 80)
	return e.explain
}

func (e *env) explain(_ context.Context, args []string) error {
	checks, risks := verify.Checks(), riskTexts
	if len(args) == 1 {
		risks = slices.DeleteFunc(slices.Clone(risks), func(r risk) bool { return r.ID != args[0] })
		checks = []verify.Check{}
		if len(risks) == 0 {
			c, err := verify.Explain(args[0])
			if err != nil {
				return fmt.Errorf("%q is neither a check nor a risk (the text of a warning is all there is to it); this lists them: %s", args[0], e.self("explain"))
			}
			e.text("%s", strings.TrimSuffix(fmt.Sprint(c), "\n"))
			return e.printed(nil, members{"checks": []verify.Check{c}, "risks": risks})
		}
	}
	for _, c := range checks {
		e.text("%s  %-8s  %s", c.ID, c.Severity, c.Title)
	}
	for _, r := range risks {
		e.text("%-15s  risk: %s", r.ID, r.Text)
	}
	return e.printed(nil, members{"checks": checks, "risks": risks})
}
