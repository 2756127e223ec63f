package answer

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAnswer(t *testing.T) {
	broken := errors.New("getent: killed")
	for _, c := range []struct {
		name  string
		a     Answer[int]
		value int
		ok    bool
		err   error
		text  string
	}{
		{"found", Found(7), 7, true, nil, "7"},
		{"absent", Absent[int](), 0, false, nil, "absent"},
		{"unknown", Unknown[int](broken), 0, false, broken, "cannot tell: getent: killed"},
		{"zero is not an absence", Answer[int]{}, 0, false, errNotLooked, "cannot tell: nobody looked"},
		{"unknown without a reason is not an absence", Unknown[int](nil), 0, false, errNotLooked, "cannot tell: nobody looked"},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, ok, err := c.a.Get()
			assert.Equal(t, c.value, value)
			assert.Equal(t, c.ok, ok)
			assert.Equal(t, c.err, err)
			assert.Equal(t, c.text, c.a.String())
		})
	}
}
