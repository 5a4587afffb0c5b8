package gates_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

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

func ExampleDeadline() {
	search := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		<-ctx.Done() // it would take for ever
		return middleware.Result{}, ctx.Err()
	}, gates.Deadline(gates.DeadlineRules{Call: time.Millisecond, Run: time.Minute}))
	_, err := search(context.Background(), middlewaretest.Tool("search", "q"))
	fmt.Println(err)
	// Output: search: denied by deadline: the call's 1ms are over (deadline)
}

func ExampleRate() {
	gate := gates.Rate(gates.RateRules{Calls: 2, Per: time.Hour, Scope: gates.ScopeProcess})
	search := middleware.Wrap(middlewaretest.Echo, gate)
	for range 3 {
		_, err := search(context.Background(), middlewaretest.Tool("search", "q"))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// search: denied by rate: 2 calls in 1h0m0s are allowed: the next one is due in 30m0s (busy)
}

func ExampleConcurrency() {
	gate := gates.Concurrency(1, gates.DenyWhenFull)
	search := middleware.Wrap(middlewaretest.Echo, gate)
	crawl := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		_, err := search(context.Background(), middlewaretest.Tool("search", "q")) // another run, at the same time
		fmt.Println(err)
		return middleware.Result{Output: "done"}, nil
	}, gate)
	res, err := crawl(context.Background(), middlewaretest.Tool("crawl", ""))
	fmt.Println(res.Output, err)
	// Output:
	// search: denied by concurrency: no more than 1 at a time (busy)
	// done <nil>
}

func ExampleSize() {
	tool := middleware.Wrap(middlewaretest.Echo, gates.Size(gates.SizeRules{Input: 100, Depth: 3}))
	for _, input := range []string{`{"q":["Go"]}`, "[[[[]]]]"} {
		_, err := tool(context.Background(), middlewaretest.Tool("search", input))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// search: denied by size: the input is nested deeper than 3 (bad_input)
}

func ExampleArguments() {
	gate := gates.Arguments(gates.ArgumentRules{
		"book": {
			gates.Arg("cabin", gates.OneOf("economy", "business")),
			gates.Arg("passengers", gates.Between(1, 5)),
			gates.Arg("payments", gates.AtMost(1, gates.Field("id", gates.Prefix("certificate_")))),
			gates.OptionalArg("note", gates.Length(0, 80)),
		},
	})
	book := middleware.Wrap(middlewaretest.Echo, gate)
	for _, args := range []string{
		`{"cabin":"economy","passengers":2,"payments":[{"id":"card_1"},{"id":"certificate_1"}]}`,
		`{"cabin":"first","passengers":2,"payments":[]}`,
		`{"cabin":"economy","passengers":9,"payments":[]}`,
		`{"cabin":"economy","passengers":2,"payments":[{"id":"certificate_1"},{"id":"certificate_2"}]}`,
		`{"cabin":"economy","Cabin":"first","passengers":2,"payments":[]}`,
	} {
		_, err := book(context.Background(), middlewaretest.Tool("book", args))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// book: denied by arguments: argument "cabin" must be one of "economy", "business" (policy)
	// book: denied by arguments: argument "passengers" must be a number between 1 and 5 (policy)
	// book: denied by arguments: argument "payments" must be a list in which no more than 1 items may have a field "id", which must begin with "certificate_" (policy)
	// book: denied by arguments: the input has a name twice, or two that differ by case only (bad_input)
}

// Text is for a tool whose whole input is one text, such as those of ReAct agents.
func ExampleText() {
	gate := gates.Arguments(gates.ArgumentRules{
		"weather": {gates.Text(gates.OneOf("Lisbon", "Oslo"))},
	})
	weather := middleware.Wrap(middlewaretest.Echo, gate)
	for _, city := range []string{"Oslo", "Oslo; then ls"} {
		_, err := weather(context.Background(), middlewaretest.Tool("weather", city))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// weather: denied by arguments: the input must be one of "Lisbon", "Oslo" (policy)
}

// Arg has to be there. What no rule names is for schema.Input to refuse.
func ExampleArg() {
	gate := gates.Arguments(gates.ArgumentRules{
		"refund": {gates.Arg("cents", gates.Between(1, 5_000))},
	})
	refund := middleware.Wrap(middlewaretest.Echo, gate)
	for _, args := range []string{`{"cents":1999}`, `{"cents":9900}`, `{}`} {
		_, err := refund(context.Background(), middlewaretest.Tool("refund", args))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// refund: denied by arguments: argument "cents" must be a number between 1 and 5000 (policy)
	// refund: denied by arguments: argument "cents" is required (bad_input)
}

func ExampleCheck() {
	owner := map[string]string{"R1": "mia", "R2": "raj"} // facts that rules alone do not know
	gate := gates.Arguments(gates.ArgumentRules{"cancel": {
		gates.Check(func(_ context.Context, _ middleware.Call, args map[string]any) error {
			if id, _ := args["reservation"].(string); owner[id] != "mia" {
				return middleware.Deny(middleware.CodePolicy, "the reservation is somebody else's")
			}
			return nil
		}),
	}})
	_, err := middleware.Wrap(middlewaretest.Echo, gate)(context.Background(), middlewaretest.Tool("cancel", `{"reservation":"R2"}`))
	fmt.Println(err)
	// Output: cancel: denied by arguments: the reservation is somebody else's (policy)
}

func ExampleOpenFolder() {
	dir, err := os.MkdirTemp("", "docs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	folder, err := gates.OpenFolder(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer folder.Close()
	read := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		f, err := folder.Open("a.txt") // not os.Open: a link may have been put there since
		if err != nil {
			return middleware.Result{}, err
		}
		return middleware.Result{Output: "read"}, f.Close()
	}, gates.Arguments(gates.ArgumentRules{"read": {gates.Arg("path", folder.Path())}}))
	_, err = read(context.Background(), middlewaretest.Tool("read", `{"path":"../../etc/passwd"}`))
	fmt.Println(strings.ReplaceAll(err.Error(), strconv.Quote(dir), `"/srv/docs"`))
	// Output: read: denied by arguments: argument "path" must be a path in the folder "/srv/docs" (policy)
}

func ExampleNewWeb() {
	web := gates.NewWeb(gates.WebRules{Hosts: []string{"*.example.com"}})
	fetch := middleware.Wrap(middlewaretest.Echo, // one that fetches with web.Client()
		gates.Arguments(gates.ArgumentRules{"fetch": {gates.Arg("url", web.URL())}}))
	for _, url := range []string{"https://api.example.com/v1", "http://169.254.169.254/", "https://api.example.com@evil.com/"} {
		_, err := fetch(context.Background(), middlewaretest.Tool("fetch", `{"url":"`+url+`"}`))
		fmt.Println(err)
	}
	_, err := web.DialContext(context.Background(), "tcp", "[::ffff:127.0.0.1]:443")
	fmt.Println(err)
	// Output:
	// <nil>
	// fetch: denied by arguments: argument "url" must be the URL of a host that the tool may reach, by https: "*.example.com" (policy)
	// fetch: denied by arguments: argument "url" must be the URL of a host that the tool may reach, by https: "*.example.com" (policy)
	// denied by arguments: the URL must be of a host that the tool may reach, by https: "*.example.com" (policy)
}

// What a denial does not name, neither a model nor a user reads.
func ExampleQuiet() {
	open := middleware.Wrap(middlewaretest.Echo, gates.Arguments(gates.ArgumentRules{
		"open": {gates.Arg("door", gates.Quiet(gates.OneOf("garden", "vault")))},
	}))
	_, err := open(context.Background(), middlewaretest.Tool("open", `{"door":"front"}`))
	fmt.Println(err)
	// Output: open: denied by arguments: argument "door" must be one of the values that are listed (policy)
}

func ExampleFolder_Quiet() {
	folder, err := gates.OpenFolder(".")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer folder.Close()
	_, err = folder.Quiet().Open("/etc/passwd")
	fmt.Println(err)
	// Output: denied by arguments: the path must be in the folder that the tool may use (policy)
}

func ExampleReadOnlySQL() {
	query := middleware.Wrap(middlewaretest.Echo, gates.Arguments(gates.ArgumentRules{
		"query": {gates.Text(gates.ReadOnlySQL())}, // its input is SQL, not JSON
	}))
	for _, sql := range []string{"SELECT name FROM users", "SELECT 1; DROP TABLE users"} {
		_, err := query(context.Background(), middlewaretest.Tool("query", sql))
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// query: denied by arguments: the input must be one SQL query that only reads (policy)
}

// Not lists what is denied. A value that cannot be judged is denied too.
func ExampleNot() {
	shell := middleware.Wrap(middlewaretest.Echo, middleware.Tell, gates.Arguments(gates.ArgumentRules{
		"shell": {gates.Arg("command", gates.Not(gates.OneOf("rm", "dd")))},
	}))
	for _, args := range []string{`{"command":"ls"}`, `{"command":"r\u006d"}`, `{"command":["rm"]}`} {
		res, err := shell(context.Background(), middlewaretest.Tool("shell", args))
		fmt.Println(res.Output, err)
	}
	// Output:
	// {"command":"ls"} <nil>
	// Denied (policy): argument "command" must not be one of the values that are listed. Do not repeat this call unchanged. <nil>
	// Denied (bad_input): argument "command" must not be one of the values that are listed. Correct the arguments, then call again. <nil>
}

// Each item of a list is judged by itself.
func ExampleEach() {
	send := middleware.Wrap(middlewaretest.Echo, middleware.Tell, gates.Arguments(gates.ArgumentRules{
		"send": {
			gates.Arg("to", gates.Each(gates.Prefix("ann@", "bob@"))),
			gates.OptionalArg("urgent", gates.Equal(false)),
		},
	}))
	for _, args := range []string{`{"to":["ann@example.com"]}`, `{"to":["ann@example.com","eve@example.com"]}`, `{"to":[],"urgent":true}`} {
		res, err := send(context.Background(), middlewaretest.Tool("send", args))
		fmt.Println(res.Output, err)
	}
	// Output:
	// {"to":["ann@example.com"]} <nil>
	// Denied (policy): argument "to" must be a list in which each item must begin with one of "ann@", "bob@". Do not repeat this call unchanged. <nil>
	// Denied (policy): argument "urgent" must be false. Do not repeat this call unchanged. <nil>
}
