package userns

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const status = "Name:\tbusy box\\n\\\\x\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t70\nPid:\t70\nPPid:\t69\n" +
	"Uid:\t101000\t101001\t101002\t101003\nGid:\t100000\t100000\t100000\t65534\nFDSize:\t64\nGroups:\t100010 100020 \nNSpid:\t70\t9\t1\n"

func TestStatusGivesNamesAndEveryID(t *testing.T) {
	var p Process
	require.NoError(t, parseStatus([]byte(status), &p))
	assert.Equal(t, Process{
		Command: "busy box\n\\x", State: 'S',
		UID:    [4]uint32{101000, 101001, 101002, 101003},
		GID:    [4]uint32{100000, 100000, 100000, 65534},
		Groups: []uint32{100010, 100020}, NSPID: []int{70, 9, 1},
	}, p)
}

func TestABrokenStatusIsAnErrorAndNotRoot(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "no Uid or no Gid",
		"Uid:\t1\t1\t1\t1\n":          "no Uid or no Gid",
		"Gid:\t1\t1\t1\t1\n":          "no Uid or no Gid",
		"Uid:\t1\t1\t1\n":             "Uid: 3 numbers instead of 4",
		"Uid:\t1\t1\t1\t1\t1\n":       "Uid: 5 numbers instead of 4",
		"Uid:\t4294967296\t1\t1\t1\n": `Uid: "4294967296" is not an ID`,
		"Gid:\t-1\t1\t1\t1\n":         `Gid: "-1" is not an ID`,
		"Groups:\t1 x\n":              `Groups: "x" is not an ID`,
	} {
		assert.EqualError(t, parseStatus([]byte(text), &Process{}), want, "%q", text)
	}
}
