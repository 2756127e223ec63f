package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/shift"
)

// asked runs the question of a person who sits there with one hand on Ctrl-C.
func asked(ctx context.Context, in io.Reader) (out string, err error) {
	var text bytes.Buffer
	e := &env{in: in, out: &output{w: &text}, err: &text, prompt: true}
	e.aside = func() { e.note("what will break") }
	err = e.agreed(ctx, "", usernskit.Plan{}, func() error { return nil })
	return text.String(), err
}

func TestCtrlCAtTheQuestionIsANo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in, keep := io.Pipe() // a keyboard that nobody touches
	defer keep.Close()
	_, err := asked(ctx, in)
	assert.EqualError(t, err, "nothing was changed")
}

func TestWhatWillBreakIsSaidBeforeTheQuestion(t *testing.T) {
	out, err := asked(t.Context(), bytes.NewBufferString("y\n"))
	require.NoError(t, err)
	assert.Equal(t, "what will break\ngo on? [y/N] ", out)
	_, err = asked(t.Context(), bytes.NewBufferString("n\n"))
	assert.EqualError(t, err, "nothing was changed")
}

func TestWhatIsLeftToDoIsSaidAfterALateSignal(t *testing.T) {
	var out, text bytes.Buffer
	e := &env{out: &output{w: &out}, err: &text}
	e.out.stop.Store(true)
	e.say("before anything was written")
	e.done = "the files were written"
	e.say("then run: reboot")
	assert.Empty(t, out.String())
	assert.Equal(t, "then run: reboot\n", text.String())
}

func TestAWaitNamesTheProgramThatHasTheLock(t *testing.T) {
	var text bytes.Buffer
	e := &env{host: hosttest.Tree(t, "-- etc/subuid.lock --\n1\n"), err: &text}
	e.waits()
	assert.Regexp(t, `^waiting for /etc/subuid\.lock, held by PID 1 \(.+\)\n$`, text.String())

	text.Reset()
	e.host = hosttest.Tree(t, "-- etc/subuid --\n")
	e.waits()
	assert.Empty(t, text.String(), "a slow host without a lock, and no terminal")
}

func TestAHalfDoneRunIsNotSaidToHaveChangedNothing(t *testing.T) {
	err := errors.Join(syscall.EROFS, usernskit.ErrChanged, usernskit.ErrUnfinished)
	assert.Equal(t, []string{"run: remapctl undo --yes"}, (&env{}).hints(err))
}

func TestTheCommandOfAHintIsForTheSameRoot(t *testing.T) {
	e := &env{host: usernskit.Host{Root: "/mnt/image"}, out: &output{}}
	assert.Equal(t, []string{"the same command goes on; remapctl undo --root /mnt/image takes it back"}, e.hints(shift.ErrUnfinished))
	assert.Equal(t, []string{"run: remapctl undo --yes --root /mnt/image"}, e.hints(usernskit.ErrUnfinished))
}

// The race detector sees a message that is written beside those of the command.
func TestWhatIsWaitedForIsSaidBeforeAnythingElse(t *testing.T) {
	var out bytes.Buffer
	for range 100 {
		stop := later(0, func() { out.WriteString("waiting\n") })
		time.Sleep(10 * time.Microsecond)
		stop()
		out.WriteString("wrote\n")
	}
	assert.Contains(t, out.String(), "waiting")
}
