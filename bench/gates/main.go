// Command gates compares what a tool call costs under the gates of safeconduct
// with what the same decision costs under policy engines, and with what a span
// and a circuit breaker cost. It prints a table.
//
// It is a module of its own, so that nothing else depends on the engines.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"testing"

	"cel.dev/cel-go/cel"
	"github.com/cedar-policy/cedar-go"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/sony/gobreaker"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// The decision: a tool is on the list, its cabin is one of three, and it has one
// to five passengers.
const arguments = `{"cabin":"economy","passengers":2,"flight":"HAT0001"}`

func main() {
	log.SetFlags(0)
	ctx := context.Background()
	var args map[string]any
	check(json.Unmarshal([]byte(arguments), &args))
	_ = middlewaretest.InRun(func(run context.Context) {
		subjects := []subject{
			{"gates: allowlist and argument rules, arguments parsed", oursRules(ctx)},
			{"gates: the same in a guarded call, with budget, loop guard and trail", oursGuarded(run)},
			{"CEL, arguments parsed before", celPolicy(args)},
			{"Cedar, arguments parsed before", cedarPolicy(args)},
			{"OPA, prepared query, arguments parsed before", opaPolicy(ctx, args)},
			{"encoding/json, the arguments into a map", func() bool {
				var v map[string]any
				return json.Unmarshal([]byte(arguments), &v) == nil
			}},
			{"OpenTelemetry span, 8 attributes, batched, dropped", span(ctx)},
			{"gobreaker Execute", breaker()},
		}
		for _, s := range subjects {
			if !s.run() {
				log.Fatalf("%s: denied what it should allow", s.name)
			}
		}
		compare(subjects)
	})
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A subject makes the decision once, and reports whether it allowed.
type subject struct {
	name string
	run  func() bool
}

func allowed(context.Context, middleware.Call) (middleware.Result, error) {
	return middleware.Result{Output: "ok"}, nil
}

func rules() middleware.Interceptor {
	return gates.Arguments(gates.ArgumentRules{"book": {
		gates.Arg("cabin", gates.OneOf("basic_economy", "economy", "business")),
		gates.Arg("passengers", gates.Between(1, 5)),
	}})
}

func oursRules(ctx context.Context) func() bool {
	h := middleware.Compose(gates.Tools("book"), rules())(allowed)
	call := middlewaretest.Tool("book", arguments)
	return func() bool {
		_, err := h(ctx, call)
		return err == nil
	}
}

func oursGuarded(ctx context.Context) func() bool {
	h := middleware.Wrap(allowed, gates.Ingress(gates.IngressRules{}), gates.Tools("book"), rules(),
		gates.Budget(gates.Limits{ToolCalls: 1 << 60}), gates.Loop(gates.LoopRules{}))
	calls := make([]middleware.Call, 1000)
	for i := range calls {
		calls[i] = middlewaretest.Tool("book", fmt.Sprintf(`{"cabin":"economy","passengers":2,"flight":"HAT%04d"}`, i))
	}
	i := 0
	return func() bool {
		res, err := h(ctx, calls[i%len(calls)])
		i++
		return err == nil && res.Output == "ok"
	}
}

func celPolicy(args map[string]any) func() bool {
	env, err := cel.NewEnv(cel.Variable("tool", cel.StringType), cel.Variable("args", cel.MapType(cel.StringType, cel.DynType)))
	check(err)
	ast, iss := env.Compile(`tool == "book" && args.cabin in ["basic_economy", "economy", "business"] ` +
		`&& args.passengers >= 1.0 && args.passengers <= 5.0`)
	check(iss.Err())
	prg, err := env.Program(ast, cel.EvalOptions(cel.OptOptimize))
	check(err)
	input := map[string]any{"tool": "book", "args": args}
	return func() bool {
		out, _, err := prg.Eval(input)
		return err == nil && out.Value() == true
	}
}

func cedarPolicy(args map[string]any) func() bool {
	set, err := cedar.NewPolicySetFromBytes("policy.cedar", []byte(`
permit (principal, action == Action::"call", resource == Tool::"book")
when {
	["basic_economy", "economy", "business"].contains(context.cabin) &&
	context.passengers >= 1 && context.passengers <= 5
};`))
	check(err)
	req := cedar.Request{
		Principal: cedar.NewEntityUID("Agent", "a"),
		Action:    cedar.NewEntityUID("Action", "call"),
		Resource:  cedar.NewEntityUID("Tool", "book"),
		Context: cedar.NewRecord(cedar.RecordMap{
			"cabin": cedar.String(args["cabin"].(string)), "passengers": cedar.Long(int64(args["passengers"].(float64))),
		}),
	}
	entities := cedar.EntityMap{}
	return func() bool {
		decision, _ := cedar.Authorize(set, entities, req)
		return decision == cedar.Allow
	}
}

func opaPolicy(ctx context.Context, args map[string]any) func() bool {
	query, err := rego.New(rego.Query("data.agent.allow"), rego.Module("policy.rego", `package agent

default allow := false

allow if {
	input.tool == "book"
	input.args.cabin in {"basic_economy", "economy", "business"}
	input.args.passengers >= 1
	input.args.passengers <= 5
}`)).PrepareForEval(ctx)
	check(err)
	input := map[string]any{"tool": "book", "args": args}
	return func() bool {
		rs, err := query.Eval(ctx, rego.EvalInput(input))
		return err == nil && rs.Allowed()
	}
}

// nowhere is an exporter that drops what it gets.
type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []trace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                          { return nil }

func span(ctx context.Context) func() bool {
	tracer := trace.NewTracerProvider(trace.WithBatcher(nowhere{})).Tracer("bench")
	return func() bool {
		_, s := tracer.Start(ctx, "execute_tool book")
		s.SetAttributes(
			attribute.String("gen_ai.operation.name", "execute_tool"), attribute.String("gen_ai.tool.name", "book"),
			attribute.String("gen_ai.tool.call.id", "call_1"), attribute.String("gen_ai.agent.name", "agent"),
			attribute.String("session.id", "s1"), attribute.String("decision", "allow"),
			attribute.Int("input.bytes", len(arguments)), attribute.Int("output.bytes", 2),
		)
		s.End()
		return true
	}
}

func breaker() func() bool {
	cb := gobreaker.NewCircuitBreaker(gobreaker.Settings{Name: "bench"})
	return func() bool {
		out, err := cb.Execute(func() (any, error) { return "ok", nil })
		return err == nil && out == "ok"
	}
}

// compare holds each subject against the first, and prints a table. It takes
// about two seconds for each.
func compare(subjects []subject) {
	all := make([]pair.Subject, len(subjects))
	for i, s := range subjects {
		all[i] = func(n int) {
			for range n {
				s.run()
			}
		}
	}
	results, err := pair.Compare(all[0], all[1:]...)
	for range 4 {
		if err == nil {
			break
		}
		log.Print(err) // the machine was restless: once more
		results, err = pair.Compare(all[0], all[1:]...)
	}
	check(err)
	fmt.Println("| one call | times the first, CPU (95% interval) | ns, wall | allocations |")
	fmt.Println("|---|---|---|---|")
	fmt.Printf("| %s | 1 | | %.0f |\n", subjects[0].name, allocs(subjects[0]))
	for i, s := range subjects[1:] {
		r := results[i]
		fmt.Printf("| %s | %.2f (%.2f to %.2f) | %.0f | %.0f |\n", s.name, r.Ratio, r.Low, r.High, r.NS, allocs(s))
	}
}

func allocs(s subject) float64 { return testing.AllocsPerRun(200, func() { s.run() }) }
