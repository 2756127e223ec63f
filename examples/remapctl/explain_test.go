package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/remap"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/subid"
)

// risks.txt spells the IDs as the packages do.
func TestEveryRiskIsExplained(t *testing.T) {
	var ids []string
	for _, r := range risks() {
		ids = append(ids, r.ID)
		assert.NotEmpty(t, r.Text, r.ID)
	}
	assert.ElementsMatch(t, []string{
		daemoncfg.RiskLiveRestore, daemoncfg.RiskSwarm, daemoncfg.RiskPlugins, daemoncfg.RiskHostContainers, daemoncfg.RiskStorageDriver,
		daemoncfg.RiskDataRootPath, daemoncfg.RiskDataRootNFS, daemoncfg.RiskRootless, daemoncfg.WarnStartupUnsure,
		remap.RiskRemapChanged, remap.RiskVolumeChanged, remap.WarnTakenBack, remap.WarnVolumeOutside, remap.RiskRemoveOld,
		subid.WarnSmallRange, string(subid.ProblemSlot), shift.RiskInUse, shift.RiskMixed, shift.RiskImmutable,
	}, ids)
}
