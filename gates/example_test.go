package gates_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// The gates are made once, and guard the chain and all that it calls.
func Example() {
	guard := middleware.Compose(
		gates.Ingress(gates.IngressRules{Required: []string{"input"}}),
		gates.Tools("calculator"),
		gates.Budget(gates.Limits{ToolCalls: 5, Tokens: 20_000}),
	)
	calculator := middleware.Wrap(middlewaretest.Echo, guard)
	chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		return calculator(ctx, middlewaretest.Tool("calculator", "19 * 23"))
	}, guard)

	res, err := chain(context.Background(), middlewaretest.Chain("qa", map[string]any{"input": "What is 19 * 23?"}))
	fmt.Println(res.Output, err)
	_, err = chain(context.Background(), middlewaretest.Chain("qa", nil))
	fmt.Println(err)
	// Output:
	// 19 * 23 <nil>
	// qa: denied by ingress: input "input" is required (bad_input)
}

func ExampleIngress() {
	chain := middleware.Wrap(middlewaretest.Echo, gates.Ingress(gates.IngressRules{
		MaxBytes: 10_000,
		Required: []string{"tenant"},
		Allow:    map[string][]any{"env": {"dev", "prod"}},
		Check: func(_ context.Context, inputs map[string]any) error {
			if question, _ := inputs["input"].(string); strings.TrimSpace(question) == "" {
				return middleware.Deny(middleware.CodeBadInput, "there is no question")
			}
			return nil
		},
	}))
	for _, inputs := range []map[string]any{
		{"tenant": "acme", "env": "prod", "input": "Where is my order?"},
		{"tenant": "acme", "env": "staging", "input": "Where is my order?"},
		{"env": "prod", "input": "Where is my order?"},
		{"tenant": "acme", "env": "prod", "input": " "},
	} {
		_, err := chain(context.Background(), middlewaretest.Chain("qa", inputs))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// qa: denied by ingress: input "env" must be one of "dev", "prod" (bad_input)
	// qa: denied by ingress: input "tenant" is required (bad_input)
	// qa: denied by ingress: there is no question (bad_input)
}

func ExampleTools() {
	gate := gates.Tools("read")
	tool := middleware.Wrap(middlewaretest.Echo, gate)
	_, err := tool(context.Background(), middlewaretest.Tool("write", "x"))
	fmt.Println(err)

	agent := middleware.Wrap(middlewaretest.Planner(
		middlewaretest.Ask("read", "a.txt"),
		middleware.ToolCall{Name: "READ", Registered: "read"}, // how some frameworks look tools up
	), gate)
	_, err = agent(context.Background(), middlewaretest.Plan())
	fmt.Println(err)
	// Output:
	// write: denied by tools: tool "write" is not on the allowlist (tool_not_allowed)
	// agent: denied by tools: tool "read" was asked for as "READ" (tool_not_allowed)
}

func ExampleBudget() {
	gate := gates.Budget(
		gates.Limits{ToolCalls: 2},
		gates.Limits{Scope: gates.ScopeProcess, ToolCalls: 1000},
	)
	tool := middleware.Wrap(middlewaretest.Echo, gate)
	_ = middlewaretest.InRun(func(ctx context.Context) {
		for range 3 {
			_, err := tool(ctx, middlewaretest.Tool("search", "q"))
			fmt.Println(err)
		}
	}, gate)
	// Output:
	// <nil>
	// <nil>
	// search: denied by budget: limit tool_calls of the run: asked 1, left 0 of 2 (over_budget)
}

// A batch of tool calls is judged as a whole, before any of it runs.
func ExampleBudget_batch() {
	gate := gates.Budget(gates.Limits{ToolCalls: 1})
	agent := middleware.Wrap(middlewaretest.Planner(
		middlewaretest.Ask("search", "q"), middlewaretest.Ask("search", "r"),
	), middleware.Tell, gate)
	res, err := agent(context.Background(), middlewaretest.Plan())
	fmt.Println(res.Output, err)
	// Output: Denied (over_budget): limit tool_calls of the run: asked 2, left 1 of 1. Do not repeat this call: finish with what you have. <nil>
}

// Tokens are settled with what the provider reports.
func ExampleBudget_tokens() {
	gate := gates.Budget(gates.Limits{Tokens: 2_000})
	model := middleware.Wrap(middlewaretest.Answer("437", 700, 20), gate)
	_ = middlewaretest.InRun(func(ctx context.Context) {
		for range 3 {
			_, err := model(ctx, middlewaretest.Model("What is 19 * 23?"))
			var denied *middleware.DeniedError
			if errors.As(err, &denied) {
				fmt.Println(denied.Reason)
			}
			fmt.Println(middleware.RunOf(ctx).Balances()[0].Used, "tokens used")
		}
	})
	// Output:
	// 720 tokens used
	// 1440 tokens used
	// limit tokens of the run: asked 1028, left 560 of 2000; it counts an answer of 1024 tokens, as the request sets no MaxTokens: Limits.Estimate and Limits.Clamp change that
	// 1440 tokens used
}

func ExampleScope_String() {
	fmt.Println(gates.ScopeRun, gates.ScopeProcess)
	// Output: run process
}
