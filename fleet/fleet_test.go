package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/fleet"
	"github.com/usernskit/usernskit/fleet/file"
	"github.com/usernskit/usernskit/subid"
)

var space = fleet.Space{Min: 1 << 20, Count: 65536, Slots: 100}

// newHost makes the tree of a host that can be enrolled.
func newHost(t *testing.T, number int, subuid string) usernskit.Host {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"machine-id": machineID(number) + "\n",
		"hostname":   fmt.Sprintf("host%d\n", number),
		"passwd":     "root:x:0:0::/root:/bin/sh\n",
		"group":      "root:x:0:\n",
		"subuid":     subuid,
		"subgid":     subuid,
	} {
		path := filepath.Join(root, "etc", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return usernskit.Host{Root: root}
}

func machineID(number int) string { return fmt.Sprintf("%032x", number+1) }

func newRegistry(t *testing.T) file.Registry {
	return file.Registry{Path: filepath.Join(t.TempDir(), "fleet.conf")}
}

func claims(t *testing.T, reg fleet.Registry) []fleet.Claim {
	t.Helper()
	var list []fleet.Claim
	for c, err := range reg.List(context.Background()) {
		require.NoError(t, err)
		list = append(list, c)
	}
	return list
}

func TestSpace(t *testing.T) {
	for _, c := range []struct {
		name  string
		space fleet.Space
		want  string // in the error; "" for none
	}{
		{"usable", space, ""},
		{"up to the last ID", fleet.Space{Min: 65535, Count: 65535, Slots: 65536}, ""},
		{"one past the last ID", fleet.Space{Min: 65536, Count: 65536, Slots: 65535}, "run past the last ID"},
		{"slots overflow", fleet.Space{Min: 1, Count: 1 << 31, Slots: 1 << 30}, "run past the last ID"},
		{"host root", fleet.Space{Min: 0, Count: 10, Slots: 1}, "root of every host"},
		{"empty slots", fleet.Space{Min: 1, Slots: 1}, "slots of 0 IDs"},
		{"no slots", fleet.Space{Min: 1, Count: 1}, "0 slots"},
		{"unknown policy", fleet.Space{Min: 1, Count: 1, Slots: 1, Policy: 9}, "Policy(9)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.space.Check()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, fleet.ErrSpace)
			assert.ErrorContains(t, err, c.want)
		})
	}
	t.Run("slots are disjoint and found again", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			s := fleet.Space{
				Min:   rapid.Uint32Range(1, 1000).Draw(t, "min"),
				Count: rapid.Uint32Range(1, 50).Draw(t, "count"),
				Slots: rapid.IntRange(1, 50).Draw(t, "slots"),
			}
			used := map[uint32]bool{}
			for n := range s.Slots {
				r, err := s.Slot(n)
				require.NoError(t, err)
				for id := r.Start; id < r.Start+r.Count; id++ {
					require.False(t, used[id])
					used[id] = true
				}
				got, ok := s.SlotOf(r)
				require.True(t, ok)
				require.Equal(t, n, got)
				_, ok = s.SlotOf(subid.Range{Start: r.Start, Count: r.Count + 1})
				require.False(t, ok, "a larger range is not a slot")
			}
			_, err := s.Slot(s.Slots)
			require.ErrorIs(t, err, fleet.ErrSpace)
		})
	})
}

func TestPlan(t *testing.T) {
	ctx := context.Background()
	want := fleet.Request{Space: space}

	t.Run("claim, apply, confirm", func(t *testing.T) {
		reg, h := newRegistry(t), newHost(t, 1, "")
		c, plan, err := fleet.Plan(ctx, h, reg, want)
		require.NoError(t, err)
		assert.Equal(t, fleet.Claimed, claims(t, reg)[0].State)
		receipt, err := h.Apply(ctx, plan)
		require.NoError(t, err)
		assert.Contains(t, receipt.Title, fmt.Sprintf("slot %d of the fleet, which stays claimed after an undo", c.Slot))
		require.NoError(t, c.Confirm(ctx, reg))
		list := claims(t, reg)
		require.Len(t, list, 1)
		assert.Equal(t, fleet.Applied, list[0].State)
		r, err := space.Slot(c.Slot)
		require.NoError(t, err)
		for _, name := range []string{"/etc/subuid", "/etc/subgid"} {
			data, err := h.ReadFile(name)
			require.NoError(t, err)
			assert.Equal(t, "dockremap:"+r.String()+"\n", string(data))
		}
		again, plan, err := fleet.Plan(ctx, h, reg, want)
		require.NoError(t, err)
		assert.True(t, plan.Empty(), "a host that has its slot is left alone")
		assert.Equal(t, c.Slot, again.Slot)
		require.NoError(t, h.Undo(ctx, receipt.ID, nil))
		assert.Equal(t, fleet.Applied, claims(t, reg)[0].State, "undo leaves the claim, since data may be left")
	})

	t.Run("a crash after the claim finds the same slot again", func(t *testing.T) {
		reg, h := newRegistry(t), newHost(t, 1, "")
		first, _, err := fleet.Plan(ctx, h, reg, want)
		require.NoError(t, err)
		second, plan, err := fleet.Plan(ctx, h, reg, want)
		require.NoError(t, err)
		assert.Equal(t, first.Slot, second.Slot)
		assert.Len(t, plan.Changes, 2)
		assert.Len(t, claims(t, reg), 1)
	})

	t.Run("a local conflict releases the claim and says which line", func(t *testing.T) {
		reg := newRegistry(t)
		h := newHost(t, 1, fmt.Sprintf("alice:%d:%d\n", space.Min, space.Count*uint32(space.Slots)))
		_, _, err := fleet.Plan(ctx, h, reg, want)
		var conflict *subid.ConflictError
		require.ErrorAs(t, err, &conflict)
		assert.ErrorContains(t, err, "/etc/subuid:1: ")
		assert.ErrorContains(t, err, "alice")
		list := claims(t, reg)
		require.Len(t, list, 1)
		assert.Equal(t, fleet.Released, list[0].State)
	})

	t.Run("a plan that no slot would help uses up none", func(t *testing.T) {
		reg := newRegistry(t)
		for _, line := range []string{"dockremap:200000:65536\n", fmt.Sprintf("dockremap:%d:%d\n", space.Min, 2*space.Count)} {
			_, _, err := fleet.Plan(ctx, newHost(t, 1, line), reg, want)
			require.ErrorIs(t, err, subid.ErrHasRange)
			assert.ErrorContains(t, err, "/etc/subuid:1: dockremap has ")
			assert.Empty(t, claims(t, reg))
		}
		_, _, err := fleet.Plan(ctx, newHost(t, 1, ""), reg, fleet.Request{Space: space, Owner: "a:b"})
		require.ErrorIs(t, err, subid.ErrInvalid)
		assert.Empty(t, claims(t, reg))
	})

	t.Run("a slot is not the first half of a longer range", func(t *testing.T) {
		reg, slot := newRegistry(t), 0
		h := newHost(t, 1, fmt.Sprintf("dockremap:%d:%d\n", space.Min, 2*space.Count))
		_, _, err := fleet.Plan(ctx, h, reg, fleet.Request{Space: space, Slot: &slot})
		require.ErrorIs(t, err, subid.ErrHasRange)
	})

	t.Run("a claim of a plan that was never applied is released by a conflict", func(t *testing.T) {
		reg := newRegistry(t)
		c, _, err := fleet.Plan(ctx, newHost(t, 1, ""), reg, want)
		require.NoError(t, err)
		r, err := space.Slot(c.Slot)
		require.NoError(t, err)
		h := newHost(t, 1, "alice:"+r.String()+"\n")
		_, _, err = fleet.Plan(ctx, h, reg, want)
		require.ErrorIs(t, err, subid.ErrOverlap)
		next, _, err := fleet.Plan(ctx, h, reg, want)
		require.NoError(t, err)
		assert.NotEqual(t, c.Slot, next.Slot)
	})

	t.Run("a conflict on one host leaves the slot that others plan", func(t *testing.T) {
		reg, shared := newRegistry(t), want
		shared.Space.Policy = fleet.Same
		c, _, err := fleet.Plan(ctx, newHost(t, 1, ""), reg, shared)
		require.NoError(t, err)
		r, err := space.Slot(c.Slot)
		require.NoError(t, err)
		_, _, err = fleet.Plan(ctx, newHost(t, 2, "alice:"+r.String()+"\n"), reg, shared)
		require.ErrorIs(t, err, subid.ErrOverlap)
		require.NoError(t, c.Confirm(ctx, reg), "the first host goes on")
	})

	t.Run("a conflict on one host leaves the slot that others have", func(t *testing.T) {
		reg, shared := newRegistry(t), want
		shared.Space.Policy = fleet.Same
		c, _, err := fleet.Plan(ctx, newHost(t, 1, ""), reg, shared)
		require.NoError(t, err)
		require.NoError(t, c.Confirm(ctx, reg))
		r, err := space.Slot(c.Slot)
		require.NoError(t, err)
		_, _, err = fleet.Plan(ctx, newHost(t, 2, "alice:"+r.String()+"\n"), reg, shared)
		require.ErrorIs(t, err, subid.ErrOverlap)
		_, _, err = fleet.Plan(ctx, newHost(t, 3, ""), reg, shared)
		require.NoError(t, err)
		list := claims(t, reg)
		require.Len(t, list, 1)
		assert.Equal(t, fleet.Applied, list[0].State)
	})

	t.Run("another slot for a host that has one is refused and released", func(t *testing.T) {
		reg, slot := newRegistry(t), 7
		r, err := space.Slot(42)
		require.NoError(t, err)
		_, _, err = fleet.Plan(ctx, newHost(t, 1, "dockremap:"+r.String()+"\n"), reg, fleet.Request{Space: space, Slot: &slot})
		require.ErrorIs(t, err, subid.ErrHasRange)
		list := claims(t, reg)
		require.Len(t, list, 1)
		assert.Equal(t, 7, list[0].Slot)
		assert.Equal(t, fleet.Released, list[0].State)
	})

	t.Run("a slot that the files have besides another stays claimed when the plan is refused", func(t *testing.T) {
		reg, slot := newRegistry(t), 7
		other, err := space.Slot(42)
		require.NoError(t, err)
		r, err := space.Slot(slot)
		require.NoError(t, err)
		h := newHost(t, 1, fmt.Sprintf("dockremap:%v\ndockremap:%v\nalice:%v\n", other, r, r))
		_, _, err = fleet.Plan(ctx, h, reg, fleet.Request{Space: space, Slot: &slot})
		require.ErrorIs(t, err, subid.ErrOverlap)
		assert.Equal(t, fleet.Claimed, claims(t, reg)[0].State)
	})

	t.Run("ranges that a host has already are kept", func(t *testing.T) {
		reg := newRegistry(t)
		r, err := space.Slot(42)
		require.NoError(t, err)
		h := newHost(t, 1, "dockremap:"+r.String()+"\n")
		c, plan, err := fleet.Plan(ctx, h, reg, want)
		require.NoError(t, err)
		assert.Equal(t, 42, c.Slot)
		assert.True(t, plan.Empty())
	})

	t.Run("ranges that a host has and another claimed", func(t *testing.T) {
		reg := newRegistry(t)
		require.NoError(t, reg.Claim(ctx, fleet.Claim{Slot: 42, Host: "other", Owner: "dockremap", State: fleet.Applied}))
		r, err := space.Slot(42)
		require.NoError(t, err)
		_, _, err = fleet.Plan(ctx, newHost(t, 1, "dockremap:"+r.String()+"\n"), reg, want)
		require.ErrorIs(t, err, fleet.ErrTaken)
		assert.ErrorContains(t, err, "slot 42 is applied by dockremap on other")
	})

	t.Run("a released slot is given again only on request", func(t *testing.T) {
		reg, slot := newRegistry(t), 7
		old := fleet.Claim{Slot: slot, Host: "old", Owner: "dockremap", State: fleet.Applied}
		require.NoError(t, reg.Claim(ctx, old))
		require.NoError(t, old.Release(ctx, reg))
		_, _, err := fleet.Plan(ctx, newHost(t, 1, ""), reg, fleet.Request{Space: space, Slot: &slot})
		require.ErrorIs(t, err, fleet.ErrTaken)
		c, _, err := fleet.Plan(ctx, newHost(t, 1, ""), reg, fleet.Request{Space: space, Slot: &slot, Reclaim: true})
		require.NoError(t, err)
		assert.Equal(t, slot, c.Slot)
	})

	t.Run("a full space", func(t *testing.T) {
		reg := newRegistry(t)
		small := fleet.Request{Space: fleet.Space{Min: 1 << 20, Count: 65536, Slots: 20}}
		seen := map[int]bool{}
		for n := range 20 {
			c, _, err := fleet.Plan(ctx, newHost(t, n, ""), reg, small)
			require.NoError(t, err)
			assert.False(t, seen[c.Slot], "slot %d is given once", c.Slot)
			seen[c.Slot] = true
		}
		_, _, err := fleet.Plan(ctx, newHost(t, 20, ""), reg, small)
		require.ErrorIs(t, err, fleet.ErrFull)
	})

	t.Run("one slot on every host", func(t *testing.T) {
		reg := newRegistry(t)
		shared := want
		shared.Space.Policy = fleet.Same
		first, _, err := fleet.Plan(ctx, newHost(t, 1, ""), reg, shared)
		require.NoError(t, err)
		second, _, err := fleet.Plan(ctx, newHost(t, 2, ""), reg, shared)
		require.NoError(t, err)
		assert.Equal(t, first.Slot, second.Slot)
		shared.Owner = "containers"
		third, _, err := fleet.Plan(ctx, newHost(t, 2, ""), reg, shared)
		require.NoError(t, err)
		assert.NotEqual(t, first.Slot, third.Slot)
	})

	t.Run("an image that was never booted cannot be told from its clones", func(t *testing.T) {
		h := newHost(t, 1, "")
		for _, text := range []string{"", "uninitialized\n", strings.Repeat("0", 32) + "\n"} {
			require.NoError(t, os.WriteFile(filepath.Join(h.Root, "etc/machine-id"), []byte(text), 0o644))
			_, _, err := fleet.Plan(ctx, h, newRegistry(t), want)
			require.ErrorIs(t, err, fleet.ErrNoMachineID, "%q", text)
		}
	})

	t.Run("a registry that cannot be read stops planning and nothing else", func(t *testing.T) {
		h := newHost(t, 1, "")
		reg := file.Registry{Path: filepath.Join(t.TempDir(), "fleet.conf")}
		require.NoError(t, os.WriteFile(reg.Path, []byte("host9 = nine\n"), 0o644))
		_, plan, err := fleet.Plan(ctx, h, reg, want)
		var at *usernskit.FileError
		require.ErrorAs(t, err, &at)
		assert.Equal(t, 1, at.Line)
		assert.True(t, plan.Empty())
		_, err = subid.Read(ctx, h)
		require.NoError(t, err)
	})
}

// export is a host's own word, with the same ranges in both files.
func export(number int, lines ...subid.Claim) fleet.Export {
	e := fleet.Export{Machine: machineID(number), Host: fmt.Sprintf("host%d", number)}
	for _, l := range lines {
		for _, name := range []string{subid.UIDFile, subid.GIDFile} {
			l.File = name
			e.Ranges = append(e.Ranges, l)
		}
	}
	return e
}

func slotLine(slot int, owner string) subid.Claim {
	r, err := space.Slot(slot)
	if err != nil {
		panic(err)
	}
	return subid.Claim{Line: 1, Owner: owner, Range: r}
}

func all(exports ...fleet.Export) iter.Seq2[fleet.Export, error] {
	return func(yield func(fleet.Export, error) bool) {
		for _, e := range exports {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestCloneDoesNotGetTheSlot(t *testing.T) {
	have := fleet.Claim{Slot: 3, Machine: machineID(1), Host: "web1", Owner: "dockremap", State: fleet.Applied}
	c := have
	c.State = fleet.Claimed
	next, err := c.Over(&have)
	require.NoError(t, err)
	assert.Equal(t, have, *next, "a second plan leaves it applied")
	c.Host = "web2"
	_, err = c.Over(&have)
	require.ErrorIs(t, err, fleet.ErrTaken)
	assert.ErrorContains(t, err, "slot 3 is applied by dockremap on web1")
	c.State = fleet.Applied
	next, err = c.Over(&have)
	require.NoError(t, err)
	assert.Equal(t, "web2", next.Host, "files that have the slot: the host has a new name")
}

func TestAudit(t *testing.T) {
	ctx := context.Background()
	claim := func(slot, host int, state fleet.State) fleet.Claim {
		return fleet.Claim{Slot: slot, Host: fmt.Sprintf("host%d", host), Owner: "dockremap", State: state}
	}
	half := export(1, slotLine(3, "dockremap"))
	half.Ranges = half.Ranges[:1]
	across := slotLine(3, "dockremap")
	across.Range.Start += 1000
	for _, c := range []struct {
		name    string
		claims  []fleet.Claim
		exports []fleet.Export
		want    []string // "ID slot host"
	}{
		{"as it should be", []fleet.Claim{claim(3, 1, fleet.Applied)}, []fleet.Export{export(1, slotLine(3, "dockremap"))}, nil},
		{"applied, and the claim not yet confirmed", []fleet.Claim{claim(3, 1, fleet.Claimed)}, []fleet.Export{export(1, slotLine(3, "dockremap"))}, nil},
		{"claimed and not applied", []fleet.Claim{claim(3, 1, fleet.Claimed)}, []fleet.Export{export(1)}, []string{"not-applied 3 host1"}},
		{"in one of two files", []fleet.Claim{claim(3, 1, fleet.Applied)}, []fleet.Export{half}, []string{"not-applied 3 host1"}},
		{"applied and not claimed", nil, []fleet.Export{export(1, slotLine(3, "dockremap"))}, []string{"not-claimed 3 host1"}},
		{"another owner in a claimed slot", []fleet.Claim{claim(3, 1, fleet.Applied)}, []fleet.Export{export(1, slotLine(3, "dockremap"), slotLine(3, "alice"))},
			[]string{"not-claimed 3 host1", "overlap 3 host1"}},
		{"two hosts in one slot", []fleet.Claim{claim(3, 1, fleet.Applied)}, []fleet.Export{export(1, slotLine(3, "dockremap")), export(2, slotLine(3, "dockremap"))},
			[]string{"not-claimed 3 host2", "overlap 3 host1"}},
		{"a range across two slots", nil, []fleet.Export{export(1, across)}, []string{"not-claimed 3 host1", "not-claimed 4 host1"}},
		{"released and still in the files", []fleet.Claim{claim(3, 1, fleet.Released)}, []fleet.Export{export(1, slotLine(3, "dockremap"))}, []string{"released 3 host1"}},
		{"released and gone", []fleet.Claim{claim(3, 1, fleet.Released)}, []fleet.Export{export(1)}, nil},
		{"a claim of which no export was given", []fleet.Claim{claim(3, 1, fleet.Applied)}, nil, []string{"unseen 3 host1"}},
		{"cloned images", nil, []fleet.Export{export(1), {Machine: machineID(1), Host: "clone"}}, []string{"cloned -1 clone"}},
		{"IDs outside the space", nil, []fleet.Export{export(1, subid.Claim{Owner: "alice", Range: subid.Range{Start: 100000, Count: 65536}})}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			reg := newRegistry(t)
			for _, cl := range c.claims {
				held := cl
				held.State = fleet.Applied // only what somebody holds can be released
				require.NoError(t, reg.Claim(ctx, held))
				require.NoError(t, reg.Claim(ctx, cl))
			}
			problems, err := fleet.Audit(ctx, reg, space, all(c.exports...))
			require.NoError(t, err)
			var got []string
			for _, p := range problems {
				got = append(got, fmt.Sprintf("%s %d %s", p.ID, p.Slot, p.Host))
			}
			assert.Equal(t, c.want, got)
		})
	}

	t.Run("an export that cannot be read is not a clean audit", func(t *testing.T) {
		broken := errors.New("host9.json: no such file")
		problems, err := fleet.Audit(ctx, newRegistry(t), space, func(yield func(fleet.Export, error) bool) {
			yield(fleet.Export{}, broken)
		})
		require.ErrorIs(t, err, broken)
		assert.Nil(t, problems)
	})

	t.Run("10,000 exports keep little", func(t *testing.T) {
		if testing.Short() {
			t.Skip("makes 10,000 exports; not with -short")
		}
		large := fleet.Space{Min: 1 << 20, Count: 4096, Slots: 10000}
		reg := newRegistry(t)
		var conf strings.Builder
		for n := range large.Slots {
			fmt.Fprintf(&conf, "host%d = %d\n", n, n)
		}
		require.NoError(t, os.WriteFile(reg.Path, []byte(conf.String()), 0o644))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		problems, err := fleet.Audit(ctx, reg, large, func(yield func(fleet.Export, error) bool) {
			for n := range large.Slots {
				r, err := large.Slot(n)
				require.NoError(t, err)
				if !yield(export(n, subid.Claim{Line: 1, Owner: "dockremap", Range: r}), nil) {
					return
				}
			}
		})
		runtime.ReadMemStats(&after)
		require.NoError(t, err)
		assert.Empty(t, problems)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(200<<20), "bytes allocated in all, the exports included")
	})
}

func TestReadExports(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"whole", `{"schema":1,"machine":"` + machineID(1) + `","host":"a","ranges":[]}`, ""},
		{"another schema", `{"schema":2,"machine":"` + machineID(1) + `"}`, "schema is 2, want 1"},
		{"cut off", `{"schema":1,`, "not an export"},
		{"without a machine ID", `{"schema":1,"host":"a","ranges":[]}`, "not a machine ID"},
		{"too large", strings.Repeat(" ", 16<<20+1), "larger than"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.json")
			require.NoError(t, os.WriteFile(path, []byte(c.text), 0o644))
			seen := 0
			for e, err := range fleet.ReadExports(path, path+".missing") {
				switch seen++; {
				case c.want == "" && seen == 1:
					require.NoError(t, err)
					assert.Equal(t, "a", e.Host)
				case c.want == "":
					require.ErrorIs(t, err, os.ErrNotExist)
				default:
					require.ErrorContains(t, err, "a.json: not an export: ")
					assert.ErrorContains(t, err, c.want)
				}
			}
			if c.want == "" {
				assert.Equal(t, 2, seen)
			} else {
				assert.Equal(t, 1, seen, "it ends with the first that cannot be read")
			}
		})
	}
}

func TestTextForms(t *testing.T) {
	for _, p := range []fleet.Policy{fleet.Disjoint, fleet.Same} {
		text, err := p.MarshalText()
		require.NoError(t, err)
		var back fleet.Policy
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, p, back)
	}
	assert.Equal(t, "Policy(9)", fleet.Policy(9).String())
	assert.Error(t, new(fleet.Policy).UnmarshalText([]byte("both")))
}
