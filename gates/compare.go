package gates

import (
	"math"
	"reflect"
)

// A number is a value that says what number it is, as json.Number does.
type number interface {
	Int64() (int64, error)
	Float64() (float64, error)
}

// plain returns a string, a number, a bool or nil in a form in which equal
// values are ==. It reports false for values of other kinds.
func plain(v any) (any, bool) {
	switch v := v.(type) {
	case nil, string, bool:
		return v, true
	case float64:
		return plainFloat(v), true
	case number:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
		f, err := v.Float64()
		return plainFloat(f), err == nil
	}
	r := reflect.ValueOf(v)
	switch {
	case r.Kind() == reflect.String:
		return r.String(), true
	case r.Kind() == reflect.Bool:
		return r.Bool(), true
	case r.CanInt():
		return r.Int(), true
	case r.CanUint():
		if n := r.Uint(); n > math.MaxInt64 {
			return n, true
		}
		return int64(r.Uint()), true
	case r.CanFloat():
		return plainFloat(r.Float()), true
	}
	return nil, false
}

// plainFloat returns a whole number as an int64, where it is one.
func plainFloat(f float64) any {
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return int64(f)
	}
	return f
}
