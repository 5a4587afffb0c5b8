package middleware_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/safeconduct/middleware"
)

func TestStreamModes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		mode     func(middleware.Interceptor) middleware.Interceptor
		before   string // what the caller has got when the gate decides
		allowed  string
		released int64
	}{
		{"by default all is held", same, "", "ab|c|def|", 0},
		{"Buffer", buffer(100), "", "ab|c|def|", 0},
		{"Window that all fits in", window(6), "", "ab|c|def|", 0},
		{"Window", window(4), "ab", "ab|c|def|", 2},
		{"the smallest Window", window(1), "ab|c", "ab|c|def|", 3},
		{"PassThrough", middleware.PassThrough, "ab|c|def|", "ab|c|def|", 6},
		{"the innermost counts", func(i middleware.Interceptor) middleware.Interceptor {
			return middleware.PassThrough(middleware.Window(3, i))
		}, "ab|c", "ab|c|def|", 3},
		{"only what is inside is meant", func(i middleware.Interceptor) middleware.Interceptor {
			return middleware.Compose(i, middleware.PassThrough(middleware.After("other", allowResult)))
		}, "", "ab|c|def|", 0},
		{"what is inside goes back to what holds outside", func(i middleware.Interceptor) middleware.Interceptor {
			return middleware.Window(3, middleware.Compose(middleware.Buffer(100, middleware.PassThrough(middleware.After("other", allowResult))), i))
		}, "ab|c", "ab|c|def|", 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := &sink{}
			var before string
			gate := middleware.After("gate", func(context.Context, middleware.Call, middleware.Result) error {
				before = to.texts()
				return nil
			})
			c := client{chunks: text("ab|c|def|")}
			res, err := middleware.Wrap(c.do, tt.mode(gate))(t.Context(), streamed(to))
			if err != nil || res.Output != "abcdef" {
				t.Fatalf("got %+v, %v, want the whole output", res, err)
			}
			if before != tt.before {
				t.Errorf("before the verdict the caller had got %q, want %q", before, tt.before)
			}
			if got := to.texts(); got != tt.allowed {
				t.Errorf("allowed: got chunks %q, want %q", got, tt.allowed)
			}

			to = &sink{}
			w := &watch{}
			res, err = middleware.Wrap(c.do, w.Intercept, tt.mode(refuses))(t.Context(), streamed(to))
			wantDenied(t, err, "refuses", middleware.CodeBadOutput)
			if res.Output != nil || res.Usage == nil {
				t.Errorf("denied: got %+v, want the usage alone", res)
			}
			if got := to.texts(); got != tt.before {
				t.Errorf("denied: got chunks %q, want %q", got, tt.before)
			}
			if got := w.trail.Released(); got != tt.released {
				t.Errorf("denied: %d bytes were released, want %d", got, tt.released)
			}
		})
	}
}

func same(i middleware.Interceptor) middleware.Interceptor { return i }

func buffer(n int) func(middleware.Interceptor) middleware.Interceptor {
	return func(i middleware.Interceptor) middleware.Interceptor { return middleware.Buffer(n, i) }
}

func window(n int) func(middleware.Interceptor) middleware.Interceptor {
	return func(i middleware.Interceptor) middleware.Interceptor { return middleware.Window(n, i) }
}

func allowResult(context.Context, middleware.Call, middleware.Result) error { return nil }

// modes are the ways in which a gate may treat a stream.
var modes = map[string]func(middleware.Interceptor) middleware.Interceptor{
	"buffer": same, "window": window(4), "pass-through": middleware.PassThrough,
}

// TestStreamFails is of calls that come to no verdict: what is held is dropped.
func TestStreamFails(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		inner  middleware.Handler
		inside []middleware.Interceptor
		want   func(t *testing.T, err error)
	}{
		{"the client fails", client{chunks: text("a|b"), err: broken}.do, nil, func(t *testing.T, err error) {
			if !errors.Is(err, broken) {
				t.Errorf("got %v, want %v", err, broken)
			}
		}},
		{"an inner gate denies", client{chunks: text("a|b")}.do, []middleware.Interceptor{refuses}, func(t *testing.T, err error) {
			wantDenied(t, err, "refuses", middleware.CodeBadOutput)
		}},
		{"an inner denial is told", client{chunks: text("a|b")}.do, []middleware.Interceptor{middleware.Tell, middleware.PassThrough(refuses)},
			func(t *testing.T, err error) {
				if err != nil {
					t.Error(err)
				}
			}},
		{"the client panics", func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			_ = call.Stream(ctx, middleware.Chunk{Text: []byte("a")})
			panic("client")
		}, nil, func(t *testing.T, err error) {
			if !errors.As(err, new(*middleware.PanicError)) {
				t.Errorf("got %v, want a PanicError", err)
			}
		}},
		{"the context ends, and the client says that all is well", func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			call.Input.(context.CancelFunc)()
			return client{chunks: text("a|b")}.do(ctx, call)
		}, nil, func(t *testing.T, err error) {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			to := &sink{}
			call := streamed(to)
			call.Input = cancel
			_, err := middleware.Wrap(tt.inner, append([]middleware.Interceptor{middleware.After("gate", allowResult)}, tt.inside...)...)(ctx, call)
			tt.want(t, err)
			if got := to.texts(); got != "" {
				t.Errorf("got chunks %q, want none", got)
			}
		})
	}
}

// A caller that wants no more gets no more, and its error comes back.
func TestStreamCallerRefuses(t *testing.T) {
	enough := errors.New("enough")
	for name, mode := range modes {
		for _, deaf := range []bool{false, true} {
			to := &sink{err: enough}
			_, err := middleware.Wrap(client{chunks: text("abcd|efgh|i"), deaf: deaf}.do,
				mode(middleware.After("gate", allowResult)))(t.Context(), streamed(to))
			if !errors.Is(err, enough) {
				t.Errorf("%s, deaf client %v: got %v, want %v", name, deaf, err, enough)
			}
			if got := to.texts(); got != "abcd" {
				t.Errorf("%s, deaf client %v: got chunks %q, want the first alone", name, deaf, got)
			}
		}
	}
}

// A context that ends while chunks are released ends that.
func TestStreamCancelledInTheRelease(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	to := &sink{}
	call := streamed(to)
	call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
		cancel()
		return to.take(ctx, chunk)
	}
	res, err := middleware.Wrap(client{chunks: text("a|b|c")}.do, middleware.After("gate", allowResult))(ctx, call)
	if !errors.Is(err, context.Canceled) || res.Output != nil {
		t.Errorf("got %+v, %v, want %v", res, err, context.Canceled)
	}
	if got := to.texts(); got != "a" {
		t.Errorf("got chunks %q, want one", got)
	}
}

// Once the call has returned, and once its stream was refused, nothing is passed
// on, whatever the client does.
func TestStreamAfterTheVerdict(t *testing.T) {
	for name, mode := range modes {
		for _, gate := range []middleware.Interceptor{refuses, middleware.After("gate", allowResult)} {
			to := &sink{}
			var late middleware.Stream
			_, _ = middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				late = call.Stream
				return client{chunks: text("a|b")}.do(ctx, call)
			}, mode(gate))(t.Context(), streamed(to))
			before := to.texts()
			if err := late(t.Context(), middleware.Chunk{Text: []byte("too late, and long")}); err == nil {
				t.Errorf("%s: a chunk after the call was taken", name)
			}
			if got := to.texts(); got != before {
				t.Errorf("%s: got chunks %q, want %q", name, got, before)
			}
		}
	}
}

// A goroutine that ends in the middle leaves nothing behind that takes chunks.
func TestStreamGoexit(t *testing.T) {
	to := &sink{}
	var late middleware.Stream
	h := middleware.Wrap(func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		late = call.Stream
		runtime.Goexit()
		return middleware.Result{}, nil
	}, middleware.Window(1, middleware.After("gate", allowResult)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = h(context.Background(), streamed(to))
	}()
	<-done
	for range 3 {
		if err := late(t.Context(), middleware.Chunk{Text: []byte("late")}); err == nil {
			t.Error("a chunk after the call was taken")
		}
	}
	if got := to.texts(); got != "" {
		t.Errorf("got chunks %q, want none", got)
	}
}

func TestTransformResultOfAStream(t *testing.T) {
	to := func(output any) middleware.Interceptor {
		return middleware.TransformResult("mask", func(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
			if output == nil {
				return res, false, nil
			}
			return middleware.Result{Output: output}, true, nil
		})
	}
	for _, tt := range []struct {
		name   string
		output any // nil for the one that came
		mode   func(middleware.Interceptor) middleware.Interceptor
		want   string
		code   middleware.Code
	}{
		{"unchanged", nil, same, "my |secret", ""},
		{"a text", "my ***", same, "my ***", ""},
		{"no text", "", same, "", ""},
		{"of a model", &middleware.ModelResponse{Choices: []middleware.Choice{{Text: "first"}, {Text: "second"}}}, same, "first", ""},
		{"of a model without choices", &middleware.ModelResponse{}, same, "", ""},
		{"of a chain", map[string]any{"answer": "one"}, same, "one", ""},
		{"of a chain with steps", map[string]any{"output": "one", "steps": "two"}, same, "one", ""},
		{"of a chain with many", map[string]any{"a": "one", "b": "two"}, same, "", ""},
		{"of a plan", &middleware.Plan{Final: map[string]any{"output": "one"}}, same, "one", ""},
		{"of a plan that goes on", &middleware.Plan{}, same, "", ""},
		{"after a part was released", "my ***", window(3), "my ", middleware.CodeBadOutput},
		{"before a part was released", "my ***", window(10), "my ***", ""},
		{"after all was let pass", "my ***", middleware.PassThrough, "my |secret", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := &sink{}
			_, err := middleware.Wrap(client{chunks: text("my |secret")}.do, tt.mode(to(tt.output)))(t.Context(), streamed(got))
			if tt.code != "" {
				wantDenied(t, err, "mask", tt.code)
			} else if err != nil {
				t.Error(err)
			}
			if got.texts() != tt.want {
				t.Errorf("got chunks %q, want %q", got.texts(), tt.want)
			}
		})
	}
}

// Several gates each hold what they judge: the order of chunks is kept.
func TestStreamThroughSeveralGates(t *testing.T) {
	to := &sink{}
	keep := func(n string) middleware.Interceptor { return middleware.After(n, allowResult) }
	_, err := middleware.Wrap(client{chunks: text("a|b|c|d")}.do,
		keep("1"), middleware.Window(1, keep("2")), middleware.PassThrough(keep("3")), keep("4"))(t.Context(), streamed(to))
	if err != nil || to.texts() != "a|b|c|d" {
		t.Errorf("got %q, %v", to.texts(), err)
	}
}

// What was declared of a call's stream holds for that call, not for those that it
// makes.
func TestStreamOfANestedCall(t *testing.T) {
	to := &sink{}
	var before string
	inner := middleware.Wrap(client{chunks: text("a|b")}.do, middleware.After("inner", func(context.Context, middleware.Call, middleware.Result) error {
		before = to.texts()
		return nil
	}))
	_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		return inner(ctx, middleware.Call{Kind: middleware.KindModel, Name: "m", Stream: call.Stream})
	}, middleware.PassThrough(middleware.After("outer", allowResult)))(t.Context(), streamed(to))
	if err != nil || before != "" || to.texts() != "a|b" {
		t.Errorf("before the inner verdict: %q; got %q, %v", before, to.texts(), err)
	}
}

// Chunks that come at the same time are passed on whole and one at a time.
func TestStreamConcurrent(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			var at, got atomic.Int64
			call := tool("")
			call.Stream = func(_ context.Context, c middleware.Chunk) error {
				if at.Add(1) != 1 || string(c.Text) != strings.Repeat(string(c.Text[:1]), 40) {
					t.Errorf("got chunk %q, %d at a time", c.Text, at.Load())
				}
				runtime.Gosched()
				at.Add(-1)
				got.Add(1)
				return nil
			}
			_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				var wg sync.WaitGroup
				for g := range 8 {
					wg.Go(func() {
						text := []byte(strings.Repeat(string(rune('a'+g)), 40))
						for range 50 {
							if err := call.Stream(ctx, middleware.Chunk{Text: text}); err != nil {
								t.Error(err)
							}
						}
					})
				}
				wg.Wait()
				return middleware.Result{Output: ""}, nil
			}, mode(middleware.After("gate", allowResult)))(t.Context(), call)
			if err != nil || got.Load() != 400 {
				t.Errorf("got %d chunks, %v, want 400", got.Load(), err)
			}
		})
	}
}

func TestStreamNonsense(t *testing.T) {
	gate := middleware.After("gate", allowResult)
	wantPanic(t, "middleware: Buffer: 0 bytes", func() { middleware.Buffer(0, gate) })
	wantPanic(t, "middleware: Window: -1 bytes", func() { middleware.Window(-1, gate) })
	wantPanic(t, "middleware: Window: interceptor 0 is nil", func() { middleware.Window(1, nil) })
	wantPanic(t, "middleware: PassThrough: interceptor 0 is nil", func() { middleware.PassThrough(nil) })
	wantPanic(t, "middleware: Hold: the call has no Stream", func() { middleware.NewGate("gate").Hold(t.Context(), tool("")) })
}

func TestStreamInTheOnion(t *testing.T) {
	gate := func(n string) middleware.Interceptor { return middleware.After(n, allowResult) }
	got := middleware.Onion(gate("a"), middleware.Buffer(10, gate("b")),
		middleware.Window(20, middleware.Compose(gate("c"), middleware.PassThrough(gate("d")))))
	const want = ` 1 a
 2 b, stream held up to 10 bytes
 3 c, stream held by a window of 20 bytes
 4 d, stream passed through
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
