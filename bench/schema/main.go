// Command schema compares what it takes to decode a JSON text and hold it against
// a schema with what other validators take, and a tool call that is guarded from
// end to end with a span. It prints two tables.
//
// It is a module of its own, so that nothing else depends on the others.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	v5 "github.com/santhosh-tekuri/jsonschema/v5"
	v6 "github.com/santhosh-tekuri/jsonschema/v6"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/internal/sample"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

func main() {
	log.SetFlags(0)
	fmt.Println("| decode and validate | bytes | times jsonschema v5, CPU (95% interval) | ns, wall | allocations |")
	fmt.Println("|---|---|---|---|---|")
	for _, l := range sample.Loads() {
		validators(l)
	}
	fmt.Println()
	fmt.Println("| one call | times the span, CPU of the caller (95% interval) | ns, wall | allocations |")
	fmt.Println("|---|---|---|---|")
	wholeCall()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A subject does its work once.
type subject struct {
	name string
	run  func()
}

func (s subject) slice() pair.Subject {
	return func(n int) {
		for range n {
			s.run()
		}
	}
}

// compare measures the subjects against the first, again where the machine was
// too restless.
func compare(with func(pair.Subject, ...pair.Subject) ([]pair.Result, error), subjects []subject) []pair.Result {
	all := make([]pair.Subject, len(subjects))
	for i, s := range subjects {
		all[i] = s.slice()
	}
	var results []pair.Result
	var err error
	for range 5 {
		if results, err = with(all[0], all...); err == nil {
			return results
		}
		log.Print(err)
	}
	check(err)
	return nil
}

// validators compares what it takes to find that a text satisfies a schema, and
// that it does not.
func validators(l sample.Load) {
	ours := schema.MustCompile("bench", l.Schema)
	five := v5.MustCompileString("https://bench.invalid/schema", l.Schema)
	for _, text := range []struct{ kind, json string }{{"", l.Valid}, {", with an error", l.Invalid}} {
		valid, data := text.kind == "", []byte(text.json)
		expect := func(err error) {
			if (err == nil) != valid {
				log.Fatalf("%s%s: %v", l.Name, text.kind, err)
			}
		}
		subjects := []subject{
			{"jsonschema v5, encoding/json", func() { expect(five.Validate(decode(data))) }},
			{"safeconduct", func() { expect(ours.Validate(data)) }},
			{"jsonschema v6, its own UnmarshalJSON", validateV6(l.Schema, data, expect)},
			{"encoding/json, decoding alone", func() { decode(data) }},
			{"encoding/json, Valid alone", func() {
				if !json.Valid(data) {
					log.Fatal("not valid")
				}
			}},
		}
		for i, r := range compare(pair.Compare, subjects) {
			fmt.Printf("| %s%s: %s | %d | %.3f (%.3f to %.3f) | %.0f | %.0f |\n", l.Name, text.kind, subjects[i].name,
				len(data), r.Ratio, r.Low, r.High, r.NS, testing.AllocsPerRun(20, subjects[i].run))
		}
	}
}

func decode(data []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	check(d.Decode(&v))
	return v
}

func validateV6(text string, data []byte, expect func(error)) func() {
	c := v6.NewCompiler()
	c.DefaultDraft(v6.Draft2020)
	c.AssertFormat()
	doc, err := v6.UnmarshalJSON(strings.NewReader(text))
	check(err)
	check(c.AddResource("https://bench.invalid/schema", doc))
	s, err := c.Compile("https://bench.invalid/schema")
	check(err)
	return func() {
		v, err := v6.UnmarshalJSON(bytes.NewReader(data))
		check(err)
		expect(s.Validate(v))
	}
}

// wholeCall compares a tool call that is guarded from end to end with a span.
func wholeCall() {
	dir, err := os.MkdirTemp("", "bench-schema-")
	check(err)
	defer func() { check(os.RemoveAll(dir)) }()
	recorder, err := evidence.Open(dir, evidence.Config{ReadOnly: []string{"pay"}})
	check(err)
	spans := trace.NewTracerProvider(trace.WithBatcher(nowhere{}))
	settle := func() {
		for recorder.Stats().Waiting > 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	payment, receipt := sample.Payment(), sample.Receipt()
	gated := middleware.Compose(
		gates.Ingress(gates.IngressRules{}),
		gates.Tools("pay"),
		schema.Input(schema.Tools{"pay": schema.MustCompile("payment", payment.Schema)}),
		gates.Budget(gates.Limits{ToolCalls: 1 << 60}),
		middleware.On(middleware.KindTool, schema.Output(schema.MustCompile("receipt", receipt.Schema))),
	)
	recorded := middleware.Compose(recorder.Intercept, gated)
	result := middleware.Result{Output: receipt.Valid}
	tool := func(context.Context, middleware.Call) (middleware.Result, error) { return result, nil }
	err = middlewaretest.InRun(func(ctx context.Context) {
		call := middlewaretest.Tool("pay", payment.Valid)
		guarded := func(h middleware.Handler) func() {
			return func() {
				_, err := h(ctx, call)
				check(err)
			}
		}
		five := v5.MustCompileString("https://bench.invalid/schema", payment.Schema)
		subjects := []subject{
			{"OpenTelemetry span, 8 attributes, batched, dropped", span(ctx, spans, len(payment.Valid), len(receipt.Valid))},
			{"safeconduct: ingress, allowlist, argument contract, budget, output schema", guarded(middleware.Wrap(tool, gated))},
			{"the same with two records of evidence", guarded(middleware.Wrap(tool, recorded))},
			{"jsonschema v5 with encoding/json, the arguments alone", func() { check(five.Validate(decode([]byte(payment.Valid)))) }},
		}
		results := compare(func(reference pair.Subject, all ...pair.Subject) ([]pair.Result, error) {
			return pair.CompareCallers(settle, reference, all...)
		}, subjects)
		for i, r := range results {
			settle()
			fmt.Printf("| %s | %.3f (%.3f to %.3f) | %.0f | %.0f |\n", subjects[i].name, r.Ratio, r.Low, r.High, r.NS,
				testing.AllocsPerRun(100, subjects[i].run))
		}
	}, recorded)
	check(errors.Join(err, recorder.Close(context.Background()), spans.Shutdown(context.Background())))
}

// nowhere is an exporter that drops what it gets.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []trace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                          { return nil }

func span(ctx context.Context, spans *trace.TracerProvider, in, out int) func() {
	tracer := spans.Tracer("bench")
	return func() {
		_, s := tracer.Start(ctx, "execute_tool pay")
		s.SetAttributes(
			attribute.String("gen_ai.operation.name", "execute_tool"), attribute.String("gen_ai.tool.name", "pay"),
			attribute.String("gen_ai.tool.call.id", "call_1"), attribute.String("gen_ai.agent.name", "agent"),
			attribute.String("session.id", "s1"), attribute.String("decision", "allow"),
			attribute.Int("input.bytes", in), attribute.Int("output.bytes", out),
		)
		s.End()
	}
}
