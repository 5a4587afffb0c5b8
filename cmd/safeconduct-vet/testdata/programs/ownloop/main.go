// Ownloop wraps its own funcs, without an adapter, and calls one around them.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

func main() {
	llm, err := openai.New()
	if err != nil {
		log.Fatal(err)
	}
	ask := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		out, err := llms.GenerateFromSinglePrompt(ctx, llm, fmt.Sprint(call.Input))
		return middleware.Result{Output: out}, err
	}, gates.Budget(gates.Limits{ModelCalls: 1}))
	ctx := context.Background()
	fmt.Println(ask(ctx, middleware.Call{Kind: middleware.KindModel, Name: "openai", Input: "hello"}))
	fmt.Println(llm.Call(ctx, "hello")) // AROUND
}
