package middlewaretest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// noRoot is a user's gate.
var noRoot = middleware.On(middleware.KindTool, middleware.Before("no-root",
	func(_ context.Context, call middleware.Call) error {
		if input, ok := call.Input.(string); !ok || strings.Contains(input, "sudo") {
			return middleware.Deny(middleware.CodePolicy, "sudo is not for agents")
		}
		return nil
	}))

func ExampleTestInterceptor() {
	newGate := func() middleware.Interceptor { return noRoot }
	err := middlewaretest.TestInterceptor(newGate, middlewaretest.Tool("shell", "ls"))
	fmt.Println(err)
	// Output: <nil>
}

// An interceptor that tries again may run a tool twice.
func ExampleTestInterceptor_broken() {
	retry := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			if err != nil {
				return next(ctx, call)
			}
			return res, nil
		}
	}
	newRetry := func() middleware.Interceptor { return retry }
	err := middlewaretest.TestInterceptor(newRetry, middlewaretest.Tool("shell", "ls"))
	var broken *middlewaretest.RuleError
	if errors.As(err, &broken) {
		fmt.Println(broken.Rule + ": " + broken.Detail)
	}
	// Output: once: next was called 2 times
}

func ExampleTool() {
	shell := middleware.Wrap(middlewaretest.Echo, noRoot)
	res, err := shell(context.Background(), middlewaretest.Tool("shell", "ls"))
	fmt.Println(res.Output, err)
	_, err = shell(context.Background(), middlewaretest.Tool("shell", "sudo ls"))
	fmt.Println(err)
	// Output:
	// ls <nil>
	// shell: denied by no-root: sudo is not for agents (policy)
}

func ExamplePlanner() {
	agent := middlewaretest.Planner(middlewaretest.Ask("shell", "ls"))
	res, _ := agent(context.Background(), middlewaretest.Plan())
	fmt.Printf("%+v\n", res.Output.(*middleware.Plan).ToolCalls)
	// Output: [{ID: Name:shell Input:ls Registered:shell}]
}

func ExampleAnswer() {
	model := middlewaretest.Answer("four", 12, 3)
	res, _ := model(context.Background(), middlewaretest.Model("What is two and two?"))
	fmt.Println(res.Output.(*middleware.ModelResponse).Choices[0].Text, res.Usage.Tokens())
	// Output: four 15
}

func ExampleInRun() {
	var spy middlewaretest.Spy
	shell := middleware.Wrap(spy.Handle, noRoot)
	err := middlewaretest.InRun(func(ctx context.Context) {
		_, _ = shell(ctx, middlewaretest.Tool("shell", "ls"))
		_, _ = shell(ctx, middlewaretest.Tool("shell", "pwd"))
	})
	for _, call := range spy.Calls() {
		fmt.Println("call", call.ID, "of call", call.Parent, call.Input)
	}
	fmt.Println(err)
	// Output:
	// call 2 of call 1 ls
	// call 3 of call 1 pwd
	// <nil>
}

// A prober is a testing.TB that prints how it was failed.
type prober struct{ testing.TB }

func (prober) Helper()                           {}
func (prober) Fatalf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func ExampleWantDenied() {
	var t testing.TB = prober{} // a test has its own
	shell := middleware.Wrap(middlewaretest.Echo, noRoot)
	_, err := shell(context.Background(), middlewaretest.Tool("shell", "sudo ls"))
	fmt.Println(middlewaretest.WantDenied(t, err, middleware.CodePolicy).Reason)
	_, err = shell(context.Background(), middlewaretest.Tool("shell", "ls"))
	middlewaretest.WantDenied(t, err, middleware.CodePolicy)
	// Output:
	// sudo is not for agents
	// got error <nil>, want a denial with code policy
}

func ExampleDocuments() {
	find := middleware.Wrap(middlewaretest.Documents(middleware.Document{Text: "a page", Metadata: map[string]any{"source": "handbook/leave.md"}}),
		middleware.After("short", func(_ context.Context, _ middleware.Call, res middleware.Result) error {
			if docs, ok := res.Output.([]middleware.Document); !ok || len(docs) > 3 {
				return middleware.Deny(middleware.CodePolicy, "no more than 3 documents")
			}
			return nil
		}))
	res, err := find(context.Background(), middlewaretest.Retriever("How much leave do I have?"))
	fmt.Println(res.Output.([]middleware.Document)[0].Text, err)
	// Output: a page <nil>
}
