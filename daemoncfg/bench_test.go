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
					if err := next.Set(json.RawMessage(`"x"`), key); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// The best of a few runs each: the machine may be busy with something else.
func TestSetOnALargeDocumentTakesNoLongerThanReadingItThrice(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	best := func(f func()) time.Duration {
		least := time.Hour
		for range 15 {
			start := time.Now()
			f()
			least = min(least, time.Since(start))
		}
		return least
	}
	for name, data := range map[string][]byte{"one long list": large(), "many members": wide()} {
		t.Run(name, func(t *testing.T) {
			doc, err := daemoncfg.Parse("daemon.json", data)
			require.NoError(t, err)
			valid := best(func() { json.Valid(data) })
			set := best(func() {
				next := *doc
				require.NoError(t, next.Set(json.RawMessage(`"x"`), "userns-remap"))
			})
			t.Logf("json.Valid %v, Set %v", valid, set)
			require.LessOrEqual(t, set, 3*valid)
		})
	}
}
