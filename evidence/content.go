package evidence

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"example.com/safeconduct/middleware"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxForeign bounds the JSON of a value whose type is not the middleware's.
const maxForeign = 16 << 20

// snapshot returns what input holds now, so that it can be encoded later and in
// another goroutine, whatever its owner does to it, and about how many bytes
// that keeps alive. Strings are kept, containers copied, and values of types
// that are not the middleware's encoded at once.
func snapshot(input any) (snap any, kept int) {
	switch v := input.(type) {
	case nil:
		return nil, 0
	case string:
		return input, len(v) // as it is: to box it again costs an allocation
	case middleware.Observation:
		return string(v), len(v)
	case map[string]any:
		return snapshotMap(v)
	case *middleware.ModelRequest:
		if v == nil {
			return nil, 0
		}
		return snapshotRequest(v)
	case *middleware.ModelResponse:
		if v == nil {
			return nil, 0
		}
		c := *v
		c.Choices = slices.Clone(v.Choices)
		for i := range c.Choices {
			choice := &c.Choices[i]
			choice.ToolCalls = slices.Clone(choice.ToolCalls)
			kept += len(choice.Text) + len(choice.Reasoning) + toolCallBytes(choice.ToolCalls)
		}
		return &c, kept
	case *middleware.PlanRequest:
		if v == nil {
			return nil, 0
		}
		c := middleware.PlanRequest{Inputs: maps.Clone(v.Inputs), Steps: slices.Clone(v.Steps)}
		for _, s := range c.Inputs {
			kept += len(s)
		}
		for i := range c.Steps {
			kept += len(c.Steps[i].ToolCall.Input) + len(c.Steps[i].Observation)
		}
		return &c, kept
	case *middleware.Plan:
		if v == nil {
			return nil, 0
		}
		c := planSnapshot{calls: slices.Clone(v.ToolCalls), isFinal: v.Final != nil}
		if v.Final != nil {
			c.final, kept = snapshotMap(v.Final)
		}
		return &c, kept + toolCallBytes(c.calls)
	}
	raw := encodeForeign(input)
	return raw, len(raw)
}

// A planSnapshot is a middleware.Plan.
type planSnapshot struct {
	calls   []middleware.ToolCall
	final   []field
	isFinal bool
}

// A field is one entry of a map: a string, or anything else as JSON.
type field struct {
	name string
	text string
	raw  jsontext.Value
}

func snapshotMap(m map[string]any) (fields []field, kept int) {
	fields = make([]field, 0, len(m))
	for name, v := range m {
		f := field{name: name}
		if s, ok := v.(string); ok {
			f.text = s
		} else {
			f.raw = encodeForeign(v)
		}
		kept += len(f.name) + len(f.text) + len(f.raw)
		fields = append(fields, f)
	}
	slices.SortFunc(fields, func(a, b field) int { return bytes.Compare([]byte(a.name), []byte(b.name)) })
	return fields, kept
}

// snapshotRequest copies all but the framework's own values.
func snapshotRequest(r *middleware.ModelRequest) (snap any, kept int) {
	c := *r
	c.Tools, c.Stop = slices.Clone(r.Tools), slices.Clone(r.Stop)
	c.Messages = make([]middleware.Message, len(r.Messages))
	n := 0
	for i := range r.Messages {
		n += len(r.Messages[i].Parts)
	}
	parts := make([]middleware.Part, 0, n)
	for i := range r.Messages {
		from := len(parts)
		for _, p := range r.Messages[i].Parts {
			p.Native = nil
			kept += len(p.Text)
			parts = append(parts, p)
		}
		c.Messages[i] = middleware.Message{Role: r.Messages[i].Role, Parts: parts[from:len(parts):len(parts)]}
	}
	return &c, kept
}

func toolCallBytes(calls []middleware.ToolCall) (n int) {
	for i := range calls {
		n += len(calls[i].Input)
	}
	return n
}

// encodeForeign encodes a value of a type that nobody here knows. What JSON cannot
// hold is named by its type. The code of others may run in it, and panic.
func encodeForeign(v any) (raw jsontext.Value) {
	defer func() {
		if recover() != nil {
			raw = opaque(v)
		}
	}()
	var buf cappedBuffer
	err := json.MarshalWrite(&buf, v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true), encoding)
	if err != nil {
		return opaque(v)
	}
	return buf.b
}

func opaque(v any) jsontext.Value {
	raw := append([]byte(nil), `{"type":`...)
	raw = appendText(raw, fmt.Sprintf("%T", v))
	return append(raw, '}')
}

type cappedBuffer struct{ b []byte }

func (c *cappedBuffer) Write(p []byte) (int, error) {
	if len(c.b)+len(p) > maxForeign {
		return 0, errors.New("evidence: too large")
	}
	c.b = append(c.b, p...)
	return len(p), nil
}

// same reports whether both are the same value, as far as can be said without
// looking inside: an input that was replaced is another pointer or map.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if text, ok := a.(string); ok { // of a tool: by far the most calls
		other, ok := b.(string)
		return ok && text == other
	}
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.Type() != y.Type() {
		return false
	}
	if x.Kind() == reflect.Map {
		return x.UnsafePointer() == y.UnsafePointer()
	}
	return x.Comparable() && y.Comparable() && a == b
}

// appendContent appends the JSON of a snapshot and returns the size to record:
// of a text its bytes, of anything else those of the JSON.
func appendContent(dst []byte, snap any) (_ []byte, size int64) {
	from := len(dst)
	switch v := snap.(type) {
	case string:
		return appendText(dst, v), int64(len(v))
	case nil:
		return append(dst, "null"...), 0
	case jsontext.Value:
		dst = append(dst, v...)
	case []field:
		dst = appendFields(dst, v)
	case *middleware.ModelRequest:
		dst = appendRequest(dst, v)
	case *middleware.ModelResponse:
		dst = append(dst, `{"choices":[`...)
		for i, c := range v.Choices {
			dst = comma(dst, i)
			dst = append(dst, `{"reasoning":`...)
			dst = appendText(dst, c.Reasoning)
			dst = append(dst, `,"text":`...)
			dst = appendText(dst, c.Text)
			dst = append(dst, `,"toolCalls":`...)
			dst = append(appendToolCalls(dst, c.ToolCalls), '}')
		}
		dst = append(dst, "]}"...)
	case *middleware.PlanRequest:
		dst = appendPlanRequest(dst, v)
	case *planSnapshot:
		dst = append(dst, `{"final":`...)
		if v.isFinal {
			dst = appendFields(dst, v.final)
		} else {
			dst = append(dst, "null"...)
		}
		dst = append(dst, `,"toolCalls":`...)
		dst = append(appendToolCalls(dst, v.calls), '}')
	}
	return dst, int64(len(dst) - from)
}

func appendFields(dst []byte, fields []field) []byte {
	dst = append(dst, '{')
	for i, f := range fields {
		dst = comma(dst, i)
		dst = append(appendName(dst, f.name), ':')
		if f.raw != nil {
			dst = append(dst, f.raw...)
		} else {
			dst = appendText(dst, f.text)
		}
	}
	return append(dst, '}')
}

func appendRequest(dst []byte, r *middleware.ModelRequest) []byte {
	dst = append(dst, `{"messages":[`...)
	for i, m := range r.Messages {
		dst = comma(dst, i)
		dst = append(dst, `{"parts":[`...)
		for k, p := range m.Parts {
			dst = comma(dst, k)
			if p.Text == "" && p.Size > 0 { // binary
				dst = append(dst, `{"size":`...)
				dst = append(strconv.AppendInt(dst, int64(p.Size), 10), '}')
			} else {
				dst = appendText(dst, p.Text)
			}
		}
		dst = append(dst, `],"role":`...)
		dst = append(appendText(dst, m.Role), '}')
	}
	dst = append(dst, `],"stop":[`...)
	for i, s := range r.Stop {
		dst = appendText(comma(dst, i), s)
	}
	return append(dst, "]}"...)
}

func appendPlanRequest(dst []byte, r *middleware.PlanRequest) []byte {
	dst = append(dst, `{"inputs":{`...)
	for i, name := range slices.Sorted(maps.Keys(r.Inputs)) {
		dst = append(appendName(comma(dst, i), name), ':')
		dst = appendText(dst, r.Inputs[name])
	}
	dst = append(dst, `},"steps":[`...)
	for i := range r.Steps {
		s := &r.Steps[i]
		dst = append(comma(dst, i), `{"observation":`...)
		dst = appendText(dst, s.Observation)
		dst = append(dst, `,"toolCall":`...)
		dst = append(appendToolCall(dst, &s.ToolCall), '}')
	}
	return append(dst, "]}"...)
}

func appendToolCalls(dst []byte, calls []middleware.ToolCall) []byte {
	dst = append(dst, '[')
	for i := range calls {
		dst = appendToolCall(comma(dst, i), &calls[i])
	}
	return append(dst, ']')
}

func appendToolCall(dst []byte, c *middleware.ToolCall) []byte {
	dst = append(dst, `{"input":`...)
	dst = appendText(dst, c.Input)
	dst = append(dst, `,"name":`...)
	return append(appendText(dst, c.Name), '}')
}

// appendText appends s as a JSON string or, where s is not valid UTF-8 and no
// JSON string can hold it, as {"base64":"..."}: nothing is replaced.
func appendText(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		dst = append(dst, `{"base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, []byte(s))
		return append(dst, `"}`...)
	}
	dst, _ = jsontext.AppendQuote(dst, s) // fails on invalid UTF-8 only
	return dst
}

// appendName appends s as the name of a member, which must be a string.
func appendName(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, clean(s, len(s)+len("…")))
	return dst
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		dst = append(dst, ',')
	}
	return dst
}
