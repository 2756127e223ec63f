package members

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestRevert(t *testing.T) {
	for _, tt := range []struct{ name, before, after, now, want string }{
		{"a member that was added", `{"a":1}`, `{"a":1,"u":"d"}`, `{"a":1,"u":"d","b":2}`, `{"a":1,"b":2}`},
		{"into an empty object", `{}`, `{"u":"d"}`, `{"u":"d", "b":2}`, `{"b":2}`},
		{"into no file", ``, "{\n  \"u\": 1\n}\n", "{\n  \"u\": 1,\n  \"b\": 2\n}\n", "{\n  \"b\": 2\n}\n"},
		{"moved and laid out by others", `{"a":1}`, `{"a":1,"u":{"x":[1,2]}}`, "{\"u\" : {\"x\":[1, 2]},\n\t\"a\": 1}", "{\"a\": 1}"},
		{"a value that was changed", `{"a":1,"b":2}`, `{"a":7,"b":2}`, `{"a" : 7,"b":3}`, `{"a" : 1,"b":3}`},
		{"a member that was removed", `{"a":1,"b":2}`, `{"b":2}`, "{\n  \"b\": 2,\n  \"c\": 3\n}", "{\n  \"b\": 2,\n  \"c\": 3,\n  \"a\": 1\n}"},
		{"inside an object that others use by now", `{}`, `{"o":{"m":"1"}}`, `{"o":{"m":"1","f":"2"}}`, `{"o":{"f":"2"}}`},
		{"an object that others emptied", `{}`, `{"o":{"m":"1"},"u":1}`, `{"o":{"m":"1"},"u":1,"b":2}`, `{"b":2}`},
		{"an object that is gone is made again", `{"o":{"m":1,"n":2}}`, `{"o":{"n":2}}`, `{"x":1}`, `{"x":1,"o":{"m":1}}`},
		{"a value that the journal spells in another way", `{"a":"<"}`, `{"a":"&","u":"<&>"}`, `{"a":"&","u":"<&>","b":2}`, `{"a":"\u003c","b":2}`},
		{"strings with everything in them", `{"a":"}],\\\"{"}`, `{"a":"}],\\\"{","u~/":["]"]}`, `{"u~/":["]"],"a":"}],\\\"{","b":0}`, `{"a":"}],\\\"{","b":0}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, ok := Compare([]byte(tt.before), []byte(tt.after))
			require.True(t, ok)
			text, err := json.Marshal(d)
			require.NoError(t, err)
			var back *Diff
			require.NoError(t, json.Unmarshal(text, &back))
			got, lost, err := back.Revert([]byte(tt.now))
			require.NoError(t, err)
			assert.Empty(t, lost)
			assert.Equal(t, tt.want, string(got))
		})
	}
}

func TestRevertNamesWhatIsNotAsItWas(t *testing.T) {
	d, ok := Compare([]byte(`{"a":1,"r":0}`), []byte(`{"a":2,"u":"d","o":{"m/~":1}}`))
	require.True(t, ok)
	got, lost, err := d.Revert([]byte(`{"a":3,"r":5,"o":{"m/~":2}}`))
	require.NoError(t, err)
	assert.Equal(t, []string{"/a", "/r", "/u", "/o/m~1~0"}, lost)
	assert.Equal(t, `{"a":3,"r":5,"o":{"m/~":2}}`, string(got))
	for _, bad := range []string{``, `[]`, `{`, `{"a":1,"a":2}`, "{\"a\":\"\xff\"}"} {
		_, _, err := d.Revert([]byte(bad))
		assert.Error(t, err, bad)
	}
}

func TestCompareTakesObjectsOnly(t *testing.T) {
	for _, bad := range []string{`[1]`, `1`, `{"a":1`, `{"o":{"a":1,"a":1}}`, "\ufeff{}"} {
		_, ok := Compare([]byte(bad), []byte(`{}`))
		assert.False(t, ok, bad)
		_, ok = Compare([]byte(`{}`), []byte(bad))
		assert.False(t, ok, bad)
	}
	assert.True(t, Equal([]byte(`{"a":1,"b":{"c":[1, 2]}}`), []byte(`{"b":{"c":[1,2]}, "a":1}`)))
	assert.False(t, Equal([]byte(`{"a":1}`), []byte(`{"a":1,"b":{"c":1}}`)))
	assert.True(t, Empty([]byte(" {\n} ")))
	assert.False(t, Empty([]byte(`{"a":1}`)))
}

// What others did to members of their own is all that is left.
func TestRevertLeavesWhatOthersDid(t *testing.T) {
	type object = map[string]any
	draw := func(t *rapid.T, names []string, label string) object {
		o := object{}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, label) {
			o[name] = rapid.SampledFrom([]any{1.0, "x", nil, []any{"}", 2.0}, object{"s": "t"}, object{}}).Draw(t, name)
		}
		return o
	}
	marshal := func(t *rapid.T, o object) []byte {
		var data []byte
		var err error
		if rapid.Bool().Draw(t, "indented") {
			data, err = json.MarshalIndent(o, "", "  ")
		} else {
			data, err = json.Marshal(o)
		}
		require.NoError(t, err)
		return data
	}
	rapid.Check(t, func(t *rapid.T) {
		before, ours, others := draw(t, []string{"a", "b", "c", "d"}, "before"), draw(t, []string{"a", "b", "u"}, "ours"), draw(t, []string{"c", "d", "v"}, "others")
		with := func(o object, keys []string, from object) object {
			out := object{}
			for k, v := range o {
				out[k] = v
			}
			for _, k := range keys {
				delete(out, k)
				if v, ok := from[k]; ok {
					out[k] = v
				}
			}
			return out
		}
		after := with(before, []string{"a", "b", "u"}, ours)
		now := with(after, []string{"c", "d", "v"}, others)
		d, ok := Compare(marshal(t, before), marshal(t, after))
		require.True(t, ok)
		got, lost, err := d.Revert(marshal(t, now))
		require.NoError(t, err)
		require.Empty(t, lost)
		want := marshal(t, with(before, []string{"c", "d", "v"}, others))
		require.JSONEq(t, string(want), string(got))
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":[{"b":"]\\\""}],"c":{}, "d" :-1e3}`), []byte(`{"c":null}`))
	f.Add([]byte("{}"), []byte("{ }"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		d, ok := Compare(a, b)
		if !ok {
			return
		}
		got, lost, err := d.Revert(b)
		require.NoError(t, err)
		require.Empty(t, lost)
		if len(a) > 0 {
			require.True(t, Equal(a, got), "%s", got)
		}
	})
}
