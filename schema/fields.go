package schema

import (
	"reflect"
	"strings"
)

// A fieldAt is where encoding/json finds a field of a struct: how deep in the structs
// that it embeds, and whether a tag names it.
type fieldAt struct {
	of     reflect.Type
	depth  int
	tagged bool
	twice  bool // another one is as near
}

// nearer reports whether a field goes before another one of the same name.
func (f fieldAt) nearer(other fieldAt) bool {
	return f.depth < other.depth || f.depth == other.depth && f.tagged && !other.tagged
}

// fieldTypes returns the types of the fields that encoding/json finds in a struct, by
// the names of their properties. Of fields of one name it takes the one that is
// embedded least deep, of those the one that a tag names, and where several are left
// none.
func fieldTypes(t reflect.Type) map[string]reflect.Type {
	found := make(map[string]fieldAt)
	add := func(name string, f fieldAt) {
		have, ok := found[name]
		switch {
		case !ok || f.nearer(have):
			found[name] = f
		case !have.nearer(f):
			have.twice = true
			found[name] = have
		}
	}
	seen := make(map[reflect.Type]bool)
	level := map[reflect.Type]int{t: 1} // how often each struct is embedded
	for depth := 0; len(level) > 0; depth++ {
		next := make(map[reflect.Type]int)
		for t, times := range level {
			if seen[t] {
				continue
			}
			seen[t] = true
			for i := range t.NumField() {
				field := t.Field(i)
				name, inner := propertyOf(field)
				switch {
				case inner != nil:
					next[inner]++
				case name != "":
					f := fieldAt{field.Type, depth, taggedName(field) != "", times > 1}
					add(name, f)
				}
			}
		}
		level = next
	}
	fields := make(map[string]reflect.Type, len(found))
	for name, f := range found {
		if !f.twice {
			fields[name] = f.of
		}
	}
	return fields
}

// propertyOf returns the name of the property of a field, or the struct whose fields
// stand in its place, or neither.
func propertyOf(field reflect.StructField) (name string, inner reflect.Type) {
	if field.Tag.Get("json") == "-" {
		return "", nil
	}
	t := field.Type
	if t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	name = taggedName(field)
	switch {
	case !field.IsExported() && (!field.Anonymous || t.Kind() != reflect.Struct):
		return "", nil
	case field.Anonymous && name == "" && t.Kind() == reflect.Struct:
		return "", t
	case name == "":
		name = field.Name
	}
	return name, nil
}

// taggedName returns the name that a field's tag gives its property, if it does.
func taggedName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if !isFieldName(name) {
		return ""
	}
	return name
}
