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

func parseRows(dir string) ([]Row, error) { return ParseRows(dir, 1000) }
func ownerRows(dir string) ([]Row, error) { return OwnerRows(dir, 1000) }
func findRows(dir string) ([]Row, error)  { return FindRows(dir, 10, 1000) }
func translateRows(string) ([]Row, error) { return TranslateRows(1, 5, 340) }

func TestUsernskitIsRightOnEveryRow(t *testing.T) {
	for _, r := range rows(t, parseRows, ownerRows, findRows, translateRows) {
		assert.Empty(t, r.Sides[0].Wrong(), "%s, %s", r.Work, r.Size)
		assert.NoError(t, r.Sides[0].Run(), "%s, %s", r.Work, r.Size)
	}
}

// What peers are compared on has to be work that they do as well.
func TestPeersAgreeOnWellFormedFiles(t *testing.T) {
	for _, r := range rows(t, parseRows, ownerRows, translateRows) {
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

func TestAnswersThatAreAnothersAreShownAsWrong(t *testing.T) {
	for _, r := range rows(t, findRows) {
		result, err := Measure(r, 1, time.Microsecond)
		require.NoError(t, err)
		var b strings.Builder
		Table(&b, []Result{result})
		assert.Contains(t, b.String(), "**wrong: gives ", "the small range inside its choice")
		assert.Equal(t, "moby/sys/user and a sort", result.Fastest().Name, "the wrong one is not the fastest")
		assert.NotContains(t, b.String(), "usernskit **wrong")
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

func TestAMissedAimIsSaid(t *testing.T) {
	row := func(ratio float64, more ...Measured) string {
		peer := Measured{Side: Side{Name: "peer"}, Ratio: ratio}
		var b strings.Builder
		Table(&b, []Result{{Row: Row{Work: "work", Target: 8}, Sides: append([]Measured{{}, peer}, more...)}})
		return b.String()
	}
	assert.Contains(t, row(2), "peer 2x, aim 8x: **not met** |")
	assert.Contains(t, row(10), "peer 10x |")
	calls := Measured{Side: Side{Name: "the calls", Floor: true}, Ratio: 0.8}
	assert.Contains(t, row(2, calls), "aim 8x: 1.2 times the calls |", "a floor is not a peer, and never the fastest")
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
	assert.Greater(t, r, 2.0)
	assert.Less(t, r, 8.0)
	assert.Contains(t, result.missed(), "not met")
	assert.InDelta(t, 1.0, result.Sides[0].Ratio, 0)
}

func TestAllFindTheProcessesInUserNamespaces(t *testing.T) {
	s, err := StartSleepers(20, 5)
	if err != nil {
		t.Skip("user namespaces cannot be made here: ", err)
	}
	defer s.Stop()
	require.Len(t, s.Namespaced, 5)
	for _, side := range ScanRow(s, 20).Sides {
		if side.Floor {
			assert.NoError(t, side.Run())
			continue
		}
		assert.Empty(t, side.Wrong(), side.Name)
	}
	assert.NotEmpty(t, s.wrong(found{}), "nothing found is wrong")
}
