package gates

import (
	"math"
	"reflect"
	"time"
	"unicode/utf8"

	"example.com/safeconduct/middleware"
)

// A stop says why a measure ended early.
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

// A measure goes through a value and stops at the first thing that is not allowed.
// Every value that it visits takes at least a byte of what is left, so that it
// comes to an end on any graph of values; a cycle ends at the depth.
type measure struct {
	bytes int // left
	depth int // allowed

	anyText bool // strings need not be UTF-8
}

// take takes n bytes of what is left.
func (m *measure) take(n int) stop {
	if n > m.bytes {
		return stopBytes
	}
	m.bytes -= max(n, 0)
	return stopNone
}

func (m *measure) text(s string) stop {
	if len(s) > m.bytes-sizeQuotes {
		return stopBytes // before it is read
	}
	m.bytes -= len(s) + sizeQuotes
	if !m.anyText && !utf8.ValidString(s) {
		return stopUTF8
	}
	return stopNone
}

// call measures the Input of a call. It also returns the key of the input at
// which it stopped, where there is one.
func (m *measure) call(call *middleware.Call) (s stop, key string) {
	switch in := call.Input.(type) {
	case string:
		return m.text(in), ""
	case map[string]any:
		if s = m.container(1); s != stopNone {
			return s, ""
		}
		for key, v := range in {
			if s = m.member(key); s == stopNone {
				s = m.value(v, 1)
			}
			if s != stopNone {
				return s, key
			}
		}
		return stopNone, ""
	case *middleware.ModelRequest:
		if in != nil {
			return m.model(in), ""
		}
	case *middleware.PlanRequest:
		if in != nil {
			return m.plan(in)
		}
	}
	return m.value(call.Input, 0), ""
}

// output measures the Output of a call.
func (m *measure) output(v any) (s stop) {
	switch out := v.(type) {
	case *middleware.ModelResponse:
		for i := 0; out != nil && i < len(out.Choices) && s == stopNone; i++ {
			c := &out.Choices[i]
			if s = m.text(c.Text); s == stopNone {
				s = m.text(c.Reasoning)
			}
			if s == stopNone {
				s = m.toolCalls(c.ToolCalls)
			}
		}
		return s
	case *middleware.Plan:
		if out == nil {
			return stopNone
		}
		if s = m.toolCalls(out.ToolCalls); s == stopNone && out.Final != nil {
			s = m.value(out.Final, 0)
		}
		return s
	}
	return m.value(v, 0)
}

func (m *measure) toolCalls(calls []middleware.ToolCall) (s stop) {
	for i := 0; i < len(calls) && s == stopNone; i++ {
		if s = m.text(calls[i].Name); s == stopNone {
			s = m.text(calls[i].Input)
		}
	}
	return s
}

func (m *measure) model(req *middleware.ModelRequest) stop {
	s := m.text(req.Model)
	for _, list := range [][]string{req.Tools, req.Stop} {
		for i := 0; i < len(list) && s == stopNone; i++ {
			s = m.text(list[i])
		}
	}
	for i := 0; i < len(req.Messages) && s == stopNone; i++ {
		s = m.text(req.Messages[i].Role)
		for _, part := range req.Messages[i].Parts {
			if s == stopNone {
				s = m.text(part.Text)
			}
			if s == stopNone {
				s = m.take(part.Size - len(part.Text)) // what is not text
			}
		}
	}
	return s
}

func (m *measure) plan(req *middleware.PlanRequest) (s stop, key string) {
	for key, v := range req.Inputs {
		if s = m.member(key); s == stopNone {
			s = m.text(v)
		}
		if s != stopNone {
			return s, key
		}
	}
	for i := range req.Steps {
		step := &req.Steps[i]
		for _, v := range [...]string{step.ToolCall.Name, step.ToolCall.Input, step.Observation} {
			if s = m.text(v); s != stopNone {
				return s, ""
			}
		}
	}
	return stopNone, ""
}

// container enters a map, a list or a struct that nests at this depth.
func (m *measure) container(depth int) stop {
	if depth > m.depth {
		return stopDepth
	}
	return m.take(sizeQuotes)
}

func (m *measure) member(key string) stop {
	if s := m.text(key); s != stopNone {
		return s
	}
	return m.take(sizeMember)
}

// value measures v, which stands in containers nested depth deep. The types that
// JSON decodes to take no reflection.
func (m *measure) value(v any, depth int) stop {
	switch v := v.(type) {
	case string:
		return m.text(v)
	case nil, bool, int, int64, float64:
		return m.take(sizeScalar)
	case map[string]any:
		s := m.container(depth + 1)
		for key, v := range v {
			if s != stopNone {
				break
			}
			if s = m.member(key); s == stopNone {
				s = m.value(v, depth+1)
			}
		}
		return s
	case []any:
		s := m.container(depth + 1)
		for i := 0; i < len(v) && s == stopNone; i++ {
			if s = m.take(sizeMember); s == stopNone {
				s = m.value(v[i], depth+1)
			}
		}
		return s
	case []string:
		s := m.container(depth + 1)
		for i := 0; i < len(v) && s == stopNone; i++ {
			if s = m.take(sizeMember); s == stopNone {
				s = m.text(v[i])
			}
		}
		return s
	case map[string]string:
		s := m.container(depth + 1)
		for key, v := range v {
			if s != stopNone {
				break
			}
			if s = m.member(key); s == stopNone {
				s = m.text(v)
			}
		}
		return s
	}
	return m.reflected(reflect.ValueOf(v), depth)
}

// reflected measures values of all other types.
func (m *measure) reflected(v reflect.Value, depth int) stop {
	switch v.Kind() {
	case reflect.String:
		return m.text(v.String())
	case reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return m.take(sizeScalar)
	case reflect.Interface:
		if v.IsNil() {
			return m.take(sizeScalar)
		}
		return m.reflected(v.Elem(), depth)
	case reflect.Pointer:
		if v.IsNil() {
			return m.take(sizeScalar)
		}
		if s := m.container(depth + 1); s != stopNone { // pointers make cycles too
			return s
		}
		return m.reflected(v.Elem(), depth+1)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 { // base64
			return m.take(min(v.Len(), math.MaxInt/2)/3*4 + 4 + sizeQuotes)
		}
		s := m.container(depth + 1)
		for i := 0; i < v.Len() && s == stopNone; i++ {
			if s = m.take(sizeMember); s == stopNone {
				s = m.reflected(v.Index(i), depth+1)
			}
		}
		return s
	case reflect.Map:
		s := m.container(depth + 1)
		for iter := v.MapRange(); s == stopNone && iter.Next(); {
			if s = m.take(sizeMember); s == stopNone {
				s = m.reflected(iter.Key(), depth+1)
			}
			if s == stopNone {
				s = m.reflected(iter.Value(), depth+1)
			}
		}
		return s
	case reflect.Struct:
		return m.structure(v, depth)
	}
	return stopOpaque
}

func (m *measure) structure(v reflect.Value, depth int) stop {
	t := v.Type()
	if t == reflect.TypeFor[time.Time]() {
		return m.take(sizeTime)
	}
	s := m.container(depth + 1)
	for i := 0; i < v.NumField() && s == stopNone; i++ {
		field := t.Field(i)
		if !field.IsExported() {
			return stopOpaque
		}
		if s = m.member(field.Name); s == stopNone {
			s = m.reflected(v.Field(i), depth+1)
		}
	}
	return s
}
