package userns

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// kernelLines are lines as the kernel prints them, and what is nearly one.
var kernelLines = []string{
	"         0     100000      65536\n",
	"  12345678   98765432   10000000\n",
	"         9         10        900\n",
	"  99999999   99999999   99999999\n",
	"  00000000   00000001   09000000\n", // decimal, as the kernel reads it
	"         0          0 4294967295\n", // the host's own namespace: more than eight digits
	" 123456789          0          1\n",
	"         5 4294967295          1\n",
	"         0 4294967296          1\n",
	"                   0          1 \n",
	"         0          0          1\n         1          2          3\n",
	"         0     100000      65536",
	"         0     100000      65536\r\n",
	"0 1 2\n",
	"\n",
	"",
}

// isKernelLine is what kernelLine is defined by: parseExtent, and printing.
func isKernelLine(data []byte) (Extent, bool) {
	e, end, err := parseExtent(data, 0)
	if err != nil || end+1 != lineLen || end == len(data) {
		return Extent{}, false
	}
	return e, max(e.ID, e.HostID, e.Count) < 1e8 && fmt.Sprintf("%10d %10d %10d\n", e.ID, e.HostID, e.Count) == string(data[:lineLen])
}

func holdKernelLine(t *testing.T, data []byte) {
	t.Helper()
	got, ok := kernelLine(data)
	want, must := isKernelLine(data)
	switch {
	case must:
		require.True(t, ok, "%q", data)
		require.Equal(t, want, got, "%q", data)
	case ok: // zeros before a number, which the kernel reads but does not print
		require.Equal(t, want, got, "%q", data)
		require.Regexp(t, `^ {0,9}\d{1,10} {1,10}\d{1,10} {1,10}\d{1,10}\n`, string(data))
	default:
		require.Equal(t, Extent{}, got, "nothing comes with a no")
	}
}

// Every byte of every line is each of the 256 once: a digit, a blank, what is
// next to one of them in ASCII or differs in a bit.
func TestKernelLineReadsWhatParseExtentReads(t *testing.T) {
	for _, line := range kernelLines {
		holdKernelLine(t, []byte(line))
		for i := range line {
			data := []byte(line)
			for c := range 256 {
				data[i] = byte(c)
				holdKernelLine(t, data)
			}
		}
	}
	for n := uint32(1); n < 1e8; n += n/7 + 1 {
		holdKernelLine(t, fmt.Appendf(nil, "%10d %10d %10d\n", n, n/3, 99999999-n))
	}
}

func FuzzKernelLine(f *testing.F) {
	for _, line := range kernelLines {
		f.Add([]byte(line))
	}
	f.Fuzz(holdKernelLine)
}
