package schema

import (
	"math"
	"reflect"
	"regexp"

	"example.com/safeconduct/internal/strictjson"
)

// ValidateDecoded judges a decoded value without the strict parse.
func (s *Schema) ValidateDecoded(v any) error { return s.validate(s.root, v) }

// Work returns what a JSON text costs to judge at most, in the unit of MaxWork.
func (s *Schema) Work(instance []byte) float64 {
	doc, f := strictjson.Parse(string(instance), MaxBytes, true)
	if f != nil {
		return 0
	}
	return s.bill.total(doc)
}

// ExactWork returns what it costs by the schemas that apply to each of its values, or
// an infinite number where that is more than MaxWork.
func (s *Schema) ExactWork(instance []byte) float64 {
	doc, f := strictjson.Parse(string(instance), MaxBytes, true)
	if f != nil {
		return 0
	}
	t := &tally{bill: s.bill}
	if !t.value(doc.Value, "", judging{s.bill.root: 1}, 0, 0, 0) {
		return math.Inf(1)
	}
	return t.work
}

// Accepts reports whether the fast path accepts a text by itself.
func (s *Schema) Accepts(text string) bool {
	_, ok := s.accepts(text)
	return ok
}

// ValidateSlowly is Validate without the fast path.
func (s *Schema) ValidateSlowly(instance []byte) error {
	return s.judgeSlowly(string(instance))
}

// Closed returns the schema as Input uses it.
func (s *Schema) Closed() *Schema { return s.asArguments() }

// Early returns what a watch says of a text that comes in pieces of the given
// sizes, over and over, and how many bytes it got to read.
func (s *Schema) Early(text string, sizes []int) (read int, err error) {
	w := s.watch()
	for i := 0; read < len(text); i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(text)-read)
		if err := w.write([]byte(text[read : read+n])); err != nil {
			return read + n, err
		}
		read += n
	}
	return read, nil
}

// Pattern returns how a regular expression is matched, and whether it is without
// one.
func Pattern(text string) (matches func(string) bool, runs bool) {
	p := newPattern(regexp.MustCompile(text))
	return p.matches, p.runs != nil
}

// Lower makes the plan of the schema again. It takes regular expressions to be
// cheaper than they are.
func (s *Schema) Lower() { lower(s.root, nil) }

// Fields returns the types of the fields of a struct by the names of their
// properties.
func Fields(t reflect.Type) map[string]reflect.Type { return fieldTypes(t) }
