package peerbench

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rows makes the rows about libraries, small.
func rows(t testing.TB, parts ...func(dir string) ([]Row, error)) []Row {
	t.Helper()
	var list []Row
	for _, part := range parts {
		r, err := part(t.TempDir())
		require.NoError(t, err)
		require.NotEmpty(t, r)
		list = append(list, r...)
	}
	return list
}

func parseRows(dir string) ([]Row, error)    { return ParseRows(dir, 1000) }
func textRows(string) ([]Row, error)         { return ParseTextRows(1000), nil }
func ownerRows(dir string) ([]Row, error)    { return OwnerRows(dir, 1000) }
func findRows(dir string) ([]Row, error)     { return FindRows(dir, 10, 1000) }
func findInMemory(string) ([]Row, error)     { return FindInMemoryRows(10, 1000), nil }
func translateRows(string) ([]Row, error)    { return TranslateRows(1, 5, 340) }
func mapFileRows(dir string) ([]Row, error)  { return MapFileRows(dir, false, 1, 5, 340) }
func anyOrderRows(dir string) ([]Row, error) { return MapFileRows(dir, true, 340) }
func setRows(string) ([]Row, error)          { return SetRows(300, 1<<16), nil }
func bootRows(string) ([]Row, error)         { return BootRows(10, 40), nil }

func TestUsernskitIsRightOnEveryRow(t *testing.T) {
	for _, r := range rows(t, parseRows, textRows, ownerRows, findRows, findInMemory, translateRows, mapFileRows, anyOrderRows, setRows, bootRows) {
		assert.Empty(t, r.Sides[0].Wrong(), "%s, %s", r.Work, r.Size)
		assert.NoError(t, r.Sides[0].Run(), "%s, %s", r.Work, r.Size)
	}
}

// What peers are compared on has to be work that they do as well.
func TestPeersAgreeOnWellFormedFiles(t *testing.T) {
	for _, r := range rows(t, parseRows, textRows, ownerRows, findInMemory, translateRows, mapFileRows, anyOrderRows, bootRows) {
		require.Greater(t, len(r.Sides), 1)
		for _, s := range r.Sides[1:] {
			if s.Floor {
				assert.NoError(t, s.Run())
				continue
			}
			if s.Name == "containers/storage" && r.Work == "parse subuid" {
				assert.Equal(t, tellsNoOwners, s.Wrong(), "the numbers are right")
				continue
			}
			assert.Empty(t, s.Wrong(), "%s, %s: %s", r.Work, r.Size, s.Name)
		}
	}
}

func TestAnswersThatArePeersOwnAreShownAsWrong(t *testing.T) {
	list := rows(t, findRows, setRows)
	for i, r := range list {
		result, err := Measure(r, 1, time.Microsecond)
		require.NoError(t, err)
		var b strings.Builder
		Table(&b, []Result{result})
		if strings.HasPrefix(r.Work, "find") {
			assert.Contains(t, b.String(), "**wrong: gives ", "the small range inside its choice")
			assert.Equal(t, "moby/sys/user and a sort", result.Fastest().Name, "the wrong one is not the fastest")
		} else {
			assert.Contains(t, b.String(), "**wrong: changes other values**", "a number that a float64 does not hold")
		}
		assert.NotContains(t, b.String(), "usernskit **wrong", "row %d", i)
	}
}

func TestWrongInputsAreRefused(t *testing.T) {
	assert.Equal(t, len(badDocuments), refused(setOurs))
	assert.Equal(t, len(bootLines), bootRight(bootOurs))
	for _, s := range setters[1:] {
		assert.Less(t, refused(s.set), len(badDocuments), s.name)
	}
	assert.Less(t, bootRight(bootUroot), len(bootLines))
	unchanged := func(line string) (string, error) { return line, nil }
	assert.Zero(t, bootRight(unchanged), "an edit that does nothing is right nowhere")
}

func TestLosslessSeesALostByte(t *testing.T) {
	doc := daemonJSON(300)
	good := strings.Replace(string(doc), "{\n", "{\n    \"userns-remap\": \"default\",\n", 1)
	assert.Empty(t, lossless(doc, []byte(good)))
	assert.NotEmpty(t, lossless(doc, []byte(strings.TrimSuffix(good, "\n"))))
	assert.NotEmpty(t, lossless(doc, []byte(strings.Replace(good, "34567,", "34566,", 1))))
	assert.NotEmpty(t, lossless(doc, []byte(good+"}")))
	assert.NotEmpty(t, lossless(doc, doc))
}

// A reader of the short table must not think that all aims were met.
func TestTheBriefTableHasEveryRowWhoseAimWasNotMet(t *testing.T) {
	row := func(size string, ratio float64) Result {
		peer := Measured{Side: Side{Name: "peer"}, Ratio: Spread{ratio, ratio, ratio}}
		return Result{Row: Row{Work: "work", Size: size, Units: 1, Target: 8}, Sides: []Measured{{}, peer}}
	}
	var b strings.Builder
	Brief(&b, []Result{row("small", 2), row("middle", 9), row("large", 10)})
	assert.Contains(t, b.String(), "| work, small |")
	assert.Contains(t, b.String(), "peer 2x, aim 8x: **not met** |")
	assert.NotContains(t, b.String(), "middle")
	assert.Contains(t, b.String(), "peer 10x |")

	b.Reset()
	bare := row("bare", 2)
	bare.Sides = append(bare.Sides, Measured{Side: Side{Name: "the calls", Floor: true}, Ratio: Spread{0.8, 0.8, 0.8}})
	Brief(&b, []Result{bare})
	assert.Contains(t, b.String(), "peer 2x, aim 8x: 1.2 times the calls |", "a floor is no peer, and never the fastest")
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	wait := func(d time.Duration) Side {
		s := side(d.String(), func() (int, error) { time.Sleep(d); return 0, nil }, equals(0))
		s.Program = true // sleeping takes no CPU
		return s
	}
	result, err := Measure(Row{Sides: []Side{wait(time.Millisecond), wait(4 * time.Millisecond)}, Target: 8}, 3, 4*time.Millisecond)
	require.NoError(t, err)
	r := result.Sides[1].Ratio
	assert.Greater(t, r.Median, 2.0)
	assert.Less(t, r.Median, 8.0)
	assert.LessOrEqual(t, r.Min, r.Median)
	assert.LessOrEqual(t, r.Median, r.Max)
	assert.Contains(t, result.Verdict(), "not met")
	assert.Equal(t, Spread{1, 1, 1}, result.Sides[0].Ratio)
}
