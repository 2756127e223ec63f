package userns_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"golang.org/x/sys/unix"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
)

// crowd is a /proc in which processes of the host, of containers and of many
// namespaces come in turn, more than are listed at once.
func crowd(t testing.TB, n int) userns.FS {
	var procs []fakeProc
	for i := range n {
		p := fakeProc{pid: 1000 + i}
		switch i % 7 {
		case 0:
			p.user, p.uidMap = 1+i%40, fmt.Sprintf("0 %d 1000\n", 100000+i%40*1000)
			p.ids = strings.TrimSpace(strings.Repeat(fmt.Sprint(100000+i%40*1000, "\t"), 4))
		case 1:
			p.mnt, p.cgroup = 10+i, "0::/docker/"+idA+"\n"
		case 2:
			p.noUserNS, p.uidMap = true, "0 100000 65536\n"
		case 3:
			p.user, p.uidMap = 77, "-"
		}
		procs = append(procs, p)
	}
	return fakeFS(t, procs...)
}

// onProcessors runs f with so many processors.
func onProcessors(n int, f func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	f()
}

// However many readers share the work, whoever asks gets the same answer, in
// the same order.
func TestAScanIsTheSameOnAnyNumberOfProcessors(t *testing.T) {
	for _, n := range []int{0, 1, 14, 15, 16, 17, 600} {
		f := crowd(t, n)
		scan := func(opt userns.Options) (list []userns.Process, cov userns.Coverage) {
			opt.Coverage = &cov
			for p, err := range f.Processes(t.Context(), opt) {
				require.NoError(t, err)
				list = append(list, p)
			}
			requireSum(t, cov)
			return list, cov
		}
		for _, opt := range []userns.Options{{}, {All: true}, {NamespacedOnly: true}} {
			var list []userns.Process
			var cov userns.Coverage
			onProcessors(1, func() { list, cov = scan(opt) })
			assert.Equal(t, n+1, cov.Seen)
			assert.Equal(t, (n+4)/7, cov.NoLink)
			for _, processors := range []int{2, 3, 20} {
				onProcessors(processors, func() {
					list2, cov2 := scan(opt)
					assert.Equal(t, list, list2)
					assert.Equal(t, cov, cov2)
				})
			}
		}
	}
}

// Whoever leaves the loop is not told of what was read ahead, and nothing of it
// stays behind.
func TestAScanThatIsLeftEarlyLeavesNothingBehind(t *testing.T) {
	f := crowd(t, 600)
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		return len(list)
	}
	onProcessors(8, func() {
		files, routines := open(), runtime.NumGoroutine()
		for left := range 40 {
			var cov userns.Coverage
			seen, noLink := 0, 0
			for p, err := range f.Processes(t.Context(), userns.Options{Coverage: &cov}) {
				require.NoError(t, err)
				if p.UserNS == 0 {
					noLink++
				}
				if seen++; seen > left*7 {
					break
				}
			}
			require.Equal(t, seen, cov.Yielded)
			require.Equal(t, noLink, cov.NoLink)
			require.True(t, cov.Cut)
			requireSum(t, cov)
			require.Equal(t, files, open())
			// One that has said that it is done needs a moment to be gone.
			require.Eventually(t, func() bool { return runtime.NumGoroutine() <= routines+1 }, time.Second, time.Millisecond)
		}
	})
}

// A program may have raised the thread that it asks from, or lowered it, and
// locked it. What the other threads may see is not what was asked for.
func TestAScanSeesWhatTheThreadThatAsksMaySee(t *testing.T) {
	hosttest.Need(t)
	f := crowd(t, 300)
	for dir := f.Root; dir != os.TempDir(); dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	for pid := range 300 {
		require.NoError(t, os.Chmod(fmt.Sprintf("%s/%d/status", f.Root, 1000+pid), 0o600))
	}
	onProcessors(8, func() {
		var cov userns.Coverage
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // for good: the thread ends with this
			err := unix.Setfsuid(1000)
			for range f.Processes(t.Context(), userns.Options{All: true, Coverage: &cov}) {
			}
			done <- err
		}()
		require.NoError(t, <-done)
		requireSum(t, cov)
		assert.Equal(t, 300, cov.Denied, "%+v", cov)
	})
}

// Files that may be open are shared out among the readers.
func TestAScanWithFewOpenFilesMissesNothing(t *testing.T) {
	f := crowd(t, 400)
	_, want := collect(t, f, userns.Options{All: true})
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	for _, files := range []uint64{32, 64, 256} {
		require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: files, Max: limit.Max}))
		onProcessors(8, func() {
			_, got := collect(t, f, userns.Options{All: true})
			assert.Equal(t, want, got, "%d files", files)
		})
	}
}
