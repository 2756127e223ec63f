package verify

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheCatalogueIsWhole(t *testing.T) {
	var ids []string
	names := map[string]bool{}
	for _, c := range Checks() {
		ids = append(ids, c.ID)
		assert.Regexp(t, regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`), c.Name, c.ID)
		assert.False(t, names[c.Name], "%s: name taken", c.ID)
		names[c.Name] = true
		for what, text := range map[string]string{"title": c.Title, "why": c.Why, "reads": c.Reads} {
			assert.NotEmpty(t, text, "%s has no %s", c.ID, what)
		}
		assert.NotRegexp(t, `\.$`, c.Title, "%s: String ends it", c.ID)
		assert.Regexp(t, `\.$`, c.Why, c.ID)
		assert.Regexp(t, `\.$`, c.Reads, c.ID)
		if c.Severity >= Medium {
			assert.NotEmpty(t, c.Remedy, "%s says what is wrong and not what to do", c.ID)
		}
	}
	want := strings.Fields("K01 K02 K03 K04 K05 K06 K07 K08 " +
		"I01 I02 I03 I04 I05 I06 I07 I08 I09 I10 I11 " +
		"D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D11 " +
		"C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 C13 C14")
	assert.Equal(t, want, ids)
}

func TestBothNumbersOfTheBenchmarkAreGiven(t *testing.T) {
	for id, want := range map[string][]string{
		"D05": {"CIS Docker 1.11.0: 2.8", "CIS Docker 1.6.0: 2.9"},
		"C04": {"CIS Docker 1.3.1: 5.30", "CIS Docker 1.6.0: 5.31"},
	} {
		c, err := Explain(id)
		require.NoError(t, err)
		for _, ref := range want {
			assert.True(t, slices.Contains(c.Refs, ref), "%s lacks %s", id, ref)
		}
	}
}

func TestChecksAreFoundByIDAndName(t *testing.T) {
	for _, id := range []string{"C01", "c01", "process-host-ids"} {
		c, err := Explain(id)
		require.NoError(t, err)
		assert.Equal(t, "C01", c.ID)
	}
	for _, id := range []string{"", "C15", "C1", "process"} {
		_, err := Explain(id)
		assert.Error(t, err, id)
	}
}
