// Own-loop guards an agent that is written without a framework: its loop as the
// run, and a func that it calls as a tool.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "own-loop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer) error {
	// README begins
	guard := middleware.Shared(gates.Tools("refund"), gates.Budget(gates.Limits{ToolCalls: 1}))
	refund := middleware.Wrap(func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: fmt.Sprintf("refunded %v", call.Input)}, nil
	}, middleware.Tell, guard)
	// README ends

	// The loop has the same guard: what a budget counts, it counts for each run. As the
	// guard is Shared, a tool that is called outside of any run is denied.
	agent := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		for _, order := range []string{"order 17", "order 18"} { // what the model asks for, say
			res, err := refund(ctx, middleware.Call{Kind: middleware.KindTool, Name: "refund", Input: order})
			if err != nil {
				return middleware.Result{}, err
			}
			fmt.Fprintln(w, res.Output) // what the model is told: the output, or a denial as an Observation
		}
		return middleware.Result{Output: "done"}, nil
	}, guard)

	_, err := agent(ctx, middleware.Call{Kind: middleware.KindChain, Name: "refunds", Input: "Refund what is due."})
	return err
}
