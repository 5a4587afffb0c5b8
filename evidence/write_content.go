package evidence

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// maxContent bounds the JSON of a content. A larger one is committed to by its
// type.
const maxContent = 16 << 20

// snapshot returns what input holds now, so that it can be encoded later and in
// another goroutine, whatever its owner does to it, and about how many bytes
// that keeps alive. Strings are kept, containers copied, and values of types
// that are not the middleware's encoded at once. Of what is too large only that
// is kept which a record says of it, as the answer of a model that was offered
// tools.
func (r *Recorder) snapshot(input any, offered []string) (snap any, kept int) {
	snap, kept = snapshot(input)
	if kept <= maxContent {
		return snap, kept
	}
	large := &oversized{value: typeOnly(recordedValue(input))}
	if text, ok := snap.(string); ok {
		large.size = len(text)
	}
	b := builder{room: maxEntries, names: r.writer.build.names}
	b.describeInput(&large.asInput, snap)
	b.describeOutput(&large.asOutput, snap, offered)
	return large, large.value.size()
}

// An oversized content is one that is too large.
type oversized struct {
	value             rawJSON       // what is committed to
	size              int           // of a text
	asInput, asOutput record.Record // what the builder says of it as an input, and as an output
}

// tooLarge returns what is committed to in place of a snapshot whose JSON turns
// out to be too large.
func tooLarge(snap any, size int) *oversized {
	switch v := snap.(type) {
	case string:
		return &oversized{value: typeOnly(v), size: size}
	case []mapEntry:
		snap = map[string]any(nil)
	case *planSnapshot:
		snap = (*middleware.Plan)(nil)
	}
	return &oversized{value: typeOnly(snap)}
}

// recordedValue returns the value that a content is recorded as.
func recordedValue(v any) any {
	if text, ok := v.(middleware.Observation); ok {
		return string(text)
	}
	return v
}

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
	return raw, raw.size()
}

// A planSnapshot is a middleware.Plan.
type planSnapshot struct {
	calls   []middleware.ToolCall
	final   []mapEntry
	isFinal bool
}

// A mapEntry is one entry of a map: a string, or anything else as JSON.
type mapEntry struct {
	name string
	text string
	raw  rawJSON
}

// A rawJSON is JSON in pieces: to join them would cost as much memory again.
type rawJSON [][]byte

func (r rawJSON) size() (n int) {
	for _, piece := range r {
		n += len(piece)
	}
	return n
}

// snapshotMap ends early where it is too large.
func snapshotMap(m map[string]any) (fields []mapEntry, kept int) {
	fields = make([]mapEntry, 0, len(m))
	for name, v := range m {
		f := mapEntry{name: name}
		if s, ok := v.(string); ok {
			f.text = s
		} else {
			f.raw = encodeForeign(v)
		}
		fields = append(fields, f)
		if kept += len(f.name) + len(f.text) + f.raw.size(); kept > maxContent {
			break
		}
	}
	slices.SortFunc(fields, func(a, b mapEntry) int { return strings.Compare(a.name, b.name) })
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
// hold is named by its type, and so is what would be nested too deep within a
// Disclosure to be read again. The code of others may run in it, and panic.
func encodeForeign(v any) (raw rawJSON) {
	defer func() {
		if recover() != nil {
			raw = typeOnly(v)
		}
	}()
	var buf cappedBuffer
	e := jsontext.NewEncoder(&buf, json.Deterministic(true), jsontext.AllowInvalidUTF8(true), jsonv1.FormatDurationAsNano(true))
	err := errors.Join(e.WriteToken(jsontext.BeginArray), e.WriteToken(jsontext.BeginArray), e.WriteToken(jsontext.BeginArray))
	if err == nil {
		err = json.MarshalEncode(e, v)
	}
	if err == nil {
		err = errors.Join(e.WriteToken(jsontext.EndArray), e.WriteToken(jsontext.EndArray), e.WriteToken(jsontext.EndArray))
	}
	if err != nil {
		return typeOnly(v)
	}
	return buf.between(len("[[["), len("]]]\n"))
}

// typeOnly returns what stands for a value that JSON cannot hold, or too much
// of it.
func typeOnly(v any) rawJSON {
	raw := append([]byte(nil), `{"type":`...)
	raw, _ = jsontext.AppendQuote(raw, cleanName(fmt.Sprintf("%T", v))) // fails on invalid UTF-8 only
	return rawJSON{append(raw, '}')}
}

// A cappedBuffer takes JSON of at most maxContent bytes, and some more. It does
// not grow by copying, which would cost several times its size.
type cappedBuffer struct {
	pieces [][]byte
	size   int
}

func (c *cappedBuffer) Write(p []byte) (int, error) {
	if c.size += len(p); c.size > maxContent+len("[[[]]]\n") {
		return 0, errors.New("evidence: too large")
	}
	for n := len(p); n > 0; {
		last := len(c.pieces) - 1
		if last < 0 || len(c.pieces[last]) == cap(c.pieces[last]) {
			c.pieces = append(c.pieces, make([]byte, 0, max(n, min(c.size, 1<<20))))
			continue
		}
		to := c.pieces[last]
		k := min(n, cap(to)-len(to))
		c.pieces[last] = append(to, p[len(p)-n:len(p)-n+k]...)
		n -= k
	}
	return len(p), nil
}

// between returns all but some bytes at both ends.
func (c *cappedBuffer) between(before, after int) rawJSON {
	c.pieces[0] = c.pieces[0][before:] // which are written at once
	for after > 0 {
		last := len(c.pieces) - 1
		n := min(after, len(c.pieces[last]))
		c.pieces[last] = c.pieces[last][:len(c.pieces[last])-n]
		if after -= n; len(c.pieces[last]) == 0 {
			c.pieces = c.pieces[:last]
		}
	}
	return c.pieces
}

// isSame reports whether both are the same value, as far as can be said without
// looking inside: an input that was replaced is another pointer or map.
func isSame(a, b any) bool {
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
