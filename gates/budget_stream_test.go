package gates_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// streams returns a model that streams n chunks and reports the usage; it hears no
// refusal if it is deaf.
func streams(n int, chunk middleware.Chunk, usage *middleware.Usage, deaf bool) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		for range n {
			if err := call.Stream(ctx, chunk); err != nil && !deaf {
				return middleware.Result{}, fmt.Errorf("client: %w", err)
			}
		}
		return middleware.Result{Output: &middleware.ModelResponse{}, Usage: usage}, nil
	}
}

// streamedModel is a model call of two tokens that counts its chunks.
func streamedModel(maxTokens int, got *int) middleware.Call {
	call := kit.Model("hello")
	call.Input.(*middleware.ModelRequest).MaxTokens = maxTokens
	call.Stream = func(context.Context, middleware.Chunk) error { *got++; return nil }
	return call
}

// TestBudgetCutsAStream: the chunk with which a stream would take more than is left
// of a limit is not passed on, and the call is charged with what came.
func TestBudgetCutsAStream(t *testing.T) {
	text := middleware.Chunk{Text: []byte(strings.Repeat("x", 40))} // ten tokens
	for _, tt := range []struct {
		name      string
		limits    gates.Limits
		maxTokens int
		chunks    int
		chunk     middleware.Chunk
		usage     *middleware.Usage
		limit     string
		got       int   // chunks that the caller gets
		used      int64 // in the end
		denied    string
	}{
		{"what fits passes", gates.Limits{Tokens: 102, Estimate: 10}, 0, 10, text, nil, "run/tokens", 10, 102, ""},
		{"as reported in the end", gates.Limits{Tokens: 102, Estimate: 10}, 0, 10, text,
			&middleware.Usage{InputTokens: 2, OutputTokens: 70, Reported: true}, "run/tokens", 10, 72, ""},
		{"the limit is reached", gates.Limits{Tokens: 101, Estimate: 10}, 0, 20, text, nil, "run/tokens", 9, 102,
			"limit tokens of the run: asked 102, left 101 of 101"},
		{"of output", gates.Limits{OutputTokens: 55, Estimate: 10}, 0, 20, text, nil, "run/output_tokens", 5, 60,
			"limit output_tokens of the run: asked 60, left 55 of 55"},
		{"within what was reserved", gates.Limits{Tokens: 102, Estimate: 100}, 0, 3, text, nil, "run/tokens", 3, 102, ""},
		{"beyond what was reserved", gates.Limits{Tokens: 102, Estimate: 100}, 0, 11, text, nil, "run/tokens", 10, 112,
			"limit tokens of the run: asked 112, left 102 of 102"},
		{"the provider keeps to a bound", gates.Limits{Tokens: 52, Estimate: 10}, 50, 9, text,
			&middleware.Usage{InputTokens: 2, OutputTokens: 50, Reported: true}, "run/tokens", 9, 52, ""},
		{"the provider does not", gates.Limits{Tokens: 52, Estimate: 10}, 50, 20, text, nil, "run/tokens", 10, 112,
			"limit tokens of the run: asked 57, left 52 of 52"},
		{"clamped", gates.Limits{Tokens: 52, Estimate: 10, Clamp: true}, 0, 9, text, nil, "run/tokens", 9, 92, ""},
		{"reasoning counts", gates.Limits{Tokens: 21, Estimate: 10}, 0, 20, middleware.Chunk{Reasoning: text.Text}, nil, "run/tokens", 1, 22,
			"limit tokens of the run: asked 22, left 21 of 21"},
		{"tool calls count", gates.Limits{Tokens: 21, Estimate: 10}, 0, 20, middleware.Chunk{ToolCall: text.Text}, nil, "run/tokens", 1, 22,
			"limit tokens of the run: asked 22, left 21 of 21"},
		{"what came before does not", gates.Limits{Tokens: 21, Estimate: 10}, 0, 20,
			middleware.Chunk{Text: text.Text, Reasoning: []byte{}, Repeats: true}, nil, "run/tokens", 20, 12, ""},
		{"nothing is metered", gates.Limits{ModelCalls: 5}, 0, 20, text, nil, "run/model_calls", 20, 1, ""},
		{"input alone is limited", gates.Limits{InputTokens: 5}, 0, 20, text, nil, "run/input_tokens", 20, 2, ""},
	} {
		for _, deaf := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, deaf client %v", tt.name, deaf), func(t *testing.T) {
				gate := gates.Budget(tt.limits)
				mustRun(t, func(ctx context.Context) {
					got := 0
					err := do(ctx, gate, streams(tt.chunks, tt.chunk, tt.usage, deaf), streamedModel(tt.maxTokens, &got))
					var d *middleware.DeniedError
					switch {
					case tt.denied == "":
						if err != nil {
							t.Error(err)
						}
					case !errors.As(err, &d) || d.Code != middleware.CodeOverBudget || d.Gate != "budget" || d.Reason != tt.denied:
						t.Errorf("got %v, want a denial: %s", err, tt.denied)
					}
					if got != tt.got {
						t.Errorf("the caller got %d chunks, want %d", got, tt.got)
					}
					if used, held := spent(ctx, tt.limit); used != tt.used || held != 0 {
						t.Errorf("got %d used and %d held, want %d and none", used, held, tt.used)
					}
				})
			})
		}
	}
}

// TestBudgetCutsByCost: money runs out in mid-stream too.
func TestBudgetCutsByCost(t *testing.T) {
	prices, err := gates.ReadPrices(strings.NewReader("safeconduct prices v1\nsource s nowhere\nmodel 2026-01-01 s model input=0 output=1000000\n")) // a micro-dollar a token
	if err != nil {
		t.Fatal(err)
	}
	gate := gates.BudgetWith(gates.BudgetOptions{Prices: prices}, gates.Limits{Cost: 25, Estimate: 1})
	mustRun(t, func(ctx context.Context) {
		got := 0
		call := streamedModel(0, &got)
		call.Name = "model"
		err := do(ctx, gate, streams(100, middleware.Chunk{Text: []byte("four")}, nil, false), call)
		if !denied(err, middleware.CodeOverBudget) || got != 25 {
			t.Errorf("got %d chunks, %v, want 25 and a denial", got, err)
		}
		wantSpent(t, ctx, "run/cost", 26, 0)
	})
}

// TestBudgetCutsExactly: of streams at the same time no more chunks pass than the
// limit has room for, and no fewer.
func TestBudgetCutsExactly(t *testing.T) {
	const callers, limit = 20, 1000
	for name, o := range map[string]gates.BudgetOptions{"in process": {}, "in a store": {Store: gates.NewMemory()}} {
		t.Run(name, func(t *testing.T) {
			gate := gates.BudgetWith(o, gates.Limits{Scope: gates.ScopeTenant, Tokens: limit, Estimate: 1})
			var passed atomic.Int64
			var wg sync.WaitGroup
			var begun sync.WaitGroup
			begun.Add(callers)
			for range callers {
				wg.Go(func() {
					ctx := middleware.WithIdentity(t.Context(), middleware.Identity{Tenant: "a"})
					call := kit.Model("hello")
					call.Stream = func(context.Context, middleware.Chunk) error {
						passed.Add(1)
						runtime.Gosched()
						return nil
					}
					_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						begun.Done()
						begun.Wait() // all have reserved
						return streams(limit, middleware.Chunk{Text: []byte("four")}, nil, false)(ctx, call)
					}, gate)(ctx, call)
					if !denied(err, middleware.CodeOverBudget) {
						t.Errorf("got %v, want a denial", err)
					}
				})
			}
			wg.Wait()
			want := int64(limit - 2*callers)
			if got := passed.Load(); got != want {
				t.Errorf("%d chunks passed, want %d", got, want)
			}
		})
	}
}

// TestBudgetStreamInAStore: what a stream takes beyond its estimate is reserved in
// the Store, and given back; where the Store fails, the stream ends.
func TestBudgetStreamInAStore(t *testing.T) {
	limits := gates.Limits{Scope: gates.ScopeTenant, Tokens: 1000, Estimate: 10}
	ctx := middleware.WithIdentity(t.Context(), middleware.Identity{Tenant: "a"})
	chunk := middleware.Chunk{Text: []byte(strings.Repeat("x", 40))}
	memory := gates.NewMemory()
	ask := func(store gates.Store, chunks int) (got int, err error) {
		gate := gates.BudgetWith(gates.BudgetOptions{Store: store}, limits)
		usage := &middleware.Usage{InputTokens: 2, OutputTokens: 298, Reported: true}
		_, err = middleware.Wrap(streams(chunks, chunk, usage, false), gate)(ctx, streamedModel(0, &got))
		return got, err
	}
	for i := range 3 { // 300 each
		if got, err := ask(memory, 30); err != nil || got != 30 {
			t.Fatalf("call %d: got %d chunks, %v", i, got, err)
		}
	}
	if got, err := ask(memory, 30); !denied(err, middleware.CodeOverBudget) || got != 9 {
		t.Errorf("with 100 tokens left: got %d chunks, %v, want 9 and a denial", got, err)
	}
	n := 0
	broken := &faulty{Store: gates.NewMemory(), fail: func(_ context.Context, op string) error {
		if n++; op == "reserve" && n > 1 {
			return errStore
		}
		return nil
	}}
	if got, err := ask(broken, 30); !denied(err, middleware.CodeIndeterminate) || got != 1 {
		t.Errorf("with a store that fails: got %d chunks, %v, want 1 and a denial", got, err)
	}
}

// TestBudgetStreamOutlivesItsLease: a stream that goes on for longer than its
// reservation holds is ended where what it takes no longer fits.
func TestBudgetStreamOutlivesItsLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := gates.BudgetWith(gates.BudgetOptions{Lease: time.Minute}, gates.Limits{Scope: gates.ScopeProcess, Tokens: 100, Estimate: 10})
		h := func(other bool) (got int, err error) {
			_, err = middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				time.Sleep(2 * time.Minute)
				if other { // another call takes what expired
					_, err := middleware.Wrap(kit.Answer("yes", 2, 58), gate)(t.Context(), kit.Model("hello"))
					if err != nil {
						t.Error(err)
					}
				}
				return streams(4, middleware.Chunk{Text: []byte(strings.Repeat("x", 40))},
					&middleware.Usage{InputTokens: 2, OutputTokens: 3, Reported: true}, false)(ctx, call)
			}, gate)(t.Context(), streamedModel(0, &got))
			return got, err
		}
		if got, err := h(false); err != nil || got != 4 {
			t.Errorf("got %d chunks, %v, want all", got, err)
		}
		if got, err := h(true); !denied(err, middleware.CodeOverBudget) || got != 3 {
			t.Errorf("after another call: got %d chunks, %v, want 3 and a denial", got, err)
		}
	})
}
