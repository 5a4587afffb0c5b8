package middlewaretest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMakers(t *testing.T) {
	tests := []struct {
		call middleware.Call
		kind middleware.Kind
		name string
	}{
		{middlewaretest.Tool("shell", "ls"), middleware.KindTool, "shell"},
		{middlewaretest.Chain("qa", nil), middleware.KindChain, "qa"},
		{middlewaretest.Model("hi", "there"), middleware.KindModel, "model"},
		{middlewaretest.Plan(), middleware.KindPlan, "agent"},
		{middlewaretest.Retriever("q"), middleware.KindRetriever, "retriever"},
	}
	for _, tt := range tests {
		if tt.call.Kind != tt.kind || tt.call.Name != tt.name || tt.call.Input == nil {
			t.Errorf("got %+v, want a call of kind %v, named %q, with an Input", tt.call, tt.kind, tt.name)
		}
	}
	req := middlewaretest.Model("hi", "there").Input.(*middleware.ModelRequest)
	if len(req.Messages) != 2 || req.Messages[1].Parts[0].Text != "there" || req.Messages[1].Parts[0].Size != 5 {
		t.Errorf("got messages %+v, want one for each prompt", req.Messages)
	}
}

func TestHandlers(t *testing.T) {
	ctx, call := t.Context(), middlewaretest.Tool("shell", "ls")
	if res, err := middlewaretest.Echo(ctx, call); res.Output != "ls" || err != nil {
		t.Errorf("Echo: got %v, %v, want the Input", res.Output, err)
	}
	failure := errors.New("no such tool")
	if res, err := middlewaretest.Fail(failure)(ctx, call); res.Output != nil || err != failure {
		t.Errorf("Fail: got %v, %v, want its error alone", res.Output, err)
	}
	if res, _ := middlewaretest.Planner()(ctx, middlewaretest.Plan()); res.Output.(*middleware.Plan).Final == nil {
		t.Error("Planner without calls: got no final answer")
	}
	find := middlewaretest.Documents(middleware.Document{Text: "a page", Metadata: map[string]any{"source": "a"}, Score: 0.5})
	for range 2 { // what the caller makes of one answer is not in the next
		res, err := find(ctx, middlewaretest.Retriever("q"))
		docs, _ := res.Output.([]middleware.Document)
		if err != nil || len(docs) != 1 || docs[0].Text != "a page" || docs[0].Metadata["source"] != "a" || docs[0].Score != 0.5 {
			t.Fatalf("Documents: got %+v, %v", res.Output, err)
		}
		docs[0].Text, docs[0].Metadata["source"] = "", "b"
	}
	if res, _ := middlewaretest.Documents()(ctx, middlewaretest.Retriever("q")); res.Output.([]middleware.Document) == nil {
		t.Error("Documents without any: got nil, want an empty list")
	}
	if v := panicOf(func() { middlewaretest.Fail(nil) }); v != "middlewaretest: Fail: nil error" {
		t.Errorf("Fail(nil): got panic %v", v)
	}
}

func TestSpy(t *testing.T) {
	spy := middlewaretest.Spy{Next: middlewaretest.Answer("hi", 1, 2)}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { _, _ = spy.Handle(t.Context(), middlewaretest.Model("hello")) })
	}
	wg.Wait()
	if got := len(spy.Calls()); got != 100 {
		t.Errorf("got %d calls, want 100", got)
	}
	if res, _ := spy.Handle(t.Context(), middlewaretest.Model("hello")); res.Usage.Tokens() != 3 {
		t.Errorf("got %d tokens, want those of Next", res.Usage.Tokens())
	}
}

func TestInRun(t *testing.T) {
	t.Run("shares the run", func(t *testing.T) {
		var runs []*middleware.Run
		err := middlewaretest.InRun(func(ctx context.Context) {
			h := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
				runs = append(runs, middleware.RunOf(ctx))
				return middleware.Result{}, nil
			}, noRoot)
			for range 2 {
				_, _ = h(ctx, middlewaretest.Tool("shell", "ls"))
			}
		})
		if err != nil || len(runs) != 2 || runs[0] == nil || runs[0] != runs[1] {
			t.Errorf("got runs %v and error %v, want one run twice", runs, err)
		}
	})
	t.Run("the chain is guarded", func(t *testing.T) {
		closed := middleware.Before("closed", func(context.Context, middleware.Call) error {
			return middleware.Deny(middleware.CodePolicy, "closed")
		})
		err := middlewaretest.InRun(func(context.Context) { t.Error("got in") }, closed)
		middlewaretest.WantDenied(t, err, middleware.CodePolicy)
	})
	t.Run("a panic goes on", func(t *testing.T) {
		v := panicOf(func() { _ = middlewaretest.InRun(func(context.Context) { panic("boom") }) })
		if v != "boom" {
			t.Errorf("got panic %v, want boom", v)
		}
	})
}

// A fakeT is a testing.TB that notes how it was failed.
type fakeT struct {
	testing.TB
	failed string
}

func (*fakeT) Helper()                          {}
func (f *fakeT) Fatalf(format string, a ...any) { f.failed = fmt.Sprintf(format, a...) }

func TestWantDenied(t *testing.T) {
	denied := middleware.Deny(middleware.CodeLoop, "again")
	tests := []struct {
		err  error
		fail string // what the failure says; empty for none
	}{
		{denied, ""},
		{fmt.Errorf("the chain: %w", denied), ""},
		{nil, "got error <nil>, want a denial with code loop"},
		{os.ErrNotExist, "got error file does not exist"},
		{(*middleware.DeniedError)(nil), "want a denial"},
		{middleware.Deny(middleware.CodePolicy, "no"), "got a denial with code policy"},
	}
	for _, tt := range tests {
		f := &fakeT{TB: t}
		d := middlewaretest.WantDenied(f, tt.err, middleware.CodeLoop)
		switch {
		case tt.fail == "" && (f.failed != "" || d == nil || d.Reason != "again"):
			t.Errorf("%v: got %v and failure %q, want the denial", tt.err, d, f.failed)
		case tt.fail != "" && !strings.Contains(f.failed, tt.fail):
			t.Errorf("%v: got failure %q, want %q in it", tt.err, f.failed, tt.fail)
		}
	}
}

func panicOf(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}
