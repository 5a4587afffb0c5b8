package middlewaretest

import "reflect"

// maxWalk bounds how deep clone and same look into a value. What lies deeper,
// as in a cycle, is shared by a clone and taken to be the same.
const maxWalk = 64

// clone returns a deep copy of an Input. Funcs, channels and structs with
// unexported fields are shared.
func clone(v any) any {
	if v == nil {
		return nil
	}
	return cloneValue(reflect.ValueOf(v), 0).Interface()
}

func cloneValue(v reflect.Value, depth int) reflect.Value {
	if depth > maxWalk {
		return v
	}
	depth++
	switch v.Kind() {
	case reflect.Map:
		if v.IsNil() {
			return v
		}
		to := reflect.MakeMapWithSize(v.Type(), v.Len())
		for iter := v.MapRange(); iter.Next(); {
			to.SetMapIndex(iter.Key(), cloneValue(iter.Value(), depth))
		}
		return to
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			to.Index(i).Set(cloneValue(v.Index(i), depth))
		}
		return to
	case reflect.Array:
		to := reflect.New(v.Type()).Elem()
		for i := range v.Len() {
			to.Index(i).Set(cloneValue(v.Index(i), depth))
		}
		return to
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return v
		}
		inner := cloneValue(v.Elem(), depth)
		if v.Kind() == reflect.Interface {
			return inner.Convert(v.Type())
		}
		if opaque(v.Elem()) {
			return v
		}
		to := reflect.New(v.Type().Elem())
		to.Elem().Set(inner)
		return to
	case reflect.Struct:
		if opaque(v) {
			return v
		}
		to := reflect.New(v.Type()).Elem()
		for i := range v.NumField() {
			to.Field(i).Set(cloneValue(v.Field(i), depth))
		}
		return to
	}
	return v
}

// opaque reports whether v is a struct that cannot be copied field by field.
func opaque(v reflect.Value) bool {
	if v.Kind() != reflect.Struct {
		return false
	}
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			return true
		}
	}
	return false
}

// same reports whether a and b, a clone of what a once was, are still deeply
// equal. Funcs, channels and opaque structs are not looked into.
func same(a, b any) bool {
	return sameValue(reflect.ValueOf(a), reflect.ValueOf(b), 0)
}

func sameValue(a, b reflect.Value, depth int) bool {
	if a.IsValid() != b.IsValid() {
		return false
	}
	if !a.IsValid() || depth > maxWalk {
		return true
	}
	if a.Type() != b.Type() {
		return false
	}
	depth++
	switch a.Kind() {
	case reflect.Map:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		for iter := a.MapRange(); iter.Next(); {
			if other := b.MapIndex(iter.Key()); !other.IsValid() || !sameValue(iter.Value(), other, depth) {
				return false
			}
		}
		return true
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return false
		}
		fallthrough
	case reflect.Array:
		for i := range a.Len() {
			if !sameValue(a.Index(i), b.Index(i), depth) {
				return false
			}
		}
		return true
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return sameValue(a.Elem(), b.Elem(), depth)
	case reflect.Struct:
		if opaque(a) {
			return true
		}
		for i := range a.NumField() {
			if !sameValue(a.Field(i), b.Field(i), depth) {
				return false
			}
		}
		return true
	case reflect.Func, reflect.Chan, reflect.UnsafePointer:
		return a.IsZero() == b.IsZero()
	case reflect.Float32, reflect.Float64:
		return a.Float() == b.Float() || a.Float() != a.Float() && b.Float() != b.Float()
	}
	return a.Equal(b)
}
