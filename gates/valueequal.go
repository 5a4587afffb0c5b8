package gates

import (
	"math"
	"reflect"
	"strconv"
)

// A number is a value that says what number it is, as json.Number does.
type number interface {
	Int64() (int64, error)
	Float64() (float64, error)
}

// canonical returns a string, a number, a bool or nil in a form in which equal
// values are ==. It reports false for values of other kinds.
func canonical(v any) (any, bool) {
	switch v := v.(type) {
	case nil, string, bool:
		return v, true
	case float64:
		return canonicalFloat(v), true
	case number:
		if n, err := v.Int64(); err == nil {
			return n, true
		}
		f, err := v.Float64()
		return canonicalFloat(f), err == nil
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
		return canonicalFloat(r.Float()), true
	}
	return nil, false
}

// canonicalFloat returns a whole number as an int64, where it is one.
func canonicalFloat(f float64) any {
	if f == math.Trunc(f) && f >= -1<<63 && f < 1<<63 {
		return int64(f)
	}
	return f
}

// smallInt returns the number that text spells, where that is a plain one of up
// to 15 digits.
func smallInt(text string) (n int64, ok bool) {
	if len(text) == 0 || len(text) > 15 {
		return 0, false
	}
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// exactFloat returns the number that text spells, if a float64 tells it from every
// other number of as many digits: that it does for up to 15.
func exactFloat(text string) (float64, bool) {
	const digits = 15
	if n, ok := smallInt(text); ok {
		return float64(n), true
	}
	significant, seen := 0, 0 // up to the last digit that is not 0; up to here
	for i := 0; i < len(text) && text[i]|0x20 != 'e'; i++ {
		if c := text[i]; '0' <= c && c <= '9' && (seen > 0 || c != '0') {
			if seen++; c != '0' {
				significant = seen
			}
		}
	}
	if significant > digits {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f == 0 && significant > 0 {
		return 0, false // too large, or too small
	}
	return f, true
}
