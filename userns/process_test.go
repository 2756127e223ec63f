package userns_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/usernskit/usernskit/userns"
)

func TestOutsideLooksAtEveryIDOfEveryThread(t *testing.T) {
	want := userns.Mapping{
		UID: mustMap(t, userns.Extent{ID: 0, HostID: 100000, Count: 10}),
		GID: mustMap(t, userns.Extent{ID: 0, HostID: 200000, Count: 10}),
	}
	in := userns.Process{UID: [4]uint32{100000, 100001, 100002, 100009}, GID: [4]uint32{200000, 200000, 200000, 200009}, Groups: []uint32{200001}}
	uids, gids := in.Outside(want)
	assert.Empty(t, uids)
	assert.Empty(t, gids)
	for i := range 4 {
		p := in
		p.UID[i], p.GID[i] = 0, 100000
		uids, gids := p.Outside(want)
		assert.Equal(t, []uint32{0}, uids, "UID %d", i)
		assert.Equal(t, []uint32{100000}, gids, "GID %d", i)
	}
	p := in
	p.Groups = []uint32{200001, 4, 999, 4}
	_, gids = p.Outside(want)
	assert.Equal(t, []uint32{4, 999}, gids)

	p = in
	p.Threads = []userns.Thread{{TID: 1, UID: [4]uint32{100000, 0, 100000, 100000}, GID: in.GID, Groups: []uint32{0}}}
	uids, gids = p.Outside(want)
	assert.Equal(t, []uint32{0}, uids)
	assert.Equal(t, []uint32{0}, gids)

	uids, _ = in.Outside(userns.Mapping{})
	assert.Len(t, uids, 4, "no mapping gives out nothing")
}

func TestTheFirstProcessOfAContainerIsAnInit(t *testing.T) {
	for want, list := range map[bool][][]int{true: {{100, 1}, {100, 7, 1}}, false: {nil, {1}, {100}, {100, 7}, {100, 1, 2}}} {
		for _, pids := range list {
			assert.Equal(t, want, userns.Process{NSPID: pids}.IsInit(), "%v", pids)
		}
	}
}
