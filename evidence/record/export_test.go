package record

import (
	"github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// ReflectPayload returns what [AppendPayload] appends, as encoding by reflection
// gives it.
func ReflectPayload(s Subject, r *Record) ([]byte, error) {
	return json.Marshal(statement{
		Type:          StatementType,
		Predicate:     r,
		PredicateType: PredicateType,
		Subject:       []subject{{Digest: digest{s.Digest}, Name: s.Name}},
	}, jsonv1.FormatDurationAsNano(true))
}

// InRange reports whether all numbers of a record are within their bounds.
func InRange(r *Record) bool { return r.inRange() }
