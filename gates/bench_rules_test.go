package gates_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// bookRules are the rules of one tool, beside those of n - 1 other tools.
func bookRules(n int) gates.ArgumentRules {
	book := []gates.Rule{
		gates.Arg("cabin", gates.OneOf("basic_economy", "economy", "business")),
		gates.Arg("flight", gates.Prefix("HAT")),
	}
	rules := gates.ArgumentRules{"book": book}
	for i := 1; i < n; i++ {
		rules[fmt.Sprintf("tool %d", i)] = book
	}
	return rules
}

// books are calls of that tool, no two of them alike: so that no loop is seen.
// Their arguments take 38 bytes, and those of what is more.
func books(more string) []middleware.Call {
	calls := make([]middleware.Call, 1000)
	for i := range calls {
		calls[i] = kit.Tool("book", fmt.Sprintf(`{"cabin":"economy","flight":"HAT%04d"%s}`, i, more))
	}
	return calls
}

// note returns an argument that makes the 38 bytes 193.
func note() string { return `,"note":"` + strings.Repeat("aisle ", 24) + `x"` }

// benchmarkRuled is one tool call through ingress, allowlist, argument rules, a
// budget of four scopes and loop guard, with its decisions on the trail.
func benchmarkRuled(b *testing.B, calls []middleware.Call, tools int) {
	guard := middleware.Compose(
		gates.Ingress(gates.IngressRules{}),
		gates.Tools("book"),
		gates.Arguments(bookRules(tools)),
		fourScopes(),
		gates.Loop(gates.LoopRules{}),
	)
	h := middleware.Wrap(noop, guard)
	inRunOfAnn(b, func(ctx context.Context) {
		i := 0
		one := func() {
			res, err := h(ctx, calls[i%len(calls)])
			if i++; err != nil || res.Output != "ok" {
				b.Fatal(res.Output, err)
			}
		}
		one() // what the gates keep for a run is made once
		pair.WantAllocs(b, allowAllocs, one)
		pair.TargetTime(b, 500*time.Nanosecond, func(n int) {
			for range n {
				_, _ = h(ctx, calls[i%len(calls)])
				i++
			}
		})
	}, guard)
}

// BenchmarkTargetRuledToolCall is that call with 38 bytes of arguments. The
// number is that of the tools that have rules.
func BenchmarkTargetRuledToolCall(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkRuled(b, books(""), n) })
	}
}

// BenchmarkRuledToolCall193B is that call with 193 bytes of arguments, over the
// goal for 38.
func BenchmarkRuledToolCall193B(b *testing.B) { benchmarkRuled(b, books(note()), 10) }

// BenchmarkRules shows what each gate takes of one tool call, with 38 and with
// 193 bytes of arguments.
func BenchmarkRules(b *testing.B) {
	for _, bb := range []struct {
		name string
		gate middleware.Interceptor
	}{
		{"none", func(next middleware.Handler) middleware.Handler { return next }},
		{"Loop", gates.Loop(gates.LoopRules{})},
		{"Arguments", gates.Arguments(bookRules(1))},
		{"Size", gates.Size(gates.SizeRules{})},
		{"Deadline", gates.Deadline(gates.DeadlineRules{Call: time.Hour, Run: time.Hour})},
		{"Rate", gates.Rate(gates.RateRules{Calls: math.MaxInt32, Per: time.Second})},
		{"Concurrency", gates.Concurrency(100, gates.DenyWhenFull)},
	} {
		for _, calls := range [][]middleware.Call{books(""), books(note())} {
			b.Run(fmt.Sprintf("%s/%dB", bb.name, len(calls[0].Input.(string))), func(b *testing.B) {
				h := middleware.Wrap(noop, bb.gate)
				inRun(b, func(ctx context.Context) {
					i := 0
					b.ReportAllocs()
					for b.Loop() {
						_, _ = h(ctx, calls[i%len(calls)])
						i++
					}
				})
			})
		}
	}
}

// BenchmarkUnruledTool shows that a tool without rules costs the same however
// many tools have some.
func BenchmarkUnruledTool(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := gates.Arguments(bookRules(n))(noop)
			call := kit.Tool("other", "{}")
			b.ReportAllocs()
			for b.Loop() {
				_, _ = h(context.Background(), call)
			}
		})
	}
}

// BenchmarkRate is one tool call under a pace that it keeps.
func BenchmarkRate(b *testing.B) {
	for _, scope := range []gates.Scope{gates.ScopeProcess, gates.ScopeRun} {
		b.Run(scope.String(), func(b *testing.B) {
			benchmarkTimed(b, gates.Rate(gates.RateRules{Calls: 1 << 30, Per: time.Millisecond, Scope: scope}))
		})
	}
}

// BenchmarkConcurrency is one tool call for which there is a place.
func BenchmarkConcurrency(b *testing.B) {
	benchmarkTimed(b, gates.Concurrency(8, gates.WaitWhenFull))
}

func benchmarkTimed(b *testing.B, gate middleware.Interceptor) {
	tool := middleware.Wrap(kit.Echo, gate)
	call := kit.Tool("a", "")
	err := kit.InRun(func(ctx context.Context) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tool(ctx, call); err != nil {
				b.Fatal(err)
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
}
