package evidence_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

func TestRecords(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	if err := agent(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range ledgertest.Entries(t, dir) {
		line := string(e.Record.Kind)
		if c := e.Record.Call; c != nil {
			line += fmt.Sprintf(" %d<%d %s %s", c.ID, c.Parent, c.Kind, c.Name)
		}
		if o := e.Record.Outcome; o != nil {
			line += " " + string(o.Result)
		}
		got = append(got, line)
	}
	want := []string{
		"key.session",
		"run.start",
		"intent 1<0 chain agent",
		"intent 2<1 model m",
		"outcome 2<1 model m done",
		"intent 3<1 tool calculator",
		"outcome 3<1 tool calculator done",
		"intent 4<1 tool shell",
		"outcome 4<1 tool shell denied",
		"outcome 1<0 chain agent done",
		"run.end",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got records\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	report := ledgertest.WantIntact(t, dir)
	if report.Runs != 1 || report.Interrupted != 0 || report.Calls != 4 || report.Done != 3 || report.Denied != 1 || report.Unknown != 0 {
		t.Errorf("got report %+v", report)
	}
	if report.Ledger != r.Ledger() {
		t.Errorf("got origin %q, want %q", report.Ledger, r.Ledger())
	}
}

func TestStructure(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	if err := agent(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	all := ledgertest.Entries(t, dir)
	start, intent, outcome, denied, end := all[1], all[3].Record, all[4].Record, all[8].Record, all[10].Record

	if who := start.Record.Who; who == nil || *who != (record.Who{Session: "s-1", Subject: "alice", Tenant: "acme"}) {
		t.Errorf("run.start: got who %+v", who)
	}
	q := intent.Request
	if q == nil || len(q.Messages) != 1 || q.Messages[0] != (record.Message{Role: "human", Size: 16}) ||
		!slices.Equal(q.Tools, []string{"calculator", "shell"}) || q.Temperature != "0.2" || q.MaxTokens != 100 {
		t.Errorf("intent: got request %+v", q)
	}
	a := outcome.Response
	if a == nil || a.Model != "m-1" || len(a.Choices) != 1 || a.Choices[0].StopReason != "tool_calls" ||
		!slices.Equal(a.Choices[0].ToolCalls, []record.ToolCall{{Name: "calculator", Size: 5}}) {
		t.Errorf("outcome: got response %+v", a)
	}
	if u := outcome.Usage; u == nil || *u != (record.Usage{Input: 120, Output: 8, Total: 128, Reported: true}) {
		t.Errorf("outcome: got usage %+v", u)
	}
	o := denied.Outcome
	if o.Gate != "tools" || o.Code != "tool_not_allowed" || o.Reason != "shell is not on the list" || !o.Told || o.Reached {
		t.Errorf("denied: got outcome %+v", o)
	}
	if len(denied.Decisions) != 1 || denied.Decisions[0].Verdict != "deny" || denied.Decisions[0].Gate != "tools" {
		t.Errorf("denied: got decisions %+v", denied.Decisions)
	}
	if e := end.RunEnd; e.Calls != 4 || e.Records != 10 || e.Head != all[9].Hash {
		t.Errorf("run.end: got %+v, want 4 calls, 10 records, head %v", e, all[9].Hash)
	}
	for _, e := range all[2:] {
		if e.Subject != (record.Subject{Name: record.SubjectRun, Digest: start.Hash}) {
			t.Errorf("%s: got subject %+v, want the hash of run.start", e.Record.Kind, e.Subject)
		}
	}
}

// call makes one call of a run of its own, recorded, with h inside the gates.
func call(t testing.TB, r *evidence.Recorder, c middleware.Call, h middleware.Handler, gates ...middleware.Interceptor) (middleware.Result, error) {
	t.Helper()
	return middleware.Wrap(h, append([]middleware.Interceptor{r.Intercept}, gates...)...)(t.Context(), c)
}

var shell = middleware.Call{Kind: middleware.KindTool, Name: "shell", Input: "ls"}

func say(output any) middleware.Handler {
	return func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: output}, nil
	}
}

func fail(err error) middleware.Handler {
	return func(context.Context, middleware.Call) (middleware.Result, error) { return middleware.Result{}, err }
}

func TestShadowAndTransformAreRecorded(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	var seen string
	_, err := call(t, r, shell, func(_ context.Context, c middleware.Call) (middleware.Result, error) {
		seen = c.Input.(string)
		return middleware.Result{Output: "ok"}, nil
	},
		middleware.Shadow(middleware.Before("strict", func(context.Context, middleware.Call) error {
			return middleware.Deny(middleware.CodePolicy, "no shells")
		})),
		middleware.Transform("quote", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) {
			c.Input = "ls -- ."
			return c, true, nil
		}),
		middleware.Transform("idle", func(_ context.Context, c middleware.Call) (middleware.Call, bool, error) { return c, false, nil }),
	)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	ledgertest.WantIntact(t, dir)
	all := ledgertest.Entries(t, dir)
	var got []string
	for _, d := range all[3].Record.Decisions {
		got = append(got, fmt.Sprintf("%s %s %v %s", d.Gate, d.Verdict, d.Shadow, d.Code))
	}
	if want := []string{"strict deny true policy", "quote transform false ", "idle allow false "}; !slices.Equal(got, want) {
		t.Errorf("got decisions %q, want %q", got, want)
	}
	if in, ran := all[2].Record.Input, all[3].Record.Ran; in.Size != 2 || ran == nil || ran.Size != int64(len(seen)) {
		t.Errorf("got input %+v and ran %+v, want sizes 2 and %d", in, ran, len(seen))
	}
}

func TestRanIsLeftOutWhereNothingChanged(t *testing.T) {
	for _, input := range []any{"ls", map[string]any{"a": 1}, &middleware.ModelRequest{}, nil, []int{1}} {
		dir := ledgertest.Dir(t)
		r := open(t, dir, evidence.Config{})
		_, _ = call(t, r, middleware.Call{Kind: middleware.KindRetriever, Name: "x", Input: input}, say("ok"))
		_ = r.Close(t.Context())
		o := ledgertest.Entries(t, dir)[3].Record
		if _, slice := input.([]int); (o.Ran != nil) != slice || !o.Outcome.Reached {
			t.Errorf("input %T: got ran %+v, reached %v", input, o.Ran, o.Outcome.Reached)
		}
	}
}

// What a call takes and returns is changed by its owner afterwards.
func TestSnapshotsAreTakenAtOnce(t *testing.T) {
	dir := ledgertest.Dir(t)
	var disclosed []record.Disclosure
	r := open(t, dir, evidence.Config{Disclose: func(d record.Disclosure) { disclosed = append(disclosed, d) }})
	in := map[string]any{"q": "before", "n": 1, "list": []string{"before"}}
	out := &middleware.ModelResponse{Choices: []middleware.Choice{{Text: "before", ToolCalls: []middleware.ToolCall{{Name: "before"}}}}}
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		in["q"], in["n"] = "after", 2
		in["list"].([]string)[0] = "after"
		return middleware.Result{Output: out}, nil
	}, r.Intercept, changing(func() {}))
	outer := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		_, err := h(ctx, middleware.Call{Kind: middleware.KindModel, Name: "m", Input: in})
		out.Choices[0].Text = "after"
		out.Choices[0].ToolCalls[0].Name = "after"
		return middleware.Result{}, err
	}, changing(func() {}))
	if _, err := outer(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "c"}); err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	if len(disclosed) != 2 {
		t.Fatalf("got %d disclosures, want 2", len(disclosed))
	}
	for _, d := range disclosed {
		if _, v, err := d.Open(); err != nil || strings.Contains(string(v), "after") || !strings.Contains(string(v), "before") {
			t.Errorf("got content %s, %v, want that of before", v, err)
		}
	}
}

// changing is an interceptor that calls f and passes.
func changing(f func()) middleware.Interceptor {
	return func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			f()
			return next(ctx, call)
		}
	}
}

// A run whose root call is not recorded has no start and no end.
func TestPartialRun(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	tool := middleware.Wrap(say("ok"), r.Intercept)
	chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		return tool(ctx, shell)
	}, changing(func() {}))
	if _, err := chain(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "c"}); err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	if report := ledgertest.WantIntact(t, dir); report.Runs != 1 || report.Partial != 1 || report.Interrupted != 0 || report.Done != 1 {
		t.Errorf("got report %+v, want 1 partial run", report)
	}
	if s := ledgertest.Entries(t, dir)[1].Subject; s.Name != record.SubjectRunID {
		t.Errorf("got subject %+v, want the run's ID", s)
	}
}

// A call that outlives the root call of its run is recorded all the same.
func TestLateRecords(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	started, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	tool := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		close(started)
		<-release
		return middleware.Result{}, nil
	}, r.Intercept)
	later := middleware.Wrap(say("ok"), r.Intercept)
	_, err := call(t, r, middleware.Call{Kind: middleware.KindChain, Name: "c"}, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		wg.Go(func() {
			_, _ = tool(ctx, shell)
			_, _ = later(ctx, shell)
		})
		<-started
		return middleware.Result{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	close(release)
	wg.Wait()
	_ = r.Close(t.Context())
	if report := ledgertest.WantIntact(t, dir); report.Late != 3 || report.Interrupted != 0 || report.Unknown != 0 {
		t.Errorf("got report %+v, want 3 late records", report)
	}
}

// So is one that comes when its run has long been forgotten.
func TestLateAfterManyRuns(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Queue: 1 << 20})
	tool := middleware.Wrap(say("ok"), r.Intercept)
	var first context.Context
	_, err := call(t, r, middleware.Call{Kind: middleware.KindChain, Name: "c"}, func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		first = ctx
		return middleware.Result{}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 1100 {
		if _, err := tool(t.Context(), shell); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tool(first, shell); err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	if report := ledgertest.WantIntact(t, dir); report.Late != 2 || report.Runs != 1101 || report.Interrupted != 0 {
		t.Errorf("got report %+v, want 2 late records", report)
	}
}

func TestRecorderMustStandOutermost(t *testing.T) {
	r := open(t, ledgertest.Dir(t), evidence.Config{})
	gate := middleware.Before("g", func(context.Context, middleware.Call) error { return nil })
	for name, order := range map[string][]middleware.Interceptor{
		"inside a gate": {gate, r.Intercept},
		"twice":         {r.Intercept, r.Intercept, gate},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "recorder") {
					t.Errorf("got panic %v, want one that names the recorder", v)
				}
			}()
			middleware.Wrap(say("ok"), order...)
		})
	}
}

func TestRecorderOutsideOfWrap(t *testing.T) {
	r := open(t, ledgertest.Dir(t), evidence.Config{})
	if _, err := r.Intercept(say("ok"))(t.Context(), shell); err == nil {
		t.Error("got no error, want one: nothing could be recorded")
	}
}

type meter struct{ panics bool }

func (m *meter) Balances(*middleware.Run) []middleware.Balance {
	if m.panics {
		panic("meter")
	}
	return []middleware.Balance{{Gate: "budget", Scope: "run", Limit: "tool_calls", Max: 5, Used: 1 << 60}}
}

func TestBalances(t *testing.T) {
	for _, panics := range []bool{false, true} {
		dir := ledgertest.Dir(t)
		r := open(t, dir, evidence.Config{})
		tool := middleware.Wrap(say("ok"), r.Intercept)
		if _, err := call(t, r, middleware.Call{Kind: middleware.KindChain, Name: "c"},
			func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				middleware.RunOf(ctx).Attach(&meter{panics})
				return tool(ctx, shell)
			}); err != nil {
			t.Fatal(err)
		}
		_ = r.Close(t.Context())
		ledgertest.WantIntact(t, dir)
		want := []record.Balance{{Gate: "budget", Scope: "run", Limit: "tool_calls", Max: 5, Used: 1 << 60}}
		if panics {
			want = nil
		}
		if got := ledgertest.Entries(t, dir)[3].Record.Balances; !slices.Equal(got, want) {
			t.Errorf("got balances %+v, want %+v", got, want)
		}
	}
}

func TestManyGoroutines(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{ReadOnly: []string{"calculator"}, Queue: 1 << 20})
	const n = 200
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := agent(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	report := ledgertest.WantIntact(t, dir)
	if report.Runs != n || report.Calls != 4*n || report.Done != 3*n || report.Denied != n || report.Records != 1+10*n {
		t.Errorf("got report %+v, want %d runs", report, n)
	}
	if s := r.Stats(); s.Durable != 1+10*n || s.Waiting != 0 || s.Lost != 0 {
		t.Errorf("got stats %+v", s)
	}
}
