package schema

// ValidateDecoded judges a decoded value without the strict parse.
func (s *Schema) ValidateDecoded(v any) error { return s.validate(v) }

// Work returns what a JSON text costs to judge at most, in the unit of MaxWork.
func (s *Schema) Work(instance []byte) float64 {
	doc, f := parse(instance, MaxBytes, false, true)
	if f != nil {
		return 0
	}
	return s.bill.total(doc)
}

// Fold maps names that encoding/json takes for one another to one of them.
func Fold(name string) string { return fold(name) }
