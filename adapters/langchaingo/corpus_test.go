package langchaingo_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"

	"example.com/safeconduct/internal/missing"
)

// corpus opens a file of the public corpora, or skips the test.
func corpus(t *testing.T, name ...string) io.Reader {
	t.Helper()
	dir := os.Getenv("SAFECONDUCT_CORPORA")
	if dir == "" {
		missing.Skip(t, "corpora", "SAFECONDUCT_CORPORA is unset")
	}
	f, err := os.Open(filepath.Join(append([]string{dir}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// lines decodes a file of one JSON value a line.
func lines[T any](t *testing.T, r io.Reader) (all []T) {
	t.Helper()
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// asks is a model that asks for one tool call a turn, and then ends.
func asks(calls ...llms.FunctionCall) *script {
	s := &script{}
	for i, c := range calls {
		s.answers = append(s.answers, &llms.ContentChoice{StopReason: "tool_calls", ToolCalls: []llms.ToolCall{
			{ID: fmt.Sprint("call_", i), Type: "function", FunctionCall: &c},
		}})
	}
	s.answers = append(s.answers, &llms.ContentChoice{Content: "done", StopReason: "stop"})
	return s
}

// A counter is a set of tools that do nothing but to count their calls.
type counter struct{ calls int }

func (c *counter) tool(name string) tools.Tool {
	return &funcTool{name, func(context.Context, string) (string, error) {
		c.calls++
		return "ok", nil
	}}
}

// TestCorpusToolCalls puts the published tool calls of the Berkeley
// function-calling leaderboard, and mutations of them, through a guarded agent of
// langchaingo: a model that asks for the call, the executor's way to find a
// tool, the allowlist and the argument contract. Each verdict is as expected,
// and what is denied never runs.
func TestCorpusToolCalls(t *testing.T) {
	z, err := gzip.NewReader(corpus(t, "bfcl", "tool_gate_cases.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	schemas := map[string]*schema.Schema{}
	right, wrong := 0, 0
	for _, c := range lines[struct {
		Source, Tool, Kind, Expect string
		Registered                 []string
		Schema, Args               json.RawMessage
	}](t, z) {
		s := schemas[string(c.Schema)]
		if s == nil {
			s = must[*schema.Schema](t)(schema.Compile(c.Tool, c.Schema))
			schemas[string(c.Schema)] = s
		}
		var ran counter
		registered := make([]tools.Tool, 0, len(c.Registered))
		contracts := schema.Tools{}
		for _, name := range c.Registered {
			registered = append(registered, ran.tool(name))
			contracts[name] = s
		}
		model := asks(llms.FunctionCall{Name: c.Tool, Arguments: string(c.Args)})
		agent := langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(model, registered)),
			gates.Tools(c.Registered...), schema.Input(contracts))
		_, err := chains.Run(t.Context(), agent, "go")
		var d *middleware.DeniedError
		allowed := err == nil && ran.calls == 1
		denied := errors.As(err, &d) && ran.calls == 0
		if c.Expect == "allow" && allowed || c.Expect == "deny" && denied {
			right++
		} else if wrong++; wrong < 10 {
			t.Errorf("%s, %s of %s: got %v, and %d calls ran; want %s", c.Source, c.Kind, c.Tool, err, ran.calls, c.Expect)
		}
	}
	if right != 11924 || wrong != 0 {
		t.Errorf("got %d verdicts right and %d wrong, want 11924 and none", right, wrong)
	}
}

// An airline is the recorded tool calls of 100 runs of an airline's agent, with
// what its rules need to know.
type airline struct {
	runs     [][]llms.FunctionCall
	expected [][]string // the verdict for each call
	tools    []string
	schemas  schema.Tools
	facts    struct {
		Reservations map[string]struct {
			User string `json:"user_id"`
		}
		Users map[string]struct {
			Methods map[string]string `json:"payment_methods"`
		}
	}
	booked middleware.Local[bookings]
}

// bookings are whose the reservations are that a run has booked itself.
type bookings struct{ user sync.Map }

func readAirline(t *testing.T) *airline {
	t.Helper()
	a := &airline{schemas: schema.Tools{}}
	var defs []struct {
		Function struct {
			Name       string
			Parameters json.RawMessage
		}
	}
	if err := json.NewDecoder(corpus(t, "tau-bench", "airline_tools.json")).Decode(&defs); err != nil {
		t.Fatal(err)
	}
	for _, d := range defs {
		a.tools = append(a.tools, d.Function.Name)
		a.schemas[d.Function.Name] = must[*schema.Schema](t)(schema.Compile(d.Function.Name, d.Function.Parameters))
	}
	if err := json.NewDecoder(corpus(t, "tau-bench", "airline_facts.json")).Decode(&a.facts); err != nil {
		t.Fatal(err)
	}
	verdicts := lines[struct{ Expect string }](t, corpus(t, "tau-bench", "airline_expected_verdicts.jsonl"))
	run := ""
	for i, c := range lines[struct {
		Task      int `json:"task_id"`
		Trial     int
		Name      string
		Arguments string
	}](t, corpus(t, "tau-bench", "airline_calls.jsonl")) {
		if id := fmt.Sprint(c.Task, c.Trial); id != run {
			run = id
			a.runs, a.expected = append(a.runs, nil), append(a.expected, nil)
		}
		last := len(a.runs) - 1
		a.runs[last] = append(a.runs[last], llms.FunctionCall{Name: c.Name, Arguments: c.Arguments})
		a.expected[last] = append(a.expected[last], verdicts[i].Expect)
	}
	return a
}

// agent is a guarded agent that replays one run.
func (a *airline) agent(run int, ran *counter, is ...middleware.Interceptor) chains.Chain {
	registered := make([]tools.Tool, 0, len(a.tools))
	for _, name := range a.tools {
		tool := ran.tool(name)
		if name == "book_reservation" {
			tool = &funcTool{name, func(_ context.Context, input string) (string, error) {
				var args struct {
					User string `json:"user_id"`
				}
				ran.calls++
				err := json.Unmarshal([]byte(input), &args)
				return `{"reservation_id":"HATHAT","user_id":"` + args.User + `"}`, err
			}}
		}
		registered = append(registered, tool)
	}
	return a.replay(a.runs[run], registered, is...)
}

func (a *airline) replay(calls []llms.FunctionCall, registered []tools.Tool, is ...middleware.Interceptor) chains.Chain {
	return langchaingo.Executor(agents.NewExecutor(agents.NewOpenAIFunctionsAgent(asks(calls...), registered),
		agents.WithMaxIterations(len(calls)+1)), is...)
}

// guard is what the airline's agent has to keep to: allowlist, schemas, and its
// rules about arguments. The one func is for what only the airline knows.
func (a *airline) guard() []middleware.Interceptor {
	card := gates.Arg("payment_id", gates.Prefix("credit_card_", "gift_card_"))
	owned := gates.Check(func(ctx context.Context, _ middleware.Call, args map[string]any) error {
		user, _ := args["user_id"].(string)
		if user == "" {
			id, _ := args["reservation_id"].(string)
			user = a.facts.Reservations[id].User
			if u, ok := a.booked.In(middleware.RunOf(ctx)).user.Load(id); ok {
				user = u.(string)
			}
		}
		var paid []any
		if list, ok := args["payment_methods"].([]any); ok {
			for _, m := range list {
				paid = append(paid, m.(map[string]any)["payment_id"])
			}
		} else if id, ok := args["payment_id"]; ok {
			paid = append(paid, id)
		}
		for _, id := range paid {
			if _, ok := a.facts.Users[user].Methods[id.(string)]; !ok {
				return middleware.Deny(middleware.CodePolicy, "the payment method is not in the user's profile")
			}
		}
		return nil
	})
	byMethod := func(most int, prefix string) gates.Condition {
		return gates.AtMost(most, gates.Field("payment_id", gates.Prefix(prefix)))
	}
	return []middleware.Interceptor{
		gates.Tools(a.tools...),
		schema.Input(a.schemas),
		gates.Arguments(gates.ArgumentRules{
			"book_reservation": {
				gates.Arg("passengers", gates.Length(1, 5)),
				gates.Arg("payment_methods", byMethod(1, "certificate_"), byMethod(1, "credit_card_"), byMethod(3, "gift_card_")),
				owned,
			},
			"update_reservation_flights":  {card, owned},
			"update_reservation_baggages": {owned},
		}),
		a.learn,
	}
}

// learn notes what a run books: it may change that later on.
func (a *airline) learn(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "bookings"}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		if said, ok := res.Output.(string); err == nil && ok && call.Kind == middleware.KindTool && call.Name == "book_reservation" {
			var made struct {
				ID   string `json:"reservation_id"`
				User string `json:"user_id"`
			}
			if err := json.Unmarshal([]byte(said), &made); err == nil && made.ID != "" {
				a.booked.In(middleware.RunOf(ctx)).user.Store(made.ID, made.User)
			}
		}
		return res, err
	}
}

// TestAReservationThatTheRunBooked shows that the airline's rule knows whose it is,
// in that run and in no other.
func TestAReservationThatTheRunBooked(t *testing.T) {
	a := readAirline(t)
	var book llms.FunctionCall
	var user, mine, other string
	for _, run := range a.runs {
		for _, c := range run {
			if c.Name == "book_reservation" && book.Name == "" {
				book = c
			}
		}
	}
	var args struct {
		User     string `json:"user_id"`
		Payments []struct {
			ID string `json:"payment_id"`
		} `json:"payment_methods"`
	}
	if err := json.Unmarshal([]byte(book.Arguments), &args); err != nil {
		t.Fatal(err)
	}
	user = args.User
	for id := range a.facts.Users[user].Methods {
		if mine = id; strings.HasPrefix(id, "credit_card_") {
			break
		}
	}
	for who, u := range a.facts.Users {
		for id := range u.Methods {
			if who != user {
				other = id
			}
		}
	}
	bags := func(payment string) llms.FunctionCall {
		return llms.FunctionCall{Name: "update_reservation_baggages",
			Arguments: `{"reservation_id":"HATHAT","total_baggages":4,"nonfree_baggages":2,"payment_id":"` + payment + `"}`}
	}
	for name, tt := range map[string]struct {
		calls []llms.FunctionCall
		ran   int
	}{
		"by a means of its user":    {[]llms.FunctionCall{book, bags(mine)}, 2},
		"by one of somebody else's": {[]llms.FunctionCall{book, bags(other)}, 1},
		"booked in another run":     {[]llms.FunctionCall{bags(mine)}, 0},
	} {
		a.runs = append(a.runs[:0:0], tt.calls)
		var ran counter
		_, err := chains.Run(t.Context(), a.agent(0, &ran, a.guard()...), "go")
		var d *middleware.DeniedError
		if denied := errors.As(err, &d); ran.calls != tt.ran || denied == (tt.ran == len(tt.calls)) || !denied && err != nil {
			t.Errorf("%s: %d calls ran, and %v; want %d", name, ran.calls, err, tt.ran)
		}
	}
}

// TestCorpusAirline replays the recorded runs through a guarded agent, which is
// told of denials and goes on. The schemas deny none of the 572 calls, and the
// rules the nine that break the airline's policy, and no others.
func TestCorpusAirline(t *testing.T) {
	a := readAirline(t)
	calls, denied := 0, 0
	for run := range a.runs {
		var ran counter
		var seen spy
		agent := a.agent(run, &ran, append([]middleware.Interceptor{middleware.Tell, seen.intercept}, a.guard()...)...)
		if _, err := chains.Run(t.Context(), agent, "go"); err != nil {
			t.Errorf("run %d: %v", run, err)
		}
		turn, refused := 0, 0
		for i, c := range seen.calls {
			if c.Kind != middleware.KindPlan || turn == len(a.expected[run]) {
				continue
			}
			want := a.expected[run][turn]
			turn++
			var d *middleware.DeniedError
			switch isDenied := errors.As(seen.errs[i], &d); {
			case isDenied != (want == "deny"):
				t.Errorf("run %d, call %d: got %v, want %s", run, turn, seen.errs[i], want)
			case isDenied && d.Gate != "arguments":
				t.Errorf("run %d, call %d: denied by %s", run, turn, d.Gate)
			case isDenied:
				refused++
			}
		}
		if turn != len(a.runs[run]) || ran.calls != turn-refused {
			t.Errorf("run %d: %d turns and %d calls that ran, want %d and %d", run, turn, ran.calls, len(a.runs[run]), turn-refused)
		}
		calls, denied = calls+turn, denied+refused
	}
	if calls != 572 || denied != 9 {
		t.Errorf("got %d calls and %d denials, want 572 and 9", calls, denied)
	}
}

// TestCorpusAirlineBudgets replays the recorded runs under a budget of tool
// calls, which stops those that ask for more, and nothing else.
func TestCorpusAirlineBudgets(t *testing.T) {
	a := readAirline(t)
	for _, tt := range []struct {
		budget      int64
		runs, calls int
	}{{5, 46, 228}, {10, 14, 71}, {20, 2, 10}} {
		runs, calls := 0, 0
		gate := gates.Budget(gates.Limits{ToolCalls: tt.budget})
		for run := range a.runs {
			var ran counter
			_, err := chains.Run(t.Context(), a.agent(run, &ran, gates.Tools(a.tools...), schema.Input(a.schemas), gate), "go")
			var d *middleware.DeniedError
			switch stopped := len(a.runs[run]) - ran.calls; {
			case stopped == 0 && err == nil:
			case stopped > 0 && errors.As(err, &d) && d.Code == middleware.CodeOverBudget:
				runs, calls = runs+1, calls+stopped
			default:
				t.Errorf("run %d: %d of %d calls ran, and %v", run, ran.calls, len(a.runs[run]), err)
			}
		}
		if runs != tt.runs || calls != tt.calls {
			t.Errorf("a budget of %d stopped %d runs and %d calls, want %d and %d", tt.budget, runs, calls, tt.runs, tt.calls)
		}
	}
}

// TestCorpusAirlineLoops counts what the loop guard, as it is by default, makes
// of the recorded runs: those of real agents, which repeat themselves little.
func TestCorpusAirlineLoops(t *testing.T) {
	a := readAirline(t)
	var told []string
	for run := range a.runs {
		var ran counter
		_, err := chains.Run(t.Context(), a.agent(run, &ran, gates.Loop(gates.LoopRules{})), "go")
		if stopped := len(a.runs[run]) - ran.calls; stopped > 0 || err != nil {
			told = append(told, fmt.Sprintf("run %d: %d calls, %v", run, stopped, err))
		}
	}
	if len(told) > 0 {
		t.Errorf("the loop guard saw loops:\n%s", strings.Join(told, "\n"))
	}
}
