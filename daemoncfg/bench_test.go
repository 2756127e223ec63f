package daemoncfg_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/usernskit/usernskit/daemoncfg"
)

// large is a document of just under 1 MiB, as wide as labels can be.
func large() []byte {
	var b strings.Builder
	b.WriteString("{\n  \"debug\": true,\n  \"labels\": [")
	for i := 0; b.Len() < 1<<20-1000; i++ {
		if i > 0 {
			b.WriteString(",")
		}
		fmt.Fprintf(&b, "\n    \"zone.%d=somewhere\"", i)
	}
	b.WriteString("\n  ]\n}\n")
	return []byte(b.String())
}

// wide has its bytes in members of the document itself.
func wide() []byte {
	var b strings.Builder
	b.WriteString("{")
	for i := 0; b.Len() < 1<<20-1000; i++ {
		fmt.Fprintf(&b, "\n  \"key.%d\": {\"a\": [1, 2, 3], \"b\": \"x\"},", i)
	}
	b.WriteString("\n  \"debug\": true\n}\n")
	return []byte(b.String())
}

func BenchmarkValid(b *testing.B) {
	data := large()
	b.ReportAllocs()
	for b.Loop() {
		json.Valid(data)
	}
}

func BenchmarkParse(b *testing.B) {
	data := large()
	b.ReportAllocs()
	for b.Loop() {
		daemoncfg.Parse("daemon.json", data)
	}
}

func BenchmarkSet(b *testing.B) {
	for name, data := range map[string][]byte{"large": large(), "wide": wide()} {
		for _, key := range []string{"userns-remap", "debug"} {
			b.Run(name+"/"+key, func(b *testing.B) {
				doc, err := daemoncfg.Parse("daemon.json", data)
				require.NoError(b, err)
				b.ReportAllocs()
				for b.Loop() {
					next := *doc
					if err := next.Set([]string{key}, json.RawMessage(`"x"`)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// How many times as long as one json.Valid over the same document a Set takes,
// by the best of the runs of each; the aim is at most 3.
func BenchmarkSetAgainstJSONValid(b *testing.B) {
	for name, data := range map[string][]byte{"one long list": large(), "many members": wide()} {
		b.Run(name, func(b *testing.B) {
			doc, err := daemoncfg.Parse("daemon.json", data)
			require.NoError(b, err)
			valid, set := time.Hour, time.Hour
			for b.Loop() {
				start := time.Now()
				json.Valid(data)
				valid = min(valid, time.Since(start))
				next := *doc
				start = time.Now()
				require.NoError(b, next.Set([]string{"userns-remap"}, json.RawMessage(`"x"`)))
				set = min(set, time.Since(start))
			}
			b.ReportMetric(float64(set)/float64(valid), "x-Valid")
		})
	}
}
