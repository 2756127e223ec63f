package subid_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/subid"
)

// The installed getsubids has to be one of the shadow-utils that we know.
func TestGetsubidsReadsWhatAsShadowSays(t *testing.T) {
	if !hosttest.Private(t, "getsubids") {
		return
	}
	passwd, err := os.ReadFile("/etc/passwd")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("/etc/passwd", append(passwd, "alice:x:4242:4242::/:/bin/false\n"...), 0o644))
	alice := subid.Owner{Name: "alice", UID: new(uint32(4242))}

	var files []string
	for seed := range uint64(20) {
		files = append(files, strings.Join(oddLines(seed, 500), "\n")+"\n")
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	for seed := range uint64(60) { // files that are odd as a whole
		text := strings.Join(oddLines(seed, 6), "\n")
		switch seed % 4 {
		case 1:
			text += "\n"
		case 2:
			at := rnd.IntN(len(text))
			text = text[:at] + "\x00" + text[at:]
		case 3:
			at := rnd.IntN(len(text))
			text = text[:at] + "\x00" + text[at:] + "\n"
		}
		files = append(files, text)
	}
	for _, n := range []int{4094, 4095, 4096, 8190, 8191, 65535, 65536} { // around the buffers
		pad := strings.Repeat("p", n)
		files = append(files, pad, pad+"\n", pad+"\nalice:1:2\n", "alice:1:2\n"+pad, pad+":1:2\nalice:3:4")
	}

	known := []subid.Reader{subid.Shadow413, subid.Shadow418, subid.Shadow420}
	lines, read := 0, 0
	for _, text := range files {
		require.NoError(t, os.WriteFile("/etc/subuid", []byte(text), 0o644))
		out, err := exec.Command("getsubids", "alice").Output()
		want := ""
		if err == nil {
			want = string(out)
		}
		f := subid.Parse("/etc/subuid", []byte(text))
		var still []subid.Reader
		got := ""
		for _, r := range known {
			list, _ := f.As(r, alice)
			got = ""
			for i, n := range list {
				got += fmt.Sprintf("%d: alice %d %d\n", i, uint64(n.Start), uint64(n.Count))
			}
			if got == want {
				still = append(still, r)
			}
		}
		require.NotEmpty(t, still, "none of %v reads as getsubids does:\n%q\ngetsubids: %s\nlast model: %s", known, text, want, got)
		known = still
		lines += strings.Count(text, "\n")
		read += strings.Count(want, "\n")
	}
	t.Logf("%d lines in %d files, of which getsubids took %d for alice's, as %v does", lines, len(files), read, known)
	assert.Greater(t, lines, 5000)
	assert.Greater(t, read, 400)
}
