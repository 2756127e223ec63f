package usernskit

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hostfs"
)

func TestATreeOfFilesHasNoPrograms(t *testing.T) {
	_, err := Host{Root: t.TempDir()}.Command(t.Context(), "true")
	assert.ErrorIs(t, err, ErrNotLive)
	for _, root := range []string{"", "/", "//", "/./"} {
		assert.True(t, Host{Root: root}.Live(), root)
	}
	assert.False(t, Host{Root: "/mnt"}.Live())
}

func TestAProgramThatFailsIsQuoted(t *testing.T) {
	_, err := Host{}.Command(t.Context(), "sh", "-c", "echo the reason >&2; exit 3")
	assert.ErrorContains(t, err, "the reason")
	assert.ErrorContains(t, err, "sh")
	out, err := Host{}.Command(t.Context(), "sh", "-c", "echo out; echo noise >&2")
	require.NoError(t, err)
	assert.Equal(t, "out\n", string(out))

	seam := errors.New("asked")
	_, err = Host{Root: "/mnt", Run: func(context.Context, ...string) ([]byte, error) { return nil, seam }}.Command(t.Context(), "x")
	assert.ErrorIs(t, err, seam)
}

func TestAFileBeyondTheBoundIsAnErrorAndNotHalfAFile(t *testing.T) {
	host := Host{Root: t.TempDir()}
	f, err := os.Create(host.Root + "/big")
	require.NoError(t, err)
	require.NoError(t, f.Truncate(hostfs.MaxFileSize+1))
	require.NoError(t, f.Close())
	data, err := host.ReadFile("/big")
	assert.ErrorIs(t, err, ErrTooLarge)
	assert.Nil(t, data)
	assert.ErrorContains(t, err, "/big")
}

func TestAsk(t *testing.T) {
	t.Run("an exit status is an answer", func(t *testing.T) {
		out, exit, err := Host{}.Ask(t.Context(), "sh", "-c", "echo no; exit 2")
		require.NoError(t, err)
		assert.Equal(t, 2, exit)
		assert.Equal(t, "no\n", string(out))
	})
	for name, argv := range map[string][]string{
		"not found": {"/does/not/exist"},
		"killed":    {"sh", "-c", "kill -9 $$"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := Host{}.Ask(t.Context(), argv...)
			assert.Error(t, err)
		})
	}
	t.Run("a tree has no programs", func(t *testing.T) {
		_, _, err := Host{Root: t.TempDir()}.Ask(t.Context(), "true")
		assert.ErrorIs(t, err, ErrNotLive)
	})
	t.Run("it ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, _, err := Host{}.Ask(ctx, "sh", "-c", "sleep 30 & wait")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Less(t, time.Since(start), 5*time.Second)
	})
	t.Run("a child that keeps its output open", func(t *testing.T) {
		out, exit, err := Host{}.Ask(t.Context(), "sh", "-c", "echo yes; sleep 3 &")
		require.NoError(t, err, "the program itself ran to its end")
		assert.Equal(t, 0, exit)
		assert.Equal(t, "yes\n", string(out))
	})
	t.Run("it prints without end", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, _, err := Host{}.Ask(ctx, "sh", "-c", "yes >&2 & yes & wait")
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		_, _, err = Host{}.Ask(t.Context(), "sh", "-c", "head -c 17000000 /dev/zero; exit 2")
		assert.ErrorIs(t, err, ErrTooLarge, "half of an output is not an answer")
		_, err = Host{}.Command(t.Context(), "sh", "-c", "head -c 17000000 /dev/zero >&2; exit 2")
		assert.Less(t, len(err.Error()), 1<<17)
	})
	t.Run("it gets a limit of its own", func(t *testing.T) {
		_, _, err := Host{Run: func(ctx context.Context, _ ...string) ([]byte, error) {
			limit, ok := ctx.Deadline()
			assert.True(t, ok)
			assert.LessOrEqual(t, time.Until(limit), askTimeout)
			return nil, nil
		}}.Ask(t.Context(), "x")
		assert.NoError(t, err)
	})
}
