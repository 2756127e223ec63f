package subid_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

const (
	raceEnv       = "USERNSKIT_RACE_WORKER"
	raceRootEnv   = "USERNSKIT_RACE_ROOT"
	raceWorkers   = 8
	racePerWorker = 50 // of which every fifth is released again
	raceUseradds  = 100
)

// 500 allocations, 400 by eight processes of ours and 100 by useradd, while
// usermod -v adds ranges and userdel takes some away. All of them are at the
// same two files of this mount namespace.
func TestManyAllocateAtOnce(t *testing.T) {
	if worker := os.Getenv(raceEnv); worker != "" {
		raceWorker(t, worker)
		return
	}
	if !hosttest.Private(t, "useradd", "usermod", "userdel") {
		return
	}
	require.NoError(t, os.WriteFile("/etc/subuid", []byte("# kept\nalice:110000:1000\n"), 0o644))
	require.NoError(t, os.WriteFile("/etc/subgid", []byte("# kept\nbob:300000:70000\n"), 0o644))

	var all sync.WaitGroup
	var failed sync.Map // what failed, by name
	for i := range raceWorkers {
		all.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestManyAllocateAtOnce$", "-test.timeout=5m")
			cmd.Env = append(os.Environ(), raceEnv+"="+strconv.Itoa(i))
			if out, err := cmd.CombinedOutput(); err != nil {
				failed.Store(fmt.Sprintf("worker %d: %v: %s", i, err, out), true)
			}
		})
	}
	all.Go(func() {
		run := func(name string, arg ...string) {
			if out, err := exec.Command(name, arg...).CombinedOutput(); err != nil {
				failed.Store(fmt.Sprintf("%s %v: %v: %s", name, arg, err, out), true)
			}
		}
		for i := range raceUseradds {
			user := fmt.Sprintf("real%d", i)
			run("useradd", "-M", "-N", user)
			switch i % 4 {
			case 1: // far from what anyone allocates: usermod looks at nothing
				run("usermod", "-v", fmt.Sprintf("%d-%d", 1500000000+i*10, 1500000009+i*10), user)
			case 3:
				run("userdel", user)
			}
		}
	})
	all.Wait()
	failed.Range(func(what, _ any) bool { return assert.Fail(t, "failed", what) })

	s, err := subid.Read(t.Context(), usernskit.Host{})
	require.NoError(t, err)
	for _, f := range []*subid.File{s.UID, s.GID} {
		assert.True(t, strings.Contains(string(f.Bytes()), "# kept\n"), "the comment")
		for _, p := range problems(t, string(f.Bytes())) {
			assert.NotContains(t, []subid.ProblemID{subid.ProblemOverlap, subid.ProblemDuplicate, subid.ProblemReadersDiffer, subid.ProblemNotDecimal}, p.ID, "%s:%d: %s", p.File, p.Line, p.Text)
		}
		has := map[string]int{}
		for c := range f.Ranges() {
			has[c.Owner]++
		}
		for i := range raceWorkers {
			for n := range racePerWorker {
				want := 1
				if n%5 == 4 {
					want = 0
				}
				assert.Equal(t, want, has[fmt.Sprintf("w%dn%d", i, n)], "lines of worker %d, allocation %d", i, n)
			}
		}
		for i := range raceUseradds {
			want := 1
			if i%4 == 1 && f == s.UID {
				want = 2
			} else if i%4 == 3 {
				want = 0
			}
			assert.Equal(t, want, has[fmt.Sprintf("real%d", i)], "lines of useradd %d, subuid: %v", i, f == s.UID)
		}
	}
	found, err := s.Problems(t.Context())
	require.NoError(t, err)
	for _, p := range found {
		assert.False(t, p.ID == subid.ProblemUIDGIDDiffer && strings.HasPrefix(p.Owner, "w"), "%s: %s", p.Owner, p.Text)
	}

	entries, err := filepath.Glob("/etc/*sub[ug]id*")
	require.NoError(t, err)
	assert.Equal(t, []string{"/etc/subgid", "/etc/subgid-", "/etc/subuid", "/etc/subuid-"}, entries, "no locks and no temporary files")
	locks, err := filepath.Glob("/etc/[a-z]*.lock*") // .pwd.lock stays, as shadow-utils leave it
	require.NoError(t, err)
	assert.Empty(t, locks)
}

func raceWorker(t *testing.T, worker string) {
	h := usernskit.Host{}
	// Nobody stands in a queue for the locks, so with nine at them one may have
	// bad luck for longer than the 15 s that are waited without a deadline.
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	for n := range racePerWorker {
		owner := fmt.Sprintf("w%sn%d", worker, n)
		_, err := h.Update(ctx, func() (usernskit.Plan, error) {
			_, plan, err := subid.Plan(t.Context(), h, subid.Request{Owner: owner})
			return plan, err
		})
		require.NoError(t, err, owner)
		if n%5 != 4 {
			continue
		}
		_, err = h.Update(ctx, func() (usernskit.Plan, error) { return planRelease(t, h, owner) })
		require.NoError(t, err, owner)
	}
}

// racers runs the test that calls it in some processes of its own, each with
// its number and the tree in the environment, and waits for them.
func racers(t *testing.T, n int, root string) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=2m")
			cmd.Env = append(os.Environ(), raceEnv+"="+strconv.Itoa(i), raceRootEnv+"="+root)
			out, err := cmd.CombinedOutput()
			assert.NoError(t, err, "process %d: %s", i, out)
		})
	}
	all.Wait()
}

// apart checks a tree after a race: the owners have one line in each file, the
// same in both, and no line meets another.
func apart(t *testing.T, root string, owners []string) {
	s, err := subid.Read(t.Context(), usernskit.Host{Root: root})
	require.NoError(t, err)
	for _, f := range []*subid.File{s.UID, s.GID} {
		has := map[string]int{}
		for c := range f.Ranges() {
			has[c.Owner]++
		}
		for _, owner := range owners {
			assert.Equal(t, 1, has[owner], "lines of %s, subuid: %v", owner, f == s.UID)
		}
		assert.Len(t, has, len(owners), "owners, subuid: %v", f == s.UID)
	}
	found, err := s.Problems(t.Context())
	require.NoError(t, err)
	for _, p := range found {
		assert.NotContains(t, []subid.ProblemID{subid.ProblemOverlap, subid.ProblemDuplicate, subid.ProblemSlot, subid.ProblemFormulaBroken, subid.ProblemUIDGIDDiffer}, p.ID, "%s:%d: %s", p.File, p.Line, p.Text)
	}
	locks, err := filepath.Glob(root + "/etc/[a-z]*.lock*")
	require.NoError(t, err)
	assert.Empty(t, locks)
}

// The useradd of shadow-utils 4.20 looks at no line in its deterministic mode:
// what two processes of ours choose beside it is in no slot that it may give.
func TestRaceWithDeterministicUseradd(t *testing.T) {
	const workers, each, useradds = 2, 15, 99
	if worker, root := os.Getenv(raceEnv), os.Getenv(raceRootEnv); worker != "" {
		h := usernskit.Host{Root: root}
		for n := range each {
			_, err := h.Update(t.Context(), func() (usernskit.Plan, error) {
				_, plan, err := subid.Plan(t.Context(), h, subid.Request{Owner: fmt.Sprintf("w%sn%d", worker, n)})
				return plan, err
			})
			require.NoError(t, err)
		}
		return
	}
	root := hosttest.Debian(t, "sid")
	require.NoError(t, os.WriteFile(root+"/etc/login.defs", []byte(deterministic+"UID_MIN 1000\nUID_MAX 1099\n"), 0o644))
	owners := []string{"kept"}
	for _, path := range []string{"/etc/subuid", "/etc/subgid"} {
		require.NoError(t, os.WriteFile(root+path, []byte("kept:6815744:65536\n"), 0o644))
	}
	for i := range workers {
		for n := range each {
			owners = append(owners, fmt.Sprintf("w%dn%d", i, n))
		}
	}
	ours := func() int {
		text, err := os.ReadFile(root + "/etc/subuid")
		assert.NoError(t, err)
		return strings.Count(string(text), "\nw")
	}
	var all sync.WaitGroup
	beside := 0
	all.Go(func() {
		for began := time.Now(); ours() == 0 && time.Since(began) < time.Minute; {
			time.Sleep(time.Millisecond)
		}
		for i := 0; i < useradds && (i < 20 || ours() < workers*each); i++ {
			owner := fmt.Sprintf("real%d", i)
			owners = append(owners, owner)
			out, err := exec.Command("chroot", root, "useradd", "-M", "-N", owner).CombinedOutput()
			assert.NoError(t, err, "%s", out)
			if ours() < workers*each {
				beside++
			}
		}
	})
	racers(t, workers, root)
	all.Wait()
	t.Logf("%d useradds beside ours", beside)
	assert.Positive(t, beside, "there was no race")
	apart(t, root, owners)
}

// Three processes with batches of 50 tenants: each batch is whole, and nothing
// meets.
func TestBatchesRace(t *testing.T) {
	const workers, batches, size = 3, 2, 50
	owner := func(worker, batch, n any) string { return fmt.Sprintf("w%vb%vn%v", worker, batch, n) }
	if worker, root := os.Getenv(raceEnv), os.Getenv(raceRootEnv); worker != "" {
		h := usernskit.Host{Root: root}
		for batch := range batches {
			var want []subid.Request
			for n := range size {
				want = append(want, subid.Request{Owner: owner(worker, batch, n)})
			}
			_, err := h.Update(t.Context(), func() (usernskit.Plan, error) {
				_, plan, err := subid.PlanAll(t.Context(), h, want...)
				return plan, err
			})
			require.NoError(t, err)
		}
		return
	}
	lines, owners := string(manyLines(8000)), []string{}
	h := hosttest.Tree(t, accountFiles+"-- etc/subuid --\n"+lines+"-- etc/subgid --\n"+lines)
	for c := range subid.Parse("before", []byte(lines)).Ranges() {
		owners = append(owners, c.Owner)
	}
	for i := range workers {
		for batch := range batches {
			for n := range size {
				owners = append(owners, owner(i, batch, n))
			}
		}
	}
	began := time.Now()
	racers(t, workers, h.Root)
	t.Logf("%d tenants beside 8000 lines, by %d processes: %v", workers*batches*size, workers, time.Since(began))
	assert.Less(t, time.Since(began), 5*time.Second)
	apart(t, h.Root, owners)
	for _, path := range []string{"/etc/subuid", "/etc/subgid"} {
		assert.True(t, strings.HasPrefix(string(read(t, h.Root+path)), lines), "the lines of before, in %s", path)
	}
}

// Beside three loops of useradd, an allocation waits for its turn and no longer.
func TestWaitBesideUseradd(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	if !hosttest.Private(t, "useradd", "userdel") {
		return
	}
	require.NoError(t, os.WriteFile("/etc/subuid", nil, 0o644))
	require.NoError(t, os.WriteFile("/etc/subgid", nil, 0o644))
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				exec.Command("useradd", "-M", fmt.Sprintf("loop%dn%d", i, n)).Run()
			}
		})
	}
	h := usernskit.Host{}
	var waits []time.Duration
	for n := range 15 {
		began := time.Now()
		_, err := h.Update(t.Context(), func() (usernskit.Plan, error) {
			_, plan, err := subid.Plan(t.Context(), h, subid.Request{Owner: fmt.Sprintf("ours%d", n)})
			return plan, err
		})
		assert.NoError(t, err)
		waits = append(waits, time.Since(began))
	}
	cancel()
	all.Wait()
	slices.Sort(waits)
	t.Logf("median %v, longest %v", waits[len(waits)/2], waits[len(waits)-1])
	assert.Less(t, waits[len(waits)/2], 2*time.Second)
	for _, p := range problems(t, string(read(t, "/etc/subuid"))) {
		assert.NotEqual(t, subid.ProblemOverlap, p.ID, "%v", p)
	}
}

func read(t *testing.T, path string) []byte {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}
