package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

// shell is a tool.
func shell(_ context.Context, call middleware.Call) (middleware.Result, error) {
	return middleware.Result{Output: "ran " + call.Input.(string)}, nil
}

// use calls a guarded tool and prints what comes of it.
func use(h middleware.Handler, input string) {
	res, err := h(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: input})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Output)
}

// noSudo is a gate.
func noSudo() middleware.Interceptor {
	return middleware.Before("no-sudo", func(_ context.Context, call middleware.Call) error {
		if strings.Contains(call.Input.(string), "sudo") {
			return middleware.Deny(middleware.CodePolicy, "sudo is not for agents")
		}
		return nil
	})
}

func ExampleWrap() {
	guarded := middleware.Wrap(shell, noSudo())
	use(guarded, "ls")
	use(guarded, "sudo ls")
	// Output:
	// ran ls
	// shell: denied by no-sudo: sudo is not for agents (policy)
}

func ExampleBefore() {
	noRoot := middleware.Before("no-root", func(_ context.Context, call middleware.Call) error {
		switch input := call.Input.(type) {
		case string: // of a tool
			if strings.Contains(input, "sudo") {
				return middleware.Deny(middleware.CodePolicy, "sudo is not for agents")
			}
		case *middleware.ModelRequest: // and so on: a gate sees calls of all kinds
		}
		return nil
	})
	use(middleware.Wrap(shell, noRoot), "ls")
	use(middleware.Wrap(shell, noRoot), "sudo ls")
	// Output:
	// ran ls
	// shell: denied by no-root: sudo is not for agents (policy)
}

// trail is an Interceptor that prints what was decided about a call.
func trail(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		for _, d := range middleware.TrailOf(ctx).Decisions() {
			fmt.Printf("%s: %s, because %s\n", d.Gate, d.Verdict, d.Reason)
		}
		return res, err
	}
}

// A gate of approvals allows what somebody said yes to, and says who. Of what needs no
// yes it leaves nothing on the trail.
func ExampleAllow() {
	approval := middleware.ToolCalls("approval", func(_ context.Context, call middleware.ToolCall) error {
		switch call.Input {
		case "ls":
			return middleware.ErrAbstain
		case "reboot":
			return middleware.Allow("%s said yes", "alice")
		}
		return middleware.Deny(middleware.CodeApproval, "nobody said yes")
	})
	use(middleware.Wrap(shell, trail, approval), "ls")
	use(middleware.Wrap(shell, trail, approval), "reboot")
	use(middleware.Wrap(shell, trail, approval), "halt")
	// Output:
	// ran ls
	// approval: allow, because alice said yes
	// ran reboot
	// approval: deny, because nobody said yes
	// shell: denied by approval: nobody said yes (approval)
}

// What no gate decides, an interceptor can note all the same.
func ExampleNote() {
	cached := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			middleware.Note(ctx, middleware.Decision{Gate: "cache", Verdict: middleware.VerdictAllow, Reason: "it was not there"})
			return next(ctx, call)
		}
	}
	use(middleware.Wrap(shell, trail, cached), "ls")
	// Output:
	// cache: allow, because it was not there
	// ran ls
}

func ExampleDeny() {
	guarded := middleware.Wrap(shell, noSudo())
	_, err := guarded(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "sudo ls"})
	var denied *middleware.DeniedError
	if errors.As(err, &denied) {
		fmt.Println(denied.Gate, denied.Call, denied.Code, denied.Reason)
	}
	// Output: no-sudo shell policy sudo is not for agents
}

func ExampleAfter() {
	short := middleware.After("short", func(_ context.Context, _ middleware.Call, res middleware.Result) error {
		if n := len(res.Output.(string)); n > 10 {
			return middleware.Deny(middleware.CodeBadOutput, "%d bytes, at most 10", n)
		}
		return nil
	})
	use(middleware.Wrap(shell, short), "ls")
	use(middleware.Wrap(shell, short), "ls -la")
	use(middleware.Wrap(shell, short), "ls -la /tmp")
	// Output:
	// ran ls
	// ran ls -la
	// shell: denied by short: 15 bytes, at most 10 (bad_output)
}

// A call that is refused is made again, with another input.
func ExampleAgain() {
	type again struct{}
	polite := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			if err != nil || res.Output != "ran ls" || ctx.Value(again{}) != nil {
				return res, err
			}
			call.Input = "ls -la"
			second, err := middleware.Again(context.WithValue(ctx, again{}, true), call)
			return middleware.Result{Output: second.Output, Usage: res.Usage}, err
		}
	}
	count := middleware.Before("count", func(_ context.Context, call middleware.Call) error {
		fmt.Printf("call %v of call %v: %s\n", call.ID, call.Parent, call.Input)
		return nil
	})
	use(middleware.Wrap(shell, count, polite), "ls")
	// Output:
	// call 1 of call 0: ls
	// call 2 of call 1: ls -la
	// ran ls -la
}

// A gate judges the outermost call that it sees, and lets those within it pass.
func ExampleWithin() {
	var judged middleware.Within[struct{}]
	outermost := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if judged.Find(ctx) == nil {
				judged.New(ctx)
				fmt.Println("judges", call.Input)
			}
			return next(ctx, call)
		}
	}
	inner := middleware.Wrap(shell, outermost)
	use(middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		return inner(ctx, middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "ls"})
	}, outermost), "make")
	use(inner, "ls")
	// Output:
	// judges make
	// ran ls
	// judges ls
	// ran ls
}

func ExampleTransform() {
	redact := middleware.Transform("redact", func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
		was := call.Input.(string)
		now := strings.ReplaceAll(was, "hunter2", "****")
		call.Input = now
		return call, now != was, nil
	})
	use(middleware.Wrap(shell, redact), "login hunter2")
	// Output: ran login ****
}

func ExampleTransformResult() {
	trim := middleware.TransformResult("trim", func(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
		was := res.Output.(string)
		res.Output = strings.TrimPrefix(was, "ran ")
		return res, res.Output != was, nil
	})
	use(middleware.Wrap(shell, trim), "ls")
	// Output: ls
}

func ExampleNamed() {
	// A gate that must hold something across the call is written by hand.
	deadline := middleware.Named("deadline", func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			ctx, cancel := context.WithTimeout(ctx, 0)
			defer cancel()
			res, err := next(ctx, call)
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				err = middleware.Deny(middleware.CodeDeadline, "out of time")
			}
			return res, err
		}
	})
	use(middleware.Wrap(shell, deadline), "sleep 1")
	// Output: shell: denied by deadline: out of time (deadline)
}

func ExampleNewGate() {
	gate := middleware.NewGate("quick")
	quick := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return gate.Layer().Handler()
		}
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			ruling := gate.Begin(ctx)
			if call.Input == "sleep" {
				return middleware.Result{}, ruling.Deny(ctx, call, middleware.Deny(middleware.CodePolicy, "no sleep"))
			}
			ruling.Allow()
			return next(ctx, call)
		}
	}
	use(middleware.Wrap(shell, quick), "ls")
	use(middleware.Wrap(shell, quick), "sleep")
	// Output:
	// ran ls
	// shell: denied by quick: no sleep (policy)
}

func ExampleOn() {
	guarded := middleware.Wrap(shell, middleware.On(middleware.KindModel, noSudo()))
	use(guarded, "sudo ls") // a tool call: the gate is for models
	// Output: ran sudo ls
}

func ExampleTell() {
	guarded := middleware.Wrap(shell, middleware.Tell, noSudo())
	use(guarded, "sudo ls")
	// Output: Denied (policy): sudo is not for agents. Do not repeat this call unchanged.
}

func ExampleShadow() {
	report := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, err := next(ctx, call)
			for _, d := range middleware.TrailOf(ctx).Decisions() {
				fmt.Printf("%s would %s: %s\n", d.Gate, d.Verdict, d.Reason)
			}
			return res, err
		}
	}
	guarded := middleware.Wrap(shell, report, middleware.Shadow(noSudo()))
	use(guarded, "sudo ls")
	// Output:
	// no-sudo would deny: sudo is not for agents
	// ran sudo ls
}

func ExampleCompose() {
	standard := middleware.Compose(middleware.Tell, noSudo())
	use(middleware.Wrap(shell, standard), "ls")
	// Output: ran ls
}

func ExampleOnion() {
	fmt.Print(middleware.Onion(middleware.Tell, middleware.On(middleware.KindTool, noSudo()), middleware.Shadow(middleware.Named("later", pass))))
	// Output:
	//  1 tell
	//  2 no-sudo, tool calls only
	//  3 later, shadow
}

func ExampleObserve() {
	slow := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			trail := middleware.Observe(ctx)
			res, err := next(ctx, call)
			for _, d := range trail.Decisions() {
				fmt.Println(d.Gate, d.Verdict, d.Elapsed < time.Minute)
			}
			ran, ok := trail.Ran()
			fmt.Println(ran, ok)
			return res, err
		}
	}
	use(middleware.Wrap(shell, slow, noSudo()), "ls")
	// Output:
	// no-sudo allow true
	// ls true
	// ran ls
}

func ExampleLocal() {
	var seen middleware.Local[int] // of each run, for itself
	count := middleware.Before("count", func(ctx context.Context, _ middleware.Call) error {
		n := seen.In(middleware.RunOf(ctx))
		if *n++; *n > 2 {
			return middleware.Deny(middleware.CodeOverBudget, "two calls are enough")
		}
		return nil
	})
	tool := middleware.Wrap(shell, count)
	agent := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		for {
			if _, err := tool(ctx, middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "ls"}); err != nil {
				return middleware.Result{}, err
			}
		}
	}, middleware.Tell, middleware.On(middleware.KindTool, count))
	_, err := agent(context.Background(), middleware.Call{Kind: middleware.KindChain, Name: "agent"})
	fmt.Println(err)
	// Output: shell: denied by count: two calls are enough (over_budget)
}

// A gate of a tool asks its run on whose behalf it is, and what is left of its budgets.
func ExampleRunOf() {
	ask := middleware.Before("ask", func(ctx context.Context, _ middleware.Call) error {
		run := middleware.RunOf(ctx)
		fmt.Println(run.Subject, run.Balances())
		return nil
	})
	ctx := middleware.WithIdentity(context.Background(), middleware.Identity{Subject: "alice"})
	use := middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "ls"}
	res, err := middleware.Wrap(shell, ask)(ctx, use)
	fmt.Println(res.Output, err, middleware.RunOf(ctx) == nil) // outside of any
	// Output:
	// alice []
	// ran ls <nil> true
}

func ExampleWithIdentity() {
	ctx := middleware.WithIdentity(context.Background(), middleware.Identity{Subject: "alice", Tenant: "acme"})
	onlyAcme := middleware.Before("only-acme", func(ctx context.Context, _ middleware.Call) error {
		if run := middleware.RunOf(ctx); run.Tenant != "acme" {
			return middleware.Deny(middleware.CodePolicy, "%s is not served", run.Tenant)
		}
		return nil
	})
	res, err := middleware.Wrap(shell, onlyAcme)(ctx, middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "ls"})
	fmt.Println(res.Output, err)
	// Output: ran ls <nil>
}

func ExampleShared() {
	never := func(context.Context, middleware.Call) error { return nil }
	counts := func(next middleware.Handler) middleware.Handler { // as a budget of a run does
		if next == nil {
			return middleware.Layer{Name: "counts", Gate: true, PerRun: true}.Handler()
		}
		return next
	}
	guard := middleware.Shared(middleware.Before("own", never), counts)
	tool := middleware.Wrap(middlewaretest.Echo, guard)
	loop := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		return tool(ctx, middlewaretest.Tool("search", "weather"))
	}, guard)

	res, err := loop(context.Background(), middlewaretest.Chain("loop", nil))
	fmt.Println(res.Output, err)
	_, err = tool(context.Background(), middlewaretest.Tool("search", "weather"))
	fmt.Println(err)
	// Output:
	// weather <nil>
	// search: denied by shared: the call is a run of its own, and what guards it counts over the calls of a run (indeterminate)
}

func ExampleReach() {
	onTools := middleware.ToolCalls("careful", func(context.Context, middleware.ToolCall) error { return nil })
	defer func() { fmt.Println(recover()) }()
	middleware.Reach{
		What: "myadapter: Model(gpt)", Kinds: []middleware.Kind{middleware.KindModel}, Instead: "Guard the agent",
	}.Check(onTools)
	// Output: myadapter: Model(gpt): the gate careful is for tool and plan calls, and only model calls come here: it would do nothing. Guard the agent
}
