package safeconduct_test

import (
	"context"
	"math"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/internal/sample"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

// wholeGuard is what guards a call from end to end: a recorder, ingress, an
// allowlist, an argument contract, a budget, and the schema of what a tool returns.
func wholeGuard(recorder *evidence.Recorder) middleware.Interceptor {
	return middleware.Compose(
		recorder.Intercept,
		gates.Ingress(gates.IngressRules{}),
		gates.Tools("pay"),
		schema.Input(schema.Tools{"pay": schema.MustCompile("payment", sample.Payment().Schema)}),
		gates.Budget(gates.Limits{ToolCalls: 1 << 60}),
		middleware.On(middleware.KindTool, schema.Output(schema.MustCompile("receipt", sample.Receipt().Schema))),
	)
}

// inWholeRun calls f with a guarded payment, in a run that is recorded.
func inWholeRun(b *testing.B, f func(recorder *evidence.Recorder, pay func())) {
	b.Helper()
	recorder, err := evidence.Open(b.TempDir(), evidence.Config{ReadOnly: []string{"pay"}})
	if err != nil {
		b.Fatal(err)
	}
	guard := wholeGuard(recorder)
	result := middleware.Result{Output: sample.Receipt().Valid}
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return result, nil
	}, guard)
	err = middlewaretest.InRun(func(ctx context.Context) {
		call := middlewaretest.Tool("pay", sample.Payment().Valid)
		f(recorder, func() {
			if _, err := h(ctx, call); err != nil {
				b.Fatal(err)
			}
		})
	}, guard)
	if err != nil {
		b.Fatal(err)
	}
	if lost := recorder.Stats().Lost; lost > 0 {
		b.Errorf("%d records were lost", lost)
	}
	if err := recorder.Close(context.Background()); err != nil {
		b.Error(err)
	}
}

// BenchmarkTargetWholeCall is what a tool call costs its caller that is guarded
// from end to end, with two records of evidence left with the recorder: 1.5 us and
// 4 allocations.
func BenchmarkTargetWholeCall(b *testing.B) {
	inWholeRun(b, func(recorder *evidence.Recorder, pay func()) {
		settle := func() {
			for recorder.Stats().Waiting > 0 {
				time.Sleep(100 * time.Microsecond) // the recorder writes what was left with it
			}
		}
		// What the recorder allocates would count as well, but that it rests
		// for longer than a few calls take.
		allocs := math.Inf(1)
		for range 20 {
			settle()
			allocs = min(allocs, testing.AllocsPerRun(100, pay))
		}
		if allocs > 4 {
			b.Errorf("got %v allocations, want at most 4", allocs)
		}
		pair.TargetCaller(b, 1500*time.Nanosecond, settle, func(n int) {
			for range n {
				pay()
			}
		})
		b.ReportMetric(allocs, "allocs")
	})
}
