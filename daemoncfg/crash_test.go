package daemoncfg_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
)

const crashRoot = "DAEMONCFG_CRASH_ROOT"

// set puts one key into daemon.json as remapctl does.
func set(h usernskit.Host, value int, path ...string) error {
	_, err := h.Update(context.Background(), func() (usernskit.Plan, error) {
		return daemoncfg.PlanSet(context.Background(), h, path, json.RawMessage(fmt.Sprint(value)))
	})
	return err
}

// TestWriterThatIsKilled is the program that the next test kills.
func TestWriterThatIsKilled(t *testing.T) {
	root := os.Getenv(crashRoot)
	if root == "" {
		t.Skip("run by TestKilledWriterAndSecondWriter")
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		if err := set(usernskit.Host{Root: root}, i, "builder", "killed", "options", "n"); err != nil && !errors.Is(err, usernskit.ErrUnfinished) {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// A writer is killed at any moment, over and over, beside a second one that
// works on. No reader ever sees a torn file, and no key of the second writer
// that was written is lost.
func TestKilledWriterAndSecondWriter(t *testing.T) {
	trees, kills := 10, 30
	if testing.Short() {
		trees = 1
	}
	unfinished := 0
	for range trees {
		unfinished += killWriters(t, kills)
	}
	t.Logf("%d of %d runs were killed between the first byte of the journal and the last", unfinished, trees*kills)
	if !testing.Short() {
		require.NotZero(t, unfinished, "no kill hit a write: the test has seen nothing")
	}
}

func killWriters(t *testing.T, kills int) (unfinished int) {
	h := newTree(t, "-- srv/dotfiles/daemon.json --\n{\n\t\"debug\" : true\n}\n-- etc/docker/daemon.json -> ../../srv/dotfiles/daemon.json --\n")
	file := filepath.Join(h.Root, "srv/dotfiles/daemon.json")
	require.NoError(t, os.Chmod(file, 0o640))
	if os.Geteuid() == 0 {
		require.NoError(t, os.Chown(file, 1234, 4321))
	}
	hasXattr := setXattr(file, "user.daemoncfg", "kept") == nil

	stop := make(chan struct{})
	var second sync.WaitGroup
	var pause sync.Mutex // what the second writer does right now looks unfinished too
	var written []string // keys that Update said were written
	var failure error
	second.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
			}
			key := fmt.Sprint("second-", i)
			pause.Lock()
			err := set(h, i, "builder", key)
			pause.Unlock()
			switch {
			case err == nil:
				written = append(written, key)
			case !errors.Is(err, usernskit.ErrUnfinished):
				failure = err
				return
			}
		}
	})
	for range kills {
		killOne(t, h)
		pause.Lock()
		unfinished += takeBack(t, h)
		pause.Unlock()
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		_, err = daemoncfg.Parse(file, data)
		require.NoError(t, err, "a torn file")
	}
	close(stop)
	second.Wait()
	require.NoError(t, failure)

	data, err := h.ReadFile("/etc/docker/daemon.json")
	require.NoError(t, err)
	doc, err := daemoncfg.Parse("daemon.json", data)
	require.NoError(t, err)
	require.NotEmpty(t, written)
	for _, key := range written {
		_, ok := doc.Get("builder", key)
		require.True(t, ok, "%s was written and is lost", key)
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode().Perm())
	if os.Geteuid() == 0 {
		stat := info.Sys().(*syscall.Stat_t)
		require.Equal(t, []uint32{1234, 4321}, []uint32{stat.Uid, stat.Gid})
	}
	if hasXattr {
		require.Equal(t, "kept", getXattr(file, "user.daemoncfg"))
	}
	target, err := os.Readlink(filepath.Join(h.Root, "etc/docker/daemon.json"))
	require.NoError(t, err)
	require.Equal(t, "../../srv/dotfiles/daemon.json", target)
	list, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, list, 1, "something is left behind")
	return unfinished
}

// killOne starts a writer and kills it after a moment.
func killOne(t *testing.T, h usernskit.Host) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestWriterThatIsKilled$")
	cmd.Env = append(os.Environ(), crashRoot+"="+h.Root)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	time.Sleep(time.Duration(rand.Int64N(int64(15 * time.Millisecond))))
	require.NoError(t, cmd.Process.Kill())
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, "signal: killed", exit.Error(), "it ended by itself")
}

// takeBack undoes the run that was cut off, and returns how many there were.
func takeBack(t *testing.T, h usernskit.Host) (n int) {
	receipts, err := h.Receipts()
	require.NoError(t, err)
	for _, r := range receipts {
		if r.State != usernskit.StateApplied && r.State != usernskit.StateUndone {
			require.NoError(t, h.Undo(context.Background(), r.ID, nil))
			n++
		}
	}
	require.LessOrEqual(t, n, 1, "the next run waits for the one that was cut off")
	return n
}
