package safeconduct_test

import (
	"context"
	"math"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

// A payment of eight fields and its receipt, of 195 and 134 bytes.
const (
	payment         = `{"account":"DE89370400440532013000","amount":129.95,"currency":"EUR","reference":"Invoice 2024-0815 for advice","urgent":false,"copies":3,"tags":["travel","approved"],"note":"pay before the 5th"}`
	paymentContract = `{
		"type": "object",
		"required": ["account", "amount", "currency"],
		"properties": {
			"account":   {"type": "string", "minLength": 15, "maxLength": 34},
			"amount":    {"type": "number", "exclusiveMinimum": 0, "maximum": 10000},
			"currency":  {"enum": ["EUR", "USD", "GBP"]},
			"reference": {"type": "string", "maxLength": 140},
			"urgent":    {"type": "boolean"},
			"copies":    {"type": "integer", "minimum": 1},
			"tags":      {"type": "array", "items": {"type": "string"}, "maxItems": 5},
			"note":      {"type": "string"}
		},
		"additionalProperties": false
	}`
	receipt         = `{"id":"pay-000815","state":"booked","amount":129.95,"fee":0.35,"currency":"EUR","balance":1870.05,"retries":0,"final":true,"memo":"x"}`
	receiptContract = `{
		"type": "object",
		"required": ["id", "state"],
		"properties": {
			"id":       {"type": "string", "pattern": "^pay-[0-9]{6}$"},
			"state":    {"enum": ["booked", "pending", "refused"]},
			"amount":   {"type": "number", "minimum": 0},
			"fee":      {"type": "number", "minimum": 0},
			"currency": {"enum": ["EUR", "USD", "GBP"]},
			"balance":  {"type": "number"},
			"retries":  {"type": "integer", "minimum": 0},
			"final":    {"type": "boolean"},
			"memo":     {"type": "string", "maxLength": 80}
		},
		"additionalProperties": false
	}`
)

// wholeGuard is what guards a call from end to end: a recorder, ingress, an
// allowlist, an argument contract, a budget, and the schema of what a tool returns.
func wholeGuard(recorder *evidence.Recorder) middleware.Interceptor {
	return middleware.Compose(
		recorder.Intercept,
		gates.Ingress(gates.IngressRules{}),
		gates.Tools("pay"),
		schema.Input(schema.Tools{"pay": schema.MustCompile("payment", paymentContract)}),
		gates.Budget(gates.Limits{ToolCalls: 1 << 60}),
		middleware.On(middleware.KindTool, schema.Output(schema.MustCompile("receipt", receiptContract))),
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
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: receipt}, nil
	}, guard)
	err = middlewaretest.InRun(func(ctx context.Context) {
		call := middlewaretest.Tool("pay", payment)
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
