package middlewaretest_test

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

type (
	ctx     = context.Context
	call    = middleware.Call
	result  = middleware.Result
	handler = middleware.Handler
)

// with makes an Interceptor of what to do around next.
func with(f func(next handler, ctx ctx, call call) (result, error)) middleware.Interceptor {
	return func(next handler) handler {
		if next == nil {
			return middleware.Layer{Name: "broken"}.Handler()
		}
		return func(ctx ctx, call call) (result, error) { return f(next, ctx, call) }
	}
}

// stateless makes a constructor of an Interceptor that keeps no state.
func stateless(i middleware.Interceptor) func() middleware.Interceptor {
	return func() middleware.Interceptor { return i }
}

// rules returns the names of the rules that err reports, sorted.
func rules(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("got an error of type %T, want joined ones: %v", err, err)
	}
	var names []string
	for _, err := range joined.Unwrap() {
		var broken *middlewaretest.RuleError
		if !errors.As(err, &broken) {
			t.Fatalf("got %T, want *RuleError: %v", err, err)
		}
		if broken.Text == "" || broken.Detail == "" {
			t.Errorf("%s: got no text or no detail: %v", broken.Rule, err)
		}
		names = append(names, broken.Rule)
	}
	slices.Sort(names)
	return names
}

// Contexts that lose one thing each.
type (
	noDeadline struct{ context.Context }
	noCancel   struct{ context.Context }
	noValues   struct{ context.Context }
)

func (noDeadline) Deadline() (d time.Time, ok bool) { return d, false }
func (noCancel) Done() <-chan struct{}              { return nil }
func (noCancel) Err() error                         { return nil }
func (noValues) Value(any) any                      { return nil }

type againKey struct{}

// again carries out every call once more, after change has had it.
func again(change func(*call)) func(handler, ctx, call) (result, error) {
	return func(next handler, ctx ctx, call call) (result, error) {
		res, err := next(ctx, call)
		if err != nil || ctx.Value(againKey{}) != nil {
			return res, err
		}
		change(&call)
		to, err := middleware.Again(context.WithValue(ctx, againKey{}, true), call)
		return result{Output: to.Output, Usage: res.Usage}, err
	}
}

var errOwn = errors.New("broken: not a denial")

// TestEachRuleCatches gives each rule one interceptor that breaks it and no
// other: a check that cannot fail checks nothing.
func TestEachRuleCatches(t *testing.T) {
	tests := []struct {
		rule string
		new  func() middleware.Interceptor
	}{
		{"handler", stateless(nil)},
		{"handler", stateless(func(handler) handler { return nil })},
		{"handler", stateless(func(next handler) handler { panic("not today") })},
		{"describe", stateless(func(next handler) handler {
			if next == nil {
				return middleware.Layer{Gate: true}.Handler()
			}
			return next
		})},
		{"reach", stateless(with(func(handler, ctx, call) (result, error) {
			return result{}, middleware.Deny(middleware.CodePolicy, "never")
		}))},
		{"kinds", stateless(middleware.Before("gate", func(_ ctx, call call) error {
			if call.Input.(string) == "sudo" { // as if all calls were those of tools
				return middleware.Deny(middleware.CodePolicy, "no")
			}
			return nil
		}))},
		{"kinds", stateless(middleware.After("gate", func(_ ctx, _ call, res result) error {
			if _, ok := res.Output.(*middleware.Plan); ok {
				panic("a plan")
			}
			return nil
		}))},
		{"kinds", stateless(with(func(next handler, ctx ctx, call call) (result, error) { // nobody catches it
			if _, ok := call.Input.(map[string]any); ok {
				panic("a chain")
			}
			return next(ctx, call)
		}))},
		{"once", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			_, _ = next(ctx, call)
			return next(ctx, call)
		}))},
		{"once", stateless(with(func(next handler, ctx ctx, call call) (result, error) { // a retry
			res, err := next(ctx, call)
			if err != nil && !errors.As(err, new(*middleware.DeniedError)) {
				if again, err2 := next(ctx, call); err2 == nil {
					return again, nil
				}
			}
			return res, err
		}))},
		{"again", stateless(with(again(func(call *call) { call.Name = "another" })))},
		{"again", stateless(with(again(func(call *call) {
			call.Stream = func(context.Context, middleware.Chunk) error { return nil }
		})))},
		{"identity", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			call.Name = "another"
			return next(ctx, call)
		}))},
		{"identity", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			call.Parent++
			return next(ctx, call)
		}))},
		{"input", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			if inputs, ok := call.Input.(map[string]any); ok {
				inputs["extra"] = true
			}
			return next(ctx, call)
		}))},
		{"input", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			if req, ok := call.Input.(*middleware.ModelRequest); ok && req != nil {
				req.Messages[0].Parts[0].Text = "redacted"
			}
			return next(ctx, call)
		}))},
		{"stream", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			if call.Stream == nil {
				call.Stream = func(context.Context, middleware.Chunk) error { return nil }
			}
			return next(ctx, call)
		}))},
		{"stream-error", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			if stream := call.Stream; stream != nil {
				call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
					_ = stream(ctx, chunk)
					return nil
				}
			}
			return next(ctx, call)
		}))},
		{"stream-error", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			if call.Stream == nil {
				return next(ctx, call)
			}
			hold := middleware.NewGate("gate").Hold(ctx, call)
			call.Stream = hold.Stream
			res, err := next(ctx, call)
			_ = hold.Release(ctx)
			return res, err
		}))},
		{"context-values", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			return next(noValues{ctx}, call)
		}))},
		{"context-deadline", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			return next(noDeadline{ctx}, call)
		}))},
		{"context-cancel", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			return next(noCancel{ctx}, call)
		}))},
		{"error", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			res, err := next(ctx, call)
			if err != nil && !errors.As(err, new(*middleware.DeniedError)) {
				err = errors.New("something went wrong")
			}
			return res, err
		}))},
		{"error", stateless(with(func(next handler, ctx ctx, call call) (result, error) { // a fallback
			res, err := next(ctx, call)
			if err != nil {
				res.Output = "the default"
			}
			return res, nil
		}))},
		{"output", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			res, err := next(ctx, call)
			if err != nil {
				res.Output = "partial"
			}
			return res, err
		}))},
		{"usage", stateless(with(func(next handler, ctx ctx, call call) (result, error) { // as it comes naturally
			res, err := next(ctx, call)
			if err != nil {
				return result{}, err
			}
			return res, nil
		}))},
		{"usage", stateless(with(func(next handler, ctx ctx, call call) (result, error) { // on a denial of its own
			res, err := next(ctx, call)
			if err == nil && res.Output == nil {
				return result{}, middleware.Deny(middleware.CodeBadOutput, "no output")
			}
			return res, err
		}))},
		{"denial", stateless(with(func(next handler, ctx ctx, call call) (result, error) { // a nil pointer
			res, err := next(ctx, call)
			if err == nil {
				var none *fs.PathError
				return result{Usage: res.Usage}, none
			}
			return res, err
		}))},
		{"denial", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			if call.Input == nil {
				return result{}, errOwn
			}
			return next(ctx, call)
		}))},
		{"denial", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			if call.Input == nil {
				return result{}, &middleware.DeniedError{Code: middleware.CodeBadInput}
			}
			return next(ctx, call)
		}))},
		{"panic", func() middleware.Interceptor { // held for good where next panics
			var closed atomic.Bool
			return with(func(next handler, ctx ctx, call call) (result, error) {
				if closed.Load() {
					return result{}, middleware.Deny(middleware.CodePolicy, "closed")
				}
				defer func() {
					if v := recover(); v != nil {
						closed.Store(true)
						panic(v)
					}
				}()
				return next(ctx, call)
			})
		}},
		{"panic", stateless(with(func(next handler, ctx ctx, call call) (res result, err error) { // hidden
			defer func() { _ = recover() }()
			return next(ctx, call)
		}))},
		{"goexit", func() middleware.Interceptor { // released on return and on panic only
			var busy atomic.Int64
			return with(func(next handler, ctx ctx, call call) (result, error) {
				if busy.Load() > 100 {
					return result{}, middleware.Deny(middleware.CodePolicy, "busy")
				}
				busy.Add(10)
				defer func() {
					if v := recover(); v != nil {
						busy.Add(-10)
						panic(v)
					}
				}()
				res, err := next(ctx, call)
				busy.Add(-10)
				return res, err
			})
		}},
		{"own-panic", stateless(with(func(next handler, ctx ctx, call call) (res result, err error) {
			judged := false
			defer func() {
				if !judged {
					_ = recover()
				}
			}()
			if call.Input == 42 {
				panic("not JSON")
			}
			judged = true
			return next(ctx, call)
		}))},
		{"concurrent", func() middleware.Interceptor { // hands on the call that came last
			var last atomic.Pointer[call]
			return with(func(next handler, ctx ctx, call call) (result, error) {
				last.Store(&call)
				for range 10 {
					runtime.Gosched()
				}
				return next(ctx, *last.Load())
			})
		}},
		{"concurrent", func() middleware.Interceptor { // returns the result that came last
			var last atomic.Pointer[result]
			return with(func(next handler, ctx ctx, call call) (result, error) {
				res, err := next(ctx, call)
				if err != nil {
					return res, err
				}
				last.Store(&res)
				for range 10 {
					runtime.Gosched()
				}
				return *last.Load(), nil
			})
		}},
		{"apart", func() middleware.Interceptor { // next belongs to the Interceptor
			var mu sync.Mutex
			var kept handler
			return func(next handler) handler {
				if next == nil {
					return middleware.Layer{Name: "broken"}.Handler()
				}
				mu.Lock()
				defer mu.Unlock()
				kept = next
				return func(ctx ctx, call call) (result, error) {
					mu.Lock()
					h := kept
					mu.Unlock()
					return h(ctx, call)
				}
			}
		}},
		{"goroutine", stateless(with(func(next handler, ctx ctx, call call) (result, error) {
			if call.Kind == middleware.KindRetriever {
				go func() { go func() { <-t.Context().Done() }() }()
			}
			return next(ctx, call)
		}))},
	}
	seen := make(map[string]bool)
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			if got := rules(t, middlewaretest.TestInterceptor(tt.new)); !slices.Equal(got, []string{tt.rule}) {
				t.Errorf("got rules %q, want %q alone: %v", got, tt.rule, middlewaretest.TestInterceptor(tt.new))
			}
		})
		seen[tt.rule] = true
	}
	seen["return"] = true // see TestHangs
	for name := range middlewaretest.Rules() {
		if !seen[name] {
			t.Errorf("no interceptor shows that the rule %q can fail", name)
		}
	}
}

// keepsLocked returns an interceptor whose lock stays locked over a panic.
func keepsLocked(lock chan bool) middleware.Interceptor {
	return with(func(next handler, ctx ctx, call call) (result, error) {
		select {
		case lock <- true:
		case <-ctx.Done():
			return result{}, ctx.Err()
		}
		defer func() {
			if v := recover(); v != nil {
				panic(v)
			}
			<-lock
		}()
		return next(ctx, call)
	})
}

// TestHangs has interceptors that wait for ever; the clock is fake.
func TestHangs(t *testing.T) {
	tests := []struct {
		rule string
		make func() (new func() middleware.Interceptor)
	}{
		{"return", func() func() middleware.Interceptor {
			return stateless(with(func(next handler, ctx ctx, call call) (result, error) {
				res, err := next(ctx, call)
				<-ctx.Done()
				return res, err
			}))
		}},
		{"panic", func() func() middleware.Interceptor {
			return func() middleware.Interceptor { return keepsLocked(make(chan bool, 1)) }
		}},
		{"panic", func() func() middleware.Interceptor { return stateless(keepsLocked(make(chan bool, 1))) }},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := middlewaretest.TestInterceptor(tt.make())
				if took := time.Since(began); took >= 30*time.Second {
					t.Errorf("got a verdict after %v, want one within 30 s", took)
				}
				if got := rules(t, err); !slices.Contains(got, tt.rule) {
					t.Errorf("got rules %q, want %q among them: %v", got, tt.rule, err)
				}
			})
		})
	}
}

func TestRuleError(t *testing.T) {
	err := &middlewaretest.RuleError{Rule: "once", Text: "next is called at most once", Detail: "next was called 2 times"}
	if got, want := err.Error(), "middlewaretest: once: next was called 2 times (the rule: next is called at most once)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	err.Call = "tool shell"
	if got, want := err.Error(), "middlewaretest: once: tool shell: next was called 2 times (the rule: next is called at most once)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNilFunc(t *testing.T) {
	defer func() {
		if v := recover(); v != "middlewaretest: TestInterceptor: nil func" {
			t.Errorf("got panic %v for a nil func", v)
		}
	}()
	_ = middlewaretest.TestInterceptor(nil)
}
