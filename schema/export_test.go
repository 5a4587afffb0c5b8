package schema

import (
	"reflect"

	"example.com/safeconduct/schema/internal/plan"
)

// ValidateDecoded judges a decoded value without the strict parse.
func (s *Schema) ValidateDecoded(v any) error { return s.validate(s.root, v) }

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
	w := plan.NewWatch(s.plan)
	for i := 0; read < len(text); i++ {
		n := min(max(sizes[i%len(sizes)], 1), len(text)-read)
		if f := w.Write([]byte(text[read : read+n])); f != nil {
			return read + n, s.violated(f)
		}
		read += n
	}
	return read, nil
}

// Fields returns the types of the fields of a struct by the names of their
// properties.
func Fields(t reflect.Type) map[string]reflect.Type { return fieldTypes(t) }
