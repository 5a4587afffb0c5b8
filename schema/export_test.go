package schema

// ValidateDecoded judges a decoded value without the strict parse.
func (s *Schema) ValidateDecoded(v any) error { return s.validate(v) }

// Work returns what a JSON text costs to judge at most, in the unit of MaxWork.
func (s *Schema) Work(instance []byte) float64 {
	doc, f := parse(string(instance), MaxBytes, true)
	if f != nil {
		return 0
	}
	return s.bill.total(doc)
}

// Fold maps names that encoding/json takes for one another to one of them.
func Fold(name string) string { return fold(name) }

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
func (s *Schema) Closed() *Schema { return s.closed() }
