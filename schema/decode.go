package schema

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/phrase"
)

// Decode judges a JSON text as [Schema.Validate] does, and returns what it judged
// as a T, by the rules of package encoding/json. The errors are those of Validate,
// with two more violations: of [KeywordTwin] for a property whose name differs in
// case alone from that of a field, and of [KeywordFit] for a value that satisfies the
// schema and does not fit into a T, such as 1e3 into an int. With an error comes the
// zero T. See the package's documentation for the details.
//
// Decode panics if s is nil.
func Decode[T any](s *Schema, text []byte) (T, error) {
	if s == nil {
		panic("schema: Decode: nil Schema")
	}
	var v, zero T
	judged, err := s.Normalize(text)
	if err != nil {
		return zero, err
	}
	if f := misnamed(judged, reflect.TypeFor[T]()); f != nil {
		return zero, s.violated(f)
	}
	if err := json.Unmarshal(judged, &v); err != nil {
		return zero, s.unfit(err, reflect.TypeFor[T]())
	}
	return v, nil
}

// unfit makes a ValidationError of one of encoding/json's, which may quote the
// value.
func (s *Schema) unfit(err error, t reflect.Type) error {
	f := &strictjson.Fault{Keyword: KeywordFit, Offset: -1}
	if mismatch, ok := foreign.As[*json.UnmarshalTypeError](err); ok {
		if mismatch.Type != nil { // as an UnmarshalJSON may leave it
			t = mismatch.Type
		}
		for name := range strings.SplitSeq(mismatch.Field, ".") {
			if name != "" {
				f.Path = append(f.Path, strictjson.Property(name))
			}
		}
	}
	f.Reason = phrase.Clip("must fit into a Go "+typeName(t), MaxReason)
	return s.violated(f)
}

// misnamed returns the fault of a text that has a property which encoding/json would
// take for a field of another name.
func misnamed(text []byte, t reflect.Type) *strictjson.Fault {
	doc, f := strictjson.Parse(strictjson.View(text), MaxBytes, false)
	if f != nil {
		return f
	}
	path, is := twinOfField(doc.Value, t)
	if !is {
		return nil
	}
	slices.Reverse(path)
	return &strictjson.Fault{
		Keyword: KeywordTwin, Path: path, Offset: -1,
		Reason: "must not have a property whose name differs in case alone from that of a field",
	}
}

// twinOfField reports whether an object within v has such a property, if v is to
// become a value of the type. The way to the object comes last step first.
func twinOfField(v any, t reflect.Type) (path []strictjson.Step, is bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if has[json.Unmarshaler](t) || has[encoding.TextUnmarshaler](t) {
		return nil, false
	}
	switch v := v.(type) {
	case []any:
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return nil, false
		}
		for i, item := range v {
			if path, is := twinOfField(item, t.Elem()); is {
				return append(path, strictjson.Item(i)), true
			}
		}
	case map[string]any:
		var fields map[string]reflect.Type
		switch t.Kind() {
		case reflect.Struct:
			fields = fieldTypes(t)
		case reflect.Map:
		default:
			return nil, false
		}
		folded := make(map[string]bool, len(fields))
		for name := range fields {
			folded[strictjson.Fold(name)] = true
		}
		for name, property := range v {
			sub, ok := fields[name]
			switch {
			case t.Kind() == reflect.Map:
				sub = t.Elem()
			case ok:
			case folded[strictjson.Fold(name)]:
				return nil, true
			default:
				continue
			}
			if path, is := twinOfField(property, sub); is {
				return append(path, strictjson.Property(name)), true
			}
		}
	}
	return nil, false
}
