package gates_test

import (
	"context"
	"fmt"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

func ExampleLoop() {
	search := middleware.Wrap(middlewaretest.Echo, gates.Loop(gates.LoopRules{}))
	_ = middlewaretest.InRun(func(ctx context.Context) {
		for _, input := range []string{`{"q":"Go","n":3}`, `{"n":3,"q":"Go"}`, `{ "n": 3, "q": "Go" }`, `{"n":3,"q":"Go"}`} {
			res, err := search(ctx, middlewaretest.Tool("search", input))
			fmt.Println(res.Output, err)
		}
	})
	// Output:
	// {"q":"Go","n":3} <nil>
	// {"n":3,"q":"Go"} <nil>
	// Not done: tool "search" was called in the same way 2 times in a row. Try something else, or give the final answer. <nil>
	// <nil> search: denied by loop: tool "search" was called in the same way 2 times in a row (loop)
}
