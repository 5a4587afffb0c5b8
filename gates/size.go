package gates

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"example.com/safeconduct/middleware"
)

// SizeRules bound what goes into calls and what comes out of them.
type SizeRules struct {
	// Input bounds the Input of a call, in bytes, counted as
	// [IngressRules.MaxBytes] are. Zero means DefaultMaxBytes.
	Input int

	// Output bounds the Output of a call in the same way, and what a stream
	// carries. Zero means DefaultMaxBytes.
	Output int

	// Depth bounds how deep values nest, and JSON in the text that goes into
	// and comes out of a tool: text that begins with { or [ counts as JSON.
	// Zero means DefaultMaxDepth.
	Depth int
}

// Size returns the gate "size", which bounds calls of every kind. An Input that is too
// large or too deep is denied with [middleware.CodeBadInput] before the call runs; an
// Output with [middleware.CodeBadOutput], and its Usage is kept. A stream is ended with
// the chunk that would be too much, which the caller does not see, and the call is denied.
// Values that are not data, as for [Ingress], cannot be measured and are denied.
//
// An output that is not a stream is in memory when Size sees it: what bounds the reading
// of it is up to the tool. Size panics if a number is negative, or Depth over 10,000.
func Size(rules SizeRules) middleware.Interceptor {
	if rules.Input < 0 || rules.Output < 0 || rules.Depth < 0 || rules.Depth > maxDepthBound {
		panic(fmt.Sprintf("gates: Size: %+v", rules))
	}
	for _, f := range []struct {
		n    *int
		zero int
	}{{&rules.Input, DefaultMaxBytes}, {&rules.Output, DefaultMaxBytes}, {&rules.Depth, DefaultMaxDepth}} {
		if *f.n == 0 {
			*f.n = f.zero
		}
	}
	s := &sized{rules}
	return middleware.Named("size", s.intercept)
}

// sized are SizeRules made ready.
type sized struct{ SizeRules }

func (s *sized) intercept(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		m := measure{bytes: s.Input, depth: s.Depth, anyText: true}
		why, _ := m.call(&call)
		if err := s.deny(middleware.CodeBadInput, "input", s.Input, s.nested(call.Kind, call.Input, why)); err != nil {
			return middleware.Result{}, err
		}
		if call.Stream != nil {
			call.Stream = s.stream(call.Stream)
		}
		res, err := next(ctx, call)
		if err != nil || isObservation(res) {
			return res, err
		}
		m = measure{bytes: s.Output, depth: s.Depth, anyText: true}
		why = m.output(res.Output)
		if err := s.deny(middleware.CodeBadOutput, "output", s.Output, s.nested(call.Kind, res.Output, why)); err != nil {
			return middleware.Result{Usage: res.Usage}, err
		}
		return res, nil
	}
}

// stream returns a Stream that ends where too much comes.
func (s *sized) stream(to middleware.Stream) middleware.Stream {
	var sum atomic.Int64
	return func(ctx context.Context, chunk middleware.Chunk) error {
		if sum.Add(streamedBytes(chunk)) > int64(s.Output) {
			return s.deny(middleware.CodeBadOutput, "output", s.Output, stopBytes)
		}
		return to(ctx, chunk)
	}
}

// nested looks at the JSON that a tool's text holds.
func (s *sized) nested(kind middleware.Kind, v any, why stop) stop {
	text, ok := v.(string)
	if kind != middleware.KindTool || !ok || why != stopNone || jsonDepth(text) <= s.Depth {
		return why
	}
	return stopDepth
}

func (s *sized) deny(code middleware.Code, what string, most int, why stop) error {
	switch why {
	case stopNone:
		return nil
	case stopBytes:
		return &middleware.DeniedError{Code: code, Reason: "the " + what + " is larger than " + strconv.Itoa(most) + " bytes"}
	case stopDepth:
		return &middleware.DeniedError{Code: code, Reason: "the " + what + " is nested deeper than " + strconv.Itoa(s.Depth)}
	case stopUTF8, stopOpaque:
	}
	return &middleware.DeniedError{Code: code, Reason: "the " + what + " holds a value that cannot be measured"}
}

// jsonDepth returns how deep brackets nest in text that begins with one, outside
// of its strings. Other text has depth 0.
func jsonDepth(text string) (deepest int) {
	if text = strings.TrimLeft(text, " \t\r\n"); text == "" || text[0] != '{' && text[0] != '[' {
		return 0
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
