package userns_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/userns"
)

func TestParseMapReadsWhatTheKernelPrints(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "no IDs",
		"         0          0 4294967295\n": "0 0 4294967295",
		"         0     100000      65536\n     65536     200000         10\n": "0 100000 65536, 65536 200000 10",
		"0 100000 65536":        "0 100000 65536",
		"\t0\t100000\t1 \t\n":   "0 100000 1",
		"0 5 1\r\n\v1\f7 1\r\n": "0 5 1, 1 7 1",
		"00 0100000 1\n":        "0 100000 1", // decimal, as the kernel reads it
	} {
		m, err := userns.ParseMap("uid_map", []byte(text))
		require.NoError(t, err, "%q", text)
		assert.Equal(t, want, m.String(), "%q", text)
	}
}

const kernelLine = "         0     100000      65536\n"

func TestParseMapSaysWhereItCannotRead(t *testing.T) {
	for text, want := range map[string]string{
		"0 100000\n":                     `uid_map:1:9: not a valid ID map: a number is missing`,
		"\n":                             `uid_map:1:1: not a valid ID map: a number is missing`,
		"0 100000 65536\n\n":             `uid_map:2:1: not a valid ID map: a number is missing`,
		"0 100000 65536 1\n":             `uid_map:1:16: not a valid ID map: more than three numbers`,
		"0 0x186a0 65536\n":              `uid_map:1:3: not a valid ID map: "0x186a0" is not a decimal number`,
		"0 -1 65536\n":                   `uid_map:1:3: not a valid ID map: "-1" is not a decimal number`,
		"0 +1 65536\n":                   `uid_map:1:3: not a valid ID map: "+1" is not a decimal number`,
		"0 1_0 65536\n":                  `uid_map:1:3: not a valid ID map: "1_0" is not a decimal number`,
		"0 1OOOOO 65536\n":               `uid_map:1:3: not a valid ID map: "1OOOOO" is not a decimal number`,
		"0 100000 65536\xa0\n":           `uid_map:1:10: not a valid ID map: "65536\xa0" is not a decimal number`,
		"# 0 1 2\n":                      `uid_map:1:1: not a valid ID map: "#" is not a decimal number`,
		"0 4294967296 1\n":               `uid_map:1:3: not a valid ID map: "4294967296" is more than 4294967295`,
		"0 18446744073709551616 1\n":     `uid_map:1:3: not a valid ID map: "18446744073709551616" is more than 4294967295`,
		"0 1 1\n1 4294967295 10\n":       `uid_map:2:3: ID is not mapped in the namespace it was read from`,
		"0 1 10\n10 5 10\n":              `uid_map:2: not a valid ID map: it shares host IDs with 0 1 10`,
		"0 0 0\n":                        `uid_map:1: not a valid ID map: it maps no ID`,
		"0 0 1\x00\n":                    `uid_map:1:5: not a valid ID map: "1\x00" is not a decimal number`,
		kernelLine + "0 0x1 1\n":         `uid_map:2:3: not a valid ID map: "0x1" is not a decimal number`,
		kernelLine + kernelLine:          `uid_map:2: not a valid ID map: it shares IDs inside the namespace with 0 100000 65536`,
		kernelLine + kernelLine[:32]:     `uid_map:2: not a valid ID map: it shares IDs inside the namespace with 0 100000 65536`,
		kernelLine + "\n":                `uid_map:2:1: not a valid ID map: a number is missing`,
		strings.Repeat(kernelLine, 341):  `uid_map:341: not a valid ID map: more than 340 lines`,
		strings.Repeat("0 0 1\n", 341):   `uid_map:341: not a valid ID map: more than 340 lines`,
		strings.Repeat("0 0 1\n", 1<<16): `uid_map:341: not a valid ID map: more than 340 lines`,
	} {
		m, err := userns.ParseMap("uid_map", []byte(text))
		require.EqualError(t, err, want, "%.40q", text)
		place := &usernskit.FileError{}
		require.ErrorAs(t, err, &place)
		assert.Equal(t, userns.Map{}, m)
		if strings.Contains(want, "not mapped") {
			require.ErrorIs(t, err, userns.ErrUnmapped)
		} else {
			require.ErrorIs(t, err, userns.ErrInvalidMap)
		}
	}
}

// FuzzParseMap holds ParseMap to its word against a reading by fmt.
func FuzzParseMap(f *testing.F) {
	for _, seed := range []string{"", "0 0 4294967295\n", "10 5 5\n0 100000 10\n", "0 4294967296 1\n", "5 4294967295 1\n",
		"0 100000 65536", " 0\t1  2 \n", "0 1 2 3\n", "0 0x1 1\n", "010 08 1\n", "0 1 1\n0 2 1\n", "0 1 1\n1 1 1\n", "\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := userns.ParseMap("map", data)
		if err != nil {
			require.Equal(t, userns.Map{}, m, "nothing comes with an error")
			return
		}
		text, err := m.MarshalText()
		require.NoError(t, err)
		again, err := userns.ParseMap("map", text)
		require.NoError(t, err)
		require.Equal(t, m.Extents(), again.Extents())

		lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
		if len(data) == 0 {
			lines = nil
		}
		require.Len(t, m.Extents(), len(lines))
		for i, e := range m.Extents() {
			var id, host, count uint64
			_, err := fmt.Sscanf(string(lines[i]), "%d%d%d", &id, &host, &count)
			require.NoError(t, err)
			require.Equal(t, [3]uint64{uint64(e.ID), uint64(e.HostID), uint64(e.Count)}, [3]uint64{id, host, count})
		}
	})
}
