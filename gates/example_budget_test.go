package gates_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// Limits of several scopes and windows are charged together. Whose they are the
// identity of the run says.
func ExampleBudget_scopes() {
	gate := gates.Budget(
		gates.Limits{ToolCalls: 10},
		gates.Limits{Scope: gates.ScopeTenant, Window: time.Minute, ToolCalls: 2},
	)
	tool := middleware.Wrap(middlewaretest.Echo, gate)
	for _, tenant := range []string{"acme", "acme", "acme", "other", ""} {
		ctx := middleware.WithIdentity(context.Background(), middleware.Identity{Tenant: tenant})
		_, err := tool(ctx, middlewaretest.Tool("search", "q")) // a run of its own
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// search: denied by budget: limit tool_calls per 1m of the tenant: asked 1, left 0 of 2 (over_budget)
	// <nil>
	// search: denied by budget: the limits are of the tenant, and the run does not name its tenant: middleware.WithIdentity names it, and Limits.Nameless says what holds without (indeterminate)
}

// A small budget is used up, not overshot, where calls may be clamped. Before it
// is, the model is told to come to an end.
func ExampleBudget_wrapUp() {
	gate := gates.Budget(gates.Limits{Tokens: 500, Clamp: true, FinalAnswer: 50})
	model := middleware.Wrap(func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		req := call.Input.(*middleware.ModelRequest)
		fmt.Println("tools:", req.Tools, "MaxTokens:", req.MaxTokens)
		return middleware.Result{Usage: &middleware.Usage{InputTokens: 100, OutputTokens: 200, Reported: true}}, nil
	}, gate)
	_ = middlewaretest.InRun(func(ctx context.Context) {
		for range 2 {
			call := middlewaretest.Model("What is 19 * 23?")
			call.Input.(*middleware.ModelRequest).Tools = []string{"calculator"}
			if _, err := model(ctx, call); err != nil {
				fmt.Println(err)
			}
		}
	})
	// Output:
	// tools: [calculator] MaxTokens: 496
	// tools: [] MaxTokens: 163
}

// Five dollars a day for all runs of a tenant, and at most half a dollar for each.
func ExampleDollar() {
	day := gates.Limits{Scope: gates.ScopeTenant, Window: 24 * time.Hour, Cost: 5 * gates.Dollar}
	run := gates.Limits{Cost: 0.5 * gates.Dollar}
	fmt.Print(middleware.Onion(gates.Budget(day, run)))
	fmt.Println(day.Cost, run.Cost, 20*gates.Cent)
	// Output:
	// 1 budget, stream passed through
	// 5000000 500000 200000
}

// A limit on cost needs to know the model, and what it costs.
func ExampleBudgetWith() {
	gate := gates.BudgetWith(gates.BudgetOptions{Model: "gpt-4o"}, gates.Limits{Cost: 2 * gates.Cent})
	model := middleware.Wrap(middlewaretest.Answer("437", 2000, 300), gate)
	_ = middlewaretest.InRun(func(ctx context.Context) {
		for range 3 {
			_, err := model(ctx, middlewaretest.Model("What is 19 * 23?"))
			var denied *middleware.DeniedError
			if errors.As(err, &denied) {
				fmt.Println(denied.Reason)
			}
			fmt.Println(middleware.RunOf(ctx).Balances()[0].Used, "micro-dollars used")
		}
	})
	// Output:
	// 8000 micro-dollars used
	// 16000 micro-dollars used
	// limit cost of the run: asked 10250, left 4000 of 20000 micro-dollars; it counts an answer of 1024 tokens, as the request sets no MaxTokens: Limits.Estimate and Limits.Clamp change that
	// 16000 micro-dollars used
}

// Two budgets share what a tenant may spend.
func ExampleNewMemory() {
	store := gates.NewMemory()
	limits := gates.Limits{Scope: gates.ScopeTenant, ToolCalls: 1}
	search := middleware.Wrap(middlewaretest.Echo, gates.BudgetWith(gates.BudgetOptions{Store: store}, limits))
	write := middleware.Wrap(middlewaretest.Echo, gates.BudgetWith(gates.BudgetOptions{Store: store}, limits))

	ctx := middleware.WithIdentity(context.Background(), middleware.Identity{Tenant: "acme"})
	_, err := search(ctx, middlewaretest.Tool("search", "q"))
	fmt.Println(err)
	_, err = write(ctx, middlewaretest.Tool("write", "x"))
	fmt.Println(err)
	// Output:
	// <nil>
	// write: denied by budget: limit tool_calls of the tenant: asked 1, left 0 of 1 (over_budget)
}

func ExampleListPrices() {
	prices := gates.ListPrices()
	price, err := prices.Price("claude-sonnet-4-5")
	fmt.Println(price.Model, price.Date, price.Input, price.Cached, price.Output, err)

	cost, err := prices.Cost("claude-sonnet-4-5", middleware.Usage{
		InputTokens: 10_000, CachedTokens: 8_000, OutputTokens: 500, Reported: true,
	})
	fmt.Println(cost, err) // 2,000 * 3.00 + 8,000 * 0.30 + 500 * 15.00
	_, err = prices.Cost("gpt-99", middleware.Usage{InputTokens: 1, Reported: true})
	fmt.Println(err)
	// Output:
	// claude-sonnet-4-5-20250929 2026-07-24 3000000 300000 15000000 <nil>
	// 15900 <nil>
	// gates: prices: model "gpt-99": no price is known
}

func ExampleReadPrices() {
	prices, err := gates.ReadPrices(strings.NewReader(`safeconduct prices v1
source contract our agreement with the provider, annex 2
model 2026-07-01 contract house-model input=2000000 output=8000000 cached=1000000
above 2026-07-01 contract house-model 128000 input=4000000 output=16000000 cached=2000000
alias 2026-07-01 contract house-model-latest house-model
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, tokens := range []int64{128_000, 128_001} {
		fmt.Println(prices.Cost("house-model-latest", middleware.Usage{InputTokens: tokens, Reported: true}))
	}
	_, err = gates.ReadPrices(strings.NewReader("safeconduct prices v1\nmodel house-model input=0.002\n"))
	fmt.Println(err)
	// Output:
	// 256000 <nil>
	// 512004 <nil>
	// gates: prices: line 2: too few words
}

// Figures of one's own take the place of those in the list.
func ExamplePrices_Override() {
	prices, err := gates.ListPrices().Override(strings.NewReader(`safeconduct prices v1
source contract our agreement with the provider, annex 2
model 2026-07-01 contract gpt-4o input=2000000 output=8000000
alias 2026-07-01 contract openai.LLM gpt-4o
model 2026-07-01 contract * input=100000000 output=100000000
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, model := range []string{"gpt-4o", "openai.LLM", "o3", "gpt-99"} {
		price, err := prices.Price(model)
		fmt.Println(model, price.Input, err)
	}
	// Output:
	// gpt-4o 2000000 <nil>
	// openai.LLM 2000000 <nil>
	// o3 2000000 <nil>
	// gpt-99 100000000 <nil>
}
