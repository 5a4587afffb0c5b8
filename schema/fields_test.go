package schema_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/internal/jsontest"
	"example.com/safeconduct/schema"
)

// Structs that embed others in each of the ways that encoding/json tells apart.
type (
	amount  struct{ Amount int }
	deepest struct{ X int }
	Deep    struct{ deepest }
	Near    struct{ X amount }
	Both    struct { // X is Near's
		Deep
		Near
	}
	inner struct {
		Amount int `json:"amount"`
	}
	Tagged struct {
		inner `json:"inner"`
	}
	Untagged struct{ inner }
	Own      struct { // X is its own
		Near
		X string
	}
	OwnTagged struct { // x is the tagged one
		X1 int `json:"x"`
		Tagged
		deepest
	}
	Twice struct { // no X at all
		Near
		Deep2
	}
	Deep2 struct{ X int }
	ByTag struct {
		X int `json:"X"`
	}
	TagWins struct { // X is ByTag's
		Near
		ByTag
	}
	left    struct{ Deep2 }
	right   struct{ Deep2 }
	Diamond struct { // no X, which is there twice
		left
		right
	}
	Pointer struct {
		*Near
		*Deep
	}
	Scalar  int
	Scalars struct {
		Scalar
		*scalar     //nolint:unused // read by reflection
		hidden  int //nolint:unused // read by reflection
		Odd     int `json:"a\"b"` //nolint:staticcheck // wrong on purpose
		Minus   int `json:"-,"`   //nolint:staticcheck // a name for once
		None    int `json:"-"`
		Opts    int `json:",omitempty"`
	}
	scalar int //nolint:unused // read by reflection
	Loop   struct {
		*Loop
		Y int
	}
)

var fieldTypes = []reflect.Type{
	reflect.TypeFor[Both](), reflect.TypeFor[Tagged](), reflect.TypeFor[Untagged](), reflect.TypeFor[Own](), reflect.TypeFor[OwnTagged](),
	reflect.TypeFor[Twice](), reflect.TypeFor[TagWins](), reflect.TypeFor[Diamond](), reflect.TypeFor[Pointer](), reflect.TypeFor[Scalars](),
	reflect.TypeFor[Loop](), reflect.TypeFor[struct{ Both }](), reflect.TypeFor[struct {
		Diamond
		X int
	}](),
}

// fill returns a value of a type without nil pointers, some levels deep.
func fill(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case v.Kind() == reflect.String:
		v.SetString("1")
	case v.CanInt():
		v.SetInt(1)
	case depth == 0:
	case t.Kind() == reflect.Pointer:
		v.Set(fill(t.Elem(), depth-1).Addr())
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			if f := v.Field(i); f.CanSet() {
				f.Set(fill(f.Type(), depth-1))
			} else if t.Field(i).Anonymous && f.Kind() == reflect.Struct {
				// One of an unexported type: its zero value has its fields.
				continue
			}
		}
	}
	return v
}

// drawStruct draws a struct that may embed others.
func drawStruct(m jsontest.Mutator, depth int) reflect.Type {
	names := []string{"A", "B", "C", "Aa", "AA"}
	var fields []reflect.StructField
	used := make(map[string]bool)
	for range 1 + m.IntN(4) {
		f := reflect.StructField{Name: names[m.IntN(len(names))], Type: reflect.TypeFor[int]()}
		switch m.IntN(4) {
		case 0:
			f.Type = reflect.TypeFor[string]()
		case 1:
			if depth > 0 {
				f.Type = drawStruct(m, depth-1)
			}
		}
		f.Anonymous = f.Type.Kind() == reflect.Struct && m.IntN(4) > 0
		if f.Anonymous {
			f.Name = fmt.Sprintf("E%d", m.IntN(3))
		}
		if used[f.Name] {
			continue
		}
		used[f.Name] = true
		if m.IntN(4) == 0 {
			f.Tag = reflect.StructTag(`json:"` + names[m.IntN(len(names))] + `"`)
		}
		fields = append(fields, f)
	}
	return reflect.StructOf(fields)
}

// The fields of a struct are those that encoding/json finds in it.
func TestFieldsAreThoseOfEncodingJSON(t *testing.T) {
	m, types := jsontest.NewMutator(11), slices.Clone(fieldTypes)
	for range 3000 / jsontest.Slack {
		types = append(types, drawStruct(m, 3))
	}
	shadowed := 0
	for _, typ := range types {
		text, err := json.Marshal(fill(typ, 4).Interface())
		if err != nil {
			t.Fatal(err)
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		got := schema.Fields(typ)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
			t.Fatalf("%v: got fields %v, want those of %s", typ, got, text)
		}
		for name, of := range got {
			if of.Kind() == reflect.Pointer {
				continue
			}
			// What is in an unexported struct cannot be filled.
			zero := strings.NewReplacer("1", "0", `""`, `"0"`)
			if text, err := json.Marshal(fill(of, 3).Interface()); err != nil || zero.Replace(string(text)) != zero.Replace(string(want[name])) {
				t.Fatalf("%v: got the field %s of type %v, but encoding/json says %s, %v", typ, name, of, want[name], err)
			}
		}
		if len(got) < typ.NumField() {
			shadowed++
		}
	}
	if shadowed < 100/jsontest.Slack {
		t.Errorf("got %d types with fields that are shadowed, want many", shadowed)
	}
}

// Of whatever struct a text becomes a value, no property reaches a field of another
// name.
func TestDecodeLetsNoTwinIntoAField(t *testing.T) {
	for _, tc := range []struct {
		decode func(*schema.Schema, []byte) error
		text   string
	}{
		{decodes[Both], `{"X":{"amount":5000}}`},
		{decodes[Both], `{"x":1}`},
		{decodes[Tagged], `{"inner":{"AMOUNT":1}}`},
		{decodes[Tagged], `{"INNER":{"amount":1}}`},
		{decodes[Untagged], `{"AMOUNT":1}`},
		{decodes[TagWins], `{"x":1}`},
		{decodes[Own], `{"x":"1"}`},
	} {
		wantViolation(t, tc.text, tc.decode(mustCompile(t, `true`), []byte(tc.text)), pointerOf(tc.text), schema.KeywordTwin)
	}
	// A struct's own field is judged by its own type.
	type own struct {
		Near
		X map[string]int
	}
	if _, err := schema.Decode[own](mustCompile(t, `true`), []byte(`{"X":{"amount":1,"Amount2":2}}`)); err != nil {
		t.Errorf("got %v, want no error: X is no struct", err)
	}
}

// pointerOf returns the place of the twin in a text.
func pointerOf(text string) string {
	if strings.Count(text, "{") > 1 && !strings.Contains(text, "INNER") && !strings.Contains(text, `"x":{`) {
		return "/*"
	}
	return ""
}

func decodes[T any](s *schema.Schema, text []byte) error {
	_, err := schema.Decode[T](s, text)
	return err
}

// The error of an UnmarshalJSON is one of others, and may be broken.
type broken struct{}

func (*broken) UnmarshalJSON([]byte) error {
	var e *fs.PathError
	return e
}

type nameless struct{}

func (*nameless) UnmarshalJSON([]byte) error {
	return &json.UnmarshalTypeError{Value: "hunter2", Field: "hunter2"}
}

func TestDecodeSurvivesBrokenErrors(t *testing.T) {
	s := mustCompile(t, `true`)
	for name, err := range map[string]error{"broken": decodes[broken](s, []byte(`1`)), "nameless": decodes[nameless](s, []byte(`1`))} {
		v := violations(err)
		if len(v) != 1 || v[0].Keyword != schema.KeywordFit || v[0].Reason != "must fit into a Go "+name || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want a violation of %s that says the type alone", name, err, schema.KeywordFit)
		}
	}
}
