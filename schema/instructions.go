package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/schema/internal/graph"
	"example.com/safeconduct/schema/internal/phrase"
)

// Instructions returns what to tell a model, in its prompt, about the answer that a
// boundary with s expects of it: that it be JSON alone, and the schema, in one line. A
// schema that is longer than 4 KiB, or that stands on [Options.Resources], is told in
// words, as far as these go. It is the same text each time. In it, a backquote and what
// is not printable are escaped, so that nothing of the schema ends a block of code that
// the text is put into. Instructions panics if s is nil or the zero Schema.
func Instructions(s *Schema) string {
	if s == nil || s.root == nil {
		panic("schema: Instructions: nil or zero Schema")
	}
	const form = "Answer with nothing but JSON, and no text or code block around it. "
	if text := shownWhole(s); text != "" {
		return form + "It must satisfy this JSON Schema: " + text
	}
	d := summary{quiet: s.opts.Quiet}
	d.value(s.root, 0)
	return form + "It must be " + escapeShown(d.text.String()) + "."
}

// maxShown bounds the schema that a model gets to read, in bytes.
const maxShown = 4 << 10

// shownWhole returns the text of a schema for a model, or nothing if that is long or
// not all of it.
func shownWhole(s *Schema) string {
	var text bytes.Buffer
	if err := json.Compact(&text, s.text); err != nil || len(s.opts.Resources) > 0 || s.opts.Quiet {
		return ""
	}
	escaped := escapeShown(text.String())
	if len(escaped) > maxShown {
		return ""
	}
	return escaped
}

// escapeShown escapes as JSON does what would not be shown as it is, or would end a
// block of code. In JSON these stand in strings alone.
func escapeShown(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r != '`' && unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// A summary says in words what a schema demands, as far as it goes.
type summary struct {
	text  strings.Builder
	quiet bool
}

func (d *summary) say(text string) { d.text.WriteString(text) }

const (
	maxDescribed = 3 << 10 // bytes, from which on properties are counted alone
	maxLevels    = 6       // of values within values
	maxEither    = 8       // alternatives
)

// value describes the values that satisfy n, after "must be".
func (d *summary) value(n *graph.Node, level int) {
	for range 16 { // a $ref may lead to another one
		if n.Ref != nil {
			n = n.Ref
		}
	}
	alternatives := n.AnyOf
	if len(alternatives) == 0 {
		alternatives = n.OneOf
	}
	switch {
	case n.Always != nil && !*n.Always:
		d.say("left out")
	case d.quiet && len(n.Constant)+len(n.Enum) > 0:
		d.say(unlisted)
	case len(n.Constant) > 0:
		d.say(strings.TrimPrefix(phrase.Const(n.Constant[0]), "must be "))
	case len(n.Enum) > 0:
		d.say(strings.TrimPrefix(phrase.OneOf(n.Enum), "must be "))
	case len(n.Properties) > 0:
		d.object(n, level)
	case len(n.Types) > 0:
		d.say(strings.TrimPrefix(phrase.Type(n.Types), "must be "))
		d.items(n, level)
	case len(alternatives) > 0 && level < maxLevels && d.text.Len() < maxDescribed:
		for i, one := range alternatives[:min(len(alternatives), maxEither)] {
			if i > 0 {
				d.say(", or ")
			}
			d.value(one, level+1)
		}
		if more := len(alternatives) - maxEither; more > 0 {
			d.say(", or one of " + strconv.Itoa(more) + " more")
		}
	case len(n.AllOf) == 1 && level < maxLevels:
		d.value(n.AllOf[0], level+1)
	default:
		d.say("a value")
	}
	if n.Format != "" {
		d.say(" of the format " + phrase.Quote(n.Format))
	}
}

// object describes an object by its properties.
func (d *summary) object(n *graph.Node, level int) {
	d.say("an object")
	if level >= maxLevels {
		return
	}
	d.say(" (")
	names := slices.Sorted(maps.Keys(n.Properties))
	for i, name := range names {
		if d.text.Len() > maxDescribed {
			d.say(" and " + phrase.Plural(len(names)-i, "other property"))
			break
		}
		if i > 0 {
			d.say("; ")
		}
		d.say(phrase.Quote(name))
		if slices.Contains(n.Required, name) {
			d.say(", required")
		}
		d.say(": ")
		d.value(n.Properties[name], level+1)
	}
	d.say(")")
	if lacks := slices.DeleteFunc(slices.Clone(n.Required), func(name string) bool { return n.Properties[name] != nil }); len(lacks) > 0 {
		d.say(" that has " + shown.List(lacks, func(name string) string { return phrase.Quote(name) }))
	}
	if only, ok := n.AdditionalProperties.(bool); ok && !only {
		d.say(" with no other properties")
	}
}

// items describes what an array holds.
func (d *summary) items(n *graph.Node, level int) {
	item, _ := n.Items.(*graph.Node)
	if n.Items2020 != nil {
		item = n.Items2020
	}
	if item == nil || level >= maxLevels || d.text.Len() > maxDescribed {
		return
	}
	d.say(" in which each item is ")
	d.value(item, level+1)
}
