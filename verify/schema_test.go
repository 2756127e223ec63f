package verify

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// A schema is a JSON schema of draft 4, as far as the one of SARIF goes: of its
// words only "format" is not looked at. An unknown word is a panic, so that a
// newer schema cannot pass by not being understood.
type schema struct{ root map[string]any }

// check returns what is wrong with a document.
func (s schema) check(doc any) []string { return s.at("", s.root, doc) }

func (s schema) at(path string, rule map[string]any, v any) []string {
	var bad []string
	fail := func(format string, args ...any) { bad = append(bad, path+": "+fmt.Sprintf(format, args...)) }
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	for word, arg := range rule {
		switch word {
		case "$schema", "id", "format", "definitions", "properties":
		case "$ref":
			name := strings.TrimPrefix(arg.(string), "#/definitions/")
			bad = append(bad, s.at(path, s.root["definitions"].(map[string]any)[name].(map[string]any), v)...)
		case "type":
			if !hasType(arg, v) {
				fail("%v is not of type %v", v, arg)
			}
		case "enum":
			if !slices.ContainsFunc(arg.([]any), func(e any) bool { return reflect.DeepEqual(e, v) }) {
				fail("%v is none of %v", v, arg)
			}
		case "pattern":
			if text, ok := v.(string); ok && !regexp.MustCompile(arg.(string)).MatchString(text) {
				fail("%q does not match %v", text, arg)
			}
		case "minimum":
			if n, ok := v.(float64); ok && n < arg.(float64) {
				fail("%v is below %v", n, arg)
			}
		case "maximum":
			if n, ok := v.(float64); ok && n > arg.(float64) {
				fail("%v is above %v", n, arg)
			}
		case "minItems":
			if isList && float64(len(list)) < arg.(float64) {
				fail("fewer than %v items", arg)
			}
		case "uniqueItems":
			for i, a := range list {
				if arg.(bool) && slices.ContainsFunc(list[:i], func(b any) bool { return reflect.DeepEqual(a, b) }) {
					fail("%v comes twice", a)
				}
			}
		case "items":
			for i, item := range list {
				bad = append(bad, s.at(fmt.Sprintf("%s[%d]", path, i), arg.(map[string]any), item)...)
			}
		case "required":
			for _, name := range arg.([]any) {
				if _, ok := object[name.(string)]; isObject && !ok {
					fail("%v is missing", name)
				}
			}
		case "additionalProperties":
			for name, value := range object {
				if props, _ := rule["properties"].(map[string]any); props[name] != nil {
					continue
				}
				if sub, ok := arg.(map[string]any); ok {
					bad = append(bad, s.at(path+"."+name, sub, value)...)
				} else if arg == false {
					fail("%s is no property", name)
				}
			}
		case "anyOf", "oneOf":
			good := 0
			for _, sub := range arg.([]any) {
				if len(s.at(path, sub.(map[string]any), v)) == 0 {
					good++
				}
			}
			if good == 0 || word == "oneOf" && good != 1 {
				fail("%d of %s hold", good, word)
			}
		default:
			panic("the schema has a word that is not understood: " + word)
		}
	}
	props, _ := rule["properties"].(map[string]any)
	for name, value := range object {
		if sub, ok := props[name].(map[string]any); ok {
			bad = append(bad, s.at(path+"."+name, sub, value)...)
		}
	}
	return bad
}

func hasType(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(one any) bool { return hasType(one, v) })
	}
	switch v := v.(type) {
	case nil:
		return want == "null"
	case bool:
		return want == "boolean"
	case string:
		return want == "string"
	case float64:
		return want == "number" || want == "integer" && v == float64(int64(v))
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}
