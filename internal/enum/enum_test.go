package enum

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type sizeNames struct{}

func (sizeNames) Names() (string, []string) { return "Size", []string{"small", "large"} }

type size = Of[sizeNames]

func TestOf(t *testing.T) {
	const small, large size = 0, 1
	t.Run("both ways", func(t *testing.T) {
		data, err := json.Marshal(map[size]size{large: small})
		require.NoError(t, err)
		assert.Equal(t, `{"large":"small"}`, string(data))
		var back map[size]size
		require.NoError(t, json.Unmarshal(data, &back))
		assert.Equal(t, map[size]size{large: small}, back)
	})
	t.Run("unknown", func(t *testing.T) {
		for text, v := range map[string]size{"Size(-1)": -1, "Size(2)": 2} {
			assert.Equal(t, text, v.String())
			_, err := v.MarshalText()
			assert.EqualError(t, err, text+" has no text form")
		}
		v := large
		assert.EqualError(t, v.UnmarshalText([]byte("huge")), `"huge" is not a Size: one of ["small" "large"]`)
		assert.Equal(t, large, v)
	})
}
