package usernskit

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
	require.NoError(t, f.Truncate(MaxFileSize+1))
	require.NoError(t, f.Close())
	data, err := host.ReadFile("/big")
	assert.ErrorIs(t, err, ErrTooLarge)
	assert.Nil(t, data)
	assert.ErrorContains(t, err, "/big")
}
