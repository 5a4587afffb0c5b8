package schema

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/jsonschema-go/jsonschema"

	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/schema/internal/phrase"
)

// For returns the schema of the JSON that package encoding/json makes of a T, under
// the name of the type. It is compiled as by [Compile], within the same limits. It is
// an error if the JSON of T, or of a type within it, cannot be described; see the
// package's documentation for how types are. [Compile] takes what is written by hand.
func For[T any]() (*Schema, error) {
	t := reflect.TypeFor[T]()
	name := phrase.Clip(typeName(t), maxName)
	d := describer{types: make(map[reflect.Type]*jsonschema.Schema), seen: make(map[reflect.Type]bool)}
	if err := d.visit(t); err != nil {
		return nil, fmt.Errorf("schema: %s: %w", name, err)
	}
	described, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: d.types})
	if err != nil {
		return nil, fmt.Errorf("schema: %s: %w", name, err)
	}
	d.optional(described, t)
	text, err := json.Marshal(described)
	if err != nil {
		return nil, fmt.Errorf("schema: %s: %w", name, err)
	}
	return Compile(name, text)
}

// MustFor is like [For] but panics where For returns an error.
func MustFor[T any]() *Schema {
	s, err := For[T]()
	if err != nil {
		panic(err.Error())
	}
	return s
}

func typeName(t reflect.Type) string {
	if t.Name() != "" {
		return t.Name()
	}
	return t.String()
}

// A describer looks for types whose JSON the reflector gets wrong.
type describer struct {
	types map[reflect.Type]*jsonschema.Schema // described here
	seen  map[reflect.Type]bool
}

func (d *describer) visit(t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if d.seen[t] {
		return nil
	}
	d.seen[t] = true
	if s := known(t); s != nil {
		d.types[t] = s
		return nil
	}
	switch {
	case has[json.Marshaler](t) || has[json.Unmarshaler](t):
		return fmt.Errorf("%s makes its own JSON", t)
	case has[encoding.TextMarshaler](t) || has[encoding.TextUnmarshaler](t):
		d.types[t] = &jsonschema.Schema{Type: "string"}
		return nil
	}
	switch t.Kind() {
	case reflect.Interface:
		if t.NumMethod() > 0 {
			return fmt.Errorf("%s is an interface, and no value can be decoded into it", t)
		}
	case reflect.Slice:
		if e := t.Elem(); e.Kind() == reflect.Uint8 && !has[json.Marshaler](e) && !has[encoding.TextMarshaler](e) {
			d.types[t] = &jsonschema.Schema{Types: []string{"null", "string"}, ContentEncoding: "base64"}
			return nil
		}
		return d.visit(t.Elem())
	case reflect.Array, reflect.Map:
		return d.visit(t.Elem())
	case reflect.Struct:
		return d.fields(t)
	}
	return nil
}

// known returns the schema of a type of the standard library that makes its own
// JSON, or nil.
func known(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return &jsonschema.Schema{Type: "string", Format: "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{}
	case reflect.TypeFor[json.Number]():
		return &jsonschema.Schema{Type: "number"}
	case reflect.TypeFor[big.Int]():
		return &jsonschema.Schema{Type: "integer"}
	}
	return nil
}

// has reports whether a T can be had from a value of the type or from its address.
func has[T any](t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[T]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[T]())
}

// fields looks at the fields of a struct.
func (d *describer) fields(t reflect.Type) error {
	names, folded := make(map[string]bool), make(map[string]string)
	for _, field := range reflect.VisibleFields(t) {
		tag := field.Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if field.Anonymous {
			embedded := field.Type
			if embedded.Kind() == reflect.Pointer {
				if embedded = embedded.Elem(); !field.IsExported() {
					return fmt.Errorf("%s embeds %s, which cannot be decoded", t, field.Type)
				}
			}
			if tag != "" || embedded.Kind() != reflect.Struct || known(embedded) != nil || has[encoding.TextMarshaler](embedded) {
				return fmt.Errorf("%s embeds %s, which is more than its fields", t, field.Type)
			}
			continue
		}
		if tag == "-" || !field.IsExported() {
			continue
		}
		if name == "" {
			name = field.Name
		}
		switch {
		case !isFieldName(name):
			return fmt.Errorf("the field %s of %s has a name that encoding/json does not take", field.Name, t)
		case names[name]:
			return fmt.Errorf("%s has two fields of the name %q", t, name)
		case strings.Contains(","+options+",", ",string,"):
			return fmt.Errorf("the field %s of %s has the option string", field.Name, t)
		}
		if twin, ok := folded[strictjson.Fold(name)]; ok {
			return fmt.Errorf("%s has fields of the names %q and %q, which differ in case alone", t, twin, name)
		}
		names[name], folded[strictjson.Fold(name)] = true, name
		if err := d.visit(field.Type); err != nil {
			return err
		}
	}
	return nil
}

// optional takes from the properties that a schema of the type requires those of
// embedded pointers, which encoding/json leaves out where such a pointer is nil.
func (d *describer) optional(s *jsonschema.Schema, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if s == nil || d.types[t] != nil {
		return
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		d.optional(s.Items, t.Elem())
	case reflect.Map:
		d.optional(s.AdditionalProperties, t.Elem())
	case reflect.Struct:
		for _, field := range reflect.VisibleFields(t) {
			name, _ := propertyOf(field)
			if field.Anonymous || name == "" {
				continue
			}
			for i := 1; i < len(field.Index); i++ {
				if t.FieldByIndex(field.Index[:i]).Type.Kind() == reflect.Pointer {
					s.Required = slices.DeleteFunc(s.Required, func(required string) bool { return required == name })
				}
			}
			d.optional(s.Properties[name], field.Type)
		}
	}
}

// isFieldName reports whether encoding/json takes the name in a field's tag; it
// calls the property of another like the field.
func isFieldName(name string) bool {
	for _, c := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return true
}
