package text

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestVisible(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", `alice "CORP\jdoe"`, `alice "CORP\jdoe"`},
		{"letters of other scripts", "användare 名前", "användare 名前"},
		{"escape sequence", "a\x1b[2Jb", `a\x1b[2Jb`},
		{"line feed and return", "a\r\nb", `a\r\nb`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"the replacement character itself", "a\uFFFDb", "a\uFFFDb"},
		{"right to left override", "a\u202eb", `a\u202eb`},
		{"byte order mark", "\ufeffalice", `\ufeffalice`},
		{"NUL", "a\x00", `a\x00`},
	} {
		t.Run(c.name, func(t *testing.T) { assert.Equal(t, c.want, Visible(c.in)) })
	}
}

func TestVisibleLines(t *testing.T) {
	assert.Equal(t, "a\n\tb\\x1b[m\nc\\r\n", VisibleLines("a\n\tb\x1b[m\nc\r\n"))
}

func TestIDs(t *testing.T) {
	assert.Equal(t, "100000-165535 (65536 IDs)", IDs(100000, 65536))
	assert.Equal(t, "0-4294967294 (4294967295 IDs)", IDs(0, 4294967295))
	assert.Equal(t, "5", IDs(5, 1))
	assert.Equal(t, "5-6", Span(5, 2))
	assert.Equal(t, "5", Span(5, 1))
}

func TestCount(t *testing.T) {
	assert.Equal(t, "0 images", Count(0, "image", "images"))
	assert.Equal(t, "1 image", Count(1, "image", "images"))
	assert.Equal(t, "2 images", Count(2, "image", "images"))
}
