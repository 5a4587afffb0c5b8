package gates

import (
	"math"
	"reflect"
	"time"
	"unicode/utf8"

	"example.com/safeconduct/middleware"
)

// A stop says why a walk ended early.
type stop uint8

const (
	stopNone   stop = iota
	stopBytes       // too large
	stopDepth       // too deep
	stopUTF8        // a string that is not valid UTF-8
	stopOpaque      // a value that is not data
)

// What values take, about as JSON writes them.
const (
	sizeQuotes = 2 // of a string, or the braces of a container
	sizeMember = 2 // of a member or an element: colon, comma
	sizeScalar = 8 // a number, a bool, nil
	sizeTime   = 37
)

// A walk goes through a value and stops at the first thing that is not allowed.
// Every value that it visits takes at least a byte of what is left, so that it
// comes to an end on any graph of values; a cycle ends at the depth.
type walk struct {
	bytes int // left
	depth int // allowed

	anyText bool // strings need not be UTF-8
}

// take takes n bytes of what is left.
func (w *walk) take(n int) stop {
	if n > w.bytes {
		return stopBytes
	}
	w.bytes -= max(n, 0)
	return stopNone
}

func (w *walk) text(s string) stop {
	if len(s) > w.bytes-sizeQuotes {
		return stopBytes // before it is read
	}
	w.bytes -= len(s) + sizeQuotes
	if !w.anyText && !utf8.ValidString(s) {
		return stopUTF8
	}
	return stopNone
}

// call walks the Input of a call. It also returns the key of the input at
// which it stopped, where there is one.
func (w *walk) call(call *middleware.Call) (s stop, key string) {
	switch in := call.Input.(type) {
	case string:
		return w.text(in), ""
	case map[string]any:
		if s = w.container(1); s != stopNone {
			return s, ""
		}
		for key, v := range in {
			if s = w.member(key); s == stopNone {
				s = w.value(v, 1)
			}
			if s != stopNone {
				return s, key
			}
		}
		return stopNone, ""
	case *middleware.ModelRequest:
		if in != nil {
			return w.model(in), ""
		}
	case *middleware.PlanRequest:
		if in != nil {
			return w.plan(in)
		}
	}
	return w.value(call.Input, 0), ""
}

// output walks the Output of a call.
func (w *walk) output(v any) (s stop) {
	switch out := v.(type) {
	case *middleware.ModelResponse:
		for i := 0; out != nil && i < len(out.Choices) && s == stopNone; i++ {
			c := &out.Choices[i]
			if s = w.text(c.Text); s == stopNone {
				s = w.text(c.Reasoning)
			}
			if s == stopNone {
				s = w.toolCalls(c.ToolCalls)
			}
		}
		return s
	case *middleware.Plan:
		if out == nil {
			return stopNone
		}
		if s = w.toolCalls(out.ToolCalls); s == stopNone && out.Final != nil {
			s = w.value(out.Final, 0)
		}
		return s
	}
	return w.value(v, 0)
}

func (w *walk) toolCalls(calls []middleware.ToolCall) (s stop) {
	for i := 0; i < len(calls) && s == stopNone; i++ {
		if s = w.text(calls[i].Name); s == stopNone {
			s = w.text(calls[i].Input)
		}
	}
	return s
}

func (w *walk) model(req *middleware.ModelRequest) stop {
	s := w.text(req.Model)
	for _, list := range [][]string{req.Tools, req.Stop} {
		for i := 0; i < len(list) && s == stopNone; i++ {
			s = w.text(list[i])
		}
	}
	for i := 0; i < len(req.Messages) && s == stopNone; i++ {
		s = w.text(req.Messages[i].Role)
		for _, part := range req.Messages[i].Parts {
			if s == stopNone {
				s = w.text(part.Text)
			}
			if s == stopNone {
				s = w.take(part.Size - len(part.Text)) // what is not text
			}
		}
	}
	return s
}

func (w *walk) plan(req *middleware.PlanRequest) (s stop, key string) {
	for key, v := range req.Inputs {
		if s = w.member(key); s == stopNone {
			s = w.text(v)
		}
		if s != stopNone {
			return s, key
		}
	}
	for i := range req.Steps {
		step := &req.Steps[i]
		for _, v := range [...]string{step.ToolCall.Name, step.ToolCall.Input, step.Observation} {
			if s = w.text(v); s != stopNone {
				return s, ""
			}
		}
	}
	return stopNone, ""
}

// container enters a map, a list or a struct that nests at this depth.
func (w *walk) container(depth int) stop {
	if depth > w.depth {
		return stopDepth
	}
	return w.take(sizeQuotes)
}

func (w *walk) member(key string) stop {
	if s := w.text(key); s != stopNone {
		return s
	}
	return w.take(sizeMember)
}

// value walks v, which stands in containers nested depth deep. The types that
// JSON decodes to take no reflection.
func (w *walk) value(v any, depth int) stop {
	switch v := v.(type) {
	case string:
		return w.text(v)
	case nil, bool, int, int64, float64:
		return w.take(sizeScalar)
	case map[string]any:
		s := w.container(depth + 1)
		for key, v := range v {
			if s != stopNone {
				break
			}
			if s = w.member(key); s == stopNone {
				s = w.value(v, depth+1)
			}
		}
		return s
	case []any:
		s := w.container(depth + 1)
		for i := 0; i < len(v) && s == stopNone; i++ {
			if s = w.take(sizeMember); s == stopNone {
				s = w.value(v[i], depth+1)
			}
		}
		return s
	case []string:
		s := w.container(depth + 1)
		for i := 0; i < len(v) && s == stopNone; i++ {
			if s = w.take(sizeMember); s == stopNone {
				s = w.text(v[i])
			}
		}
		return s
	case map[string]string:
		s := w.container(depth + 1)
		for key, v := range v {
			if s != stopNone {
				break
			}
			if s = w.member(key); s == stopNone {
				s = w.text(v)
			}
		}
		return s
	}
	return w.reflected(reflect.ValueOf(v), depth)
}

// reflected walks values of all other types.
func (w *walk) reflected(v reflect.Value, depth int) stop {
	switch v.Kind() {
	case reflect.String:
		return w.text(v.String())
	case reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return w.take(sizeScalar)
	case reflect.Interface:
		if v.IsNil() {
			return w.take(sizeScalar)
		}
		return w.reflected(v.Elem(), depth)
	case reflect.Pointer:
		if v.IsNil() {
			return w.take(sizeScalar)
		}
		if s := w.container(depth + 1); s != stopNone { // pointers make cycles too
			return s
		}
		return w.reflected(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 { // base64
			return w.take(min(v.Len(), math.MaxInt/2)/3*4 + 4 + sizeQuotes)
		}
		s := w.container(depth + 1)
		for i := 0; i < v.Len() && s == stopNone; i++ {
			if s = w.take(sizeMember); s == stopNone {
				s = w.reflected(v.Index(i), depth+1)
			}
		}
		return s
	case reflect.Map:
		s := w.container(depth + 1)
		for iter := v.MapRange(); s == stopNone && iter.Next(); {
			if s = w.take(sizeMember); s == stopNone {
				s = w.reflected(iter.Key(), depth+1)
			}
			if s == stopNone {
				s = w.reflected(iter.Value(), depth+1)
			}
		}
		return s
	case reflect.Struct:
		return w.structure(v, depth)
	}
	return stopOpaque
}

func (w *walk) structure(v reflect.Value, depth int) stop {
	t := v.Type()
	if t == reflect.TypeFor[time.Time]() {
		return w.take(sizeTime)
	}
	s := w.container(depth + 1)
	for i := 0; i < v.NumField() && s == stopNone; i++ {
		field := t.Field(i)
		if !field.IsExported() {
			return stopOpaque
		}
		if s = w.member(field.Name); s == stopNone {
			s = w.reflected(v.Field(i), depth+1)
		}
	}
	return s
}

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
