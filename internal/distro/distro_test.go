package distro

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCompareVersions(t *testing.T) {
	assert.Zero(t, CompareVersions("11", "11"))
	ordered := []string{"122.1", "123~rc1-1", "123", "123-a", "123-a.1", "123-1", "123-1.1", "123^post1", "123.a-1", "123.1-1", "123a-1", "124-1"}
	for i := range ordered {
		for j := range ordered {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			assert.Equal(t, want, CompareVersions(ordered[i], ordered[j]), "%s %s", ordered[i], ordered[j])
		}
	}
	for _, pair := range [][2]string{{"bar-123", "foo-123"}, {"123", "123a"}, {"123", "123.a"}, {"~", "0"}, {"123.a", "123.b"}, {"a", "1"}, {"", "1"}, {"9", "10"}, {"0002", "3"}, {"1_", "1_2"}} {
		assert.Equal(t, -1, CompareVersions(pair[0], pair[1]), "%v", pair)
		assert.Equal(t, 1, CompareVersions(pair[1], pair[0]), "%v", pair)
	}
}
