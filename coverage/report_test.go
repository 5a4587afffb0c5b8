package coverage_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/coverage"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

func support() *agents.Executor {
	model := langchaingotest.NewModel(nil)
	web := langchaingo.Tool(langchaingotest.NewTool(nil, "web"), gates.Tools("web"))
	return agents.NewExecutor(agents.NewOneShotAgent(model, []tools.Tool{langchaingotest.NewTool(nil, "calc"), web}))
}

func ExampleWalk() {
	fmt.Print(coverage.Walk(support()))
	// Output:
	// model     Executor.Agent.Chain.LLM (langchaingotest.Model)
	//           NOT GUARDED
	// tool      Executor.Agent.Tools[calc] (calc)
	//           NOT GUARDED
	// tool      Executor.Agent.Tools[web] (web)
	//           guarded by tools
	// 1 guarded, 2 not guarded, 0 opaque
}

func ExampleRequire() {
	t := &printer{} // in a test, its testing.TB
	coverage.Require(t, support(), "Executor.Agent.Chain")
	coverage.Require(t, langchaingo.Executor(support(), gates.Tools("calc", "web")))
	// Output: coverage: tool Executor.Agent.Tools[calc] (calc): NOT GUARDED
}

type printer struct{}

func (*printer) Helper() {}
func (*printer) Errorf(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
}

type listener struct {
	helped bool
	said   []string
}

func (l *listener) Helper() { l.helped = true }

func (l *listener) Errorf(format string, args ...any) {
	l.said = append(l.said, fmt.Sprintf(format, args...))
}

// TestItemsSayWhatStandsAroundThem: a gate counts for the kinds of calls that it is for,
// and a shadow and a recorder are no gates.
func TestItemsSayWhatStandsAroundThem(t *testing.T) {
	recorder := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return middleware.Layer{Name: "recorder", Recorder: true}.Handler()
		}
		return next
	}
	for _, tt := range []struct {
		is   []middleware.Interceptor
		want string // of the model; of a tool
	}{
		{[]middleware.Interceptor{recorder}, "no gate is for it; recorded / no gate is for it; recorded"},
		{[]middleware.Interceptor{recorder, gates.Tools("calc")}, "no gate is for it; recorded / guarded by tools; recorded"},
		{[]middleware.Interceptor{middleware.Shadow(gates.Tools("calc")), gate()},
			"guarded by gate / guarded by gate; in shadow tools"},
		{[]middleware.Interceptor{middleware.On(middleware.KindModel, gate())}, "guarded by gate / no gate is for it"},
		{[]middleware.Interceptor{middleware.Compose(gate(), gates.Budget(gates.Limits{Tokens: 9}))},
			"guarded by gate, budget / guarded by gate"},
	} {
		text := coverage.Walk(langchaingo.Executor(support(), tt.is...)).String()
		lines := strings.Split(text, "\n")
		if got := strings.TrimSpace(lines[1]) + " / " + strings.TrimSpace(lines[3]); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
		for _, line := range lines {
			if len(line) > 80 {
				t.Errorf("%d columns: %s", len(line), line)
			}
		}
	}
}

func TestReportAsDataAndDigest(t *testing.T) {
	r := coverage.Walk(support())
	text, err := json.Marshal(r)
	if err != nil || !strings.HasPrefix(string(text), `{"items":[{"path":"Executor.Agent.Chain.LLM","what":"model","name":"langchaingotest.Model","guarded":false}`) {
		t.Errorf("got %s, %v", text, err)
	}
	if again := coverage.Walk(support()); again.Digest() != r.Digest() || r.Digest() == [32]byte{} {
		t.Errorf("got digests %x and %x", r.Digest(), again.Digest())
	}
	if coverage.Walk(langchaingo.Executor(support(), gate())).Digest() == r.Digest() {
		t.Error("a guard does not show in the digest")
	}
	if g, u, o := coverage.Walk(own{ask: func() {}}).Counts(); g != 0 || u != 0 || o != 1 {
		t.Errorf("got %d, %d, %d", g, u, o)
	}
}

func TestRequire(t *testing.T) {
	for _, tt := range []struct {
		v      any
		except []string
		want   int
	}{
		{support(), nil, 2},
		{support(), []string{"Executor.Agent"}, 0},
		{support(), []string{""}, 3},
		{support(), []string{"Executor.Agnet"}, 3},
		{own{ask: func() {}}, nil, 1},
		{own{ask: func() {}}, []string{"coverage_test.own"}, 0},
		{nil, nil, 1},
		{(*agents.Executor)(nil), nil, 1},
		{langchaingotest.NewModel(nil), nil, 1},
		{langchaingo.Model(langchaingotest.NewModel(nil), gate()), nil, 0},
		{[]any{langchaingotest.NewTool(nil, "a"), langchaingotest.NewTool(nil, "b")}, nil, 2},
		{map[string]llms.Model{"a": langchaingotest.NewModel(nil)}, nil, 1},
	} {
		p := &listener{}
		coverage.Require(p, tt.v, tt.except...)
		if len(p.said) != tt.want || !p.helped {
			t.Errorf("%T except %q: got %q (as a helper: %v), want %d", tt.v, tt.except, p.said, p.helped, tt.want)
		}
	}
}

// ring is a chain that has itself, and a tool whose name panics.
type ring struct {
	own
	next *ring
	tool tools.Tool
}

type nameless struct{ tools.Tool }

func TestWalkEnds(t *testing.T) {
	r := &ring{tool: &nameless{}}
	r.next = r
	got := short(coverage.Walk(r))
	if got != "?coverage_test.ring ?coverage_test.ring.tool" {
		t.Errorf("got %s", got)
	}
	deep := schema.Retriever(store{})
	for range 40 {
		deep = layer{deep}
	}
	if got := coverage.Walk([]any{layers{deep}}).Items; len(got) != 1 || got[0].What != coverage.Retriever {
		t.Errorf("got %+v", got)
	}
	var chain any = langchaingotest.NewModel(nil)
	for range 40 {
		chain = &box{chain}
	}
	if got := coverage.Walk(chain).Items; len(got) != 1 || got[0].What != coverage.Opaque {
		t.Errorf("too deep: got %+v", got)
	}
}

type (
	layer  struct{ schema.Retriever }
	layers struct{ in schema.Retriever }
	box    struct{ in any }
)
