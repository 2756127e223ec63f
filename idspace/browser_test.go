package idspace_test

import (
	"context"
	"fmt"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/tools/txtar"

	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/internal/hosttest"
)

func TestABrowserShowsThePicture(t *testing.T) {
	hosttest.Need(t, "chromium")
	archive, err := txtar.ParseFile("testdata/remapped.txtar")
	require.NoError(t, err)
	dir := t.TempDir()
	document, picture := filepath.Join(dir, "host.svg"), filepath.Join(dir, "host.png")
	users := idspace.New(idspace.Users, sources(t, archive.Files))
	require.NoError(t, os.WriteFile(document, []byte(svg(t, users)), 0o644))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1000,900", "--screenshot="+picture, "file://"+document).CombinedOutput()
	require.NoError(t, err, "%s", out)

	f, err := os.Open(picture)
	require.NoError(t, err)
	defer f.Close()
	shown, err := png.Decode(f)
	require.NoError(t, err)
	pixels := map[string]int{}
	for y := range shown.Bounds().Dy() {
		for x := range shown.Bounds().Dx() {
			c := color.NRGBAModel.Convert(shown.At(x, y)).(color.NRGBA)
			pixels[fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)]++
		}
	}
	for what, c := range map[string]string{
		"an account": "#0e7490", "a reserved range": "#c8cdd5", "a subordinate range": "#c2790a",
		"dockerd's range": "#15803d", "a namespace": "#7e22ce", "an overlap": "#dc2626", "the page": "#ffffff",
	} {
		assert.Greater(t, pixels[c], 100, "%s is to be seen, in %s", what, c)
	}
	assert.Less(t, pixels["#ffffff"], 850*1000, "ribbons cover some of the page")
}
