package daemoncfg

import (
	"errors"
	"fmt"
	"strings"
)

// Delete takes out the member or element at path, with the comma and the white
// space that belong to it. What is absent stays so and is no error. An object
// that loses its last member stays as an empty one.
//
// sjson can delete as well, but leaves the line of a last member behind.
func (d *Document) Delete(path ...string) error {
	if len(path) == 0 {
		return fmt.Errorf("%s: %w", d.name, errors.New("the whole document cannot be deleted"))
	}
	text := d.text()
	steps, found := d.walk(text, path)
	if !found {
		return nil
	}
	next := cut(text, steps[:len(path)])
	if d.wasBlank {
		if text := next.join(); len(items(text, root(text))) == 0 {
			next = pieces{head: d.blank}
		}
	}
	d.put(next)
	return nil
}

// cut removes the item that the last of steps points to.
func cut(text string, steps []step) pieces {
	at := steps[len(steps)-1]
	list, i := at.items, at.index
	switch {
	case i > 0:
		return splice(text, span{list[i-1].value.end, list[i].value.end}, "")
	case len(list) > 1:
		return splice(text, span{list[0].start(), list[1].start()}, "")
	}
	inner := span{at.value.start + 1, at.value.end - 1}
	before, after := text[inner.start:list[0].start()], text[list[0].value.end:inner.end]
	if line := lineBefore(text, steps); at.kind(text) == '{' && line != "" && after == line {
		if indent, ok := strings.CutPrefix(before, line); ok && indent != "" && !strings.Contains(indent, "\n") {
			after = "" // opened by Set, or by a person who would have written {}
		}
	}
	return splice(text, inner, after)
}
