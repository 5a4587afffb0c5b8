package langchaingo_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tmc/langchaingo/callbacks"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// A book is a ledger of a test.
type book struct {
	dir string
	*evidence.Recorder
}

func newBook(t *testing.T) *book {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	r, err := evidence.Open(dir, evidence.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return &book{dir, r}
}

// runs closes the ledger, which must be intact, and returns the records of each run by
// the kinds and names of the calls, in their order.
func (b *book) runs(t *testing.T) (all []string, report *evidence.Report) {
	t.Helper()
	if err := b.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	report, err := evidence.Verify(b.dir, evidence.VerifyOptions{Keys: []ed25519.PublicKey{b.PublicKey()}})
	if err != nil || !report.Intact() {
		t.Fatalf("got %+v, %v, want it intact", report, err)
	}
	at := make(map[string]int)
	for e, err := range evidence.Read(b.dir) {
		if err != nil {
			t.Fatal(err)
		}
		r := e.Record
		if r.Run == "" {
			continue
		}
		if r.Kind == record.KindStart {
			at[r.Run] = len(all)
			all = append(all, "")
		}
		switch r.Kind {
		case record.KindIntent:
			all[at[r.Run]] += fmt.Sprintf("%s %s %d<%d, ", r.Call.Kind, r.Call.Name, r.Call.ID, r.Call.Parent)
		case record.KindEnd:
			all[at[r.Run]] += "end"
		default: // follows from those
		}
	}
	return all, report
}

const wholeTurn = "chain LLMChain 1<0, model MODEL 2<1, chain memory 3<1, end"

// chat is a guarded conversation.
func chat(mem schema.Memory, is ...middleware.Interceptor) chains.Chain {
	c := chains.NewConversation(says(slices.Repeat([]string{"well"}, 200)...), mem)
	return langchaingo.Chain(&c, is...)
}

func turnOf(t *testing.T) string {
	t.Helper()
	model := fmt.Sprintf("%T", says(""))
	return strings.Replace(wholeTurn, "MODEL", strings.TrimLeft(model, "*"), 1)
}

// A turn of a chat is one run, its save to memory included, to ledgers and to budgets.
func TestATurnIsOneRun(t *testing.T) {
	first, second := newBook(t), newBook(t)
	budget := gates.Budget(gates.Limits{ModelCalls: 1})
	buffer := memory.NewConversationBuffer()
	c := chat(buffer, first.Intercept, second.Intercept, budget)
	for i := range 3 {
		if answer, err := chains.Run(t.Context(), c, fmt.Sprint("question ", i)); err != nil || answer != "well" {
			t.Fatalf("got %q, %v", answer, err)
		}
	}
	if messages, err := buffer.ChatHistory.Messages(t.Context()); err != nil || len(messages) != 6 {
		t.Errorf("got %d messages, %v, want 6", len(messages), err)
	}
	for name, b := range map[string]*book{"first": first, "second": second} {
		runs, report := b.runs(t)
		if report.Runs != 3 || report.Interrupted != 0 || report.Late != 0 || report.Calls != 9 || report.Done != 9 {
			t.Errorf("%s: got %+v, want 3 runs of 3 calls", name, report)
		}
		for i, run := range runs {
			if run != turnOf(t) {
				t.Errorf("%s: run %d: got %q, want %q", name, i, run, turnOf(t))
			}
		}
	}
}

// A lockedMemory is for several turns at once, which a buffer of langchaingo's is not.
type lockedMemory struct {
	schema.Memory
	mu sync.Mutex
}

func (m *lockedMemory) LoadMemoryVariables(ctx context.Context, inputs map[string]any) (map[string]any, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Memory.LoadMemoryVariables(ctx, inputs)
}

func (m *lockedMemory) SaveContext(ctx context.Context, inputs, outputs map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.Memory.SaveContext(ctx, inputs, outputs)
}

// Turns that are under way at once in one context are runs of their own.
func TestTurnsAtOnce(t *testing.T) {
	b := newBook(t)
	c := chat(&lockedMemory{Memory: memory.NewConversationBuffer()}, b.Intercept)
	var inputs []map[string]any
	for range 20 {
		inputs = append(inputs, map[string]any{"input": "q"})
	}
	if _, err := chains.Apply(t.Context(), c, inputs, 5); err != nil {
		t.Fatal(err)
	}
	runs, report := b.runs(t)
	for _, run := range runs {
		if run != turnOf(t) {
			t.Errorf("got %q, want %q", run, turnOf(t))
		}
	}
	if report.Runs != 20 || report.Interrupted != 0 {
		t.Errorf("got %+v, want 20 runs", report)
	}
}

// Where the save is not langchaingo's, or the turn does not come to it, the run ends with
// the chain.
func TestTurnsWithoutTheirSave(t *testing.T) {
	alone := strings.Replace(turnOf(t), "chain memory 3<1, ", "", 1)
	saved := "chain memory 1<0, end"
	no := errors.New("no")
	denyAfter := middleware.On(middleware.KindChain, middleware.After("late", func(_ context.Context, call middleware.Call, _ middleware.Result) error {
		if call.Name == "memory" {
			return nil
		}
		return middleware.Deny(middleware.CodeBadOutput, "no")
	}))
	denySave := middleware.On(middleware.KindChain, middleware.Before("save", func(_ context.Context, call middleware.Call) error {
		if call.Name == "memory" {
			return middleware.Deny(middleware.CodePolicy, "no")
		}
		return nil
	}))
	for _, tt := range []struct {
		name string
		is   []middleware.Interceptor
		mem  schema.Memory
		use  func(t *testing.T, c chains.Chain) error
		want string
		err  string
	}{
		{name: "called directly", use: func(t *testing.T, c chains.Chain) error {
			in := map[string]any{"input": "q", "history": ""}
			out, err := c.Call(t.Context(), in)
			return errors.Join(err, c.GetMemory().SaveContext(t.Context(), map[string]any{"input": "q"}, out))
		}, want: alone + "; " + saved},
		{name: "no memory", mem: memory.NewSimple(), use: func(t *testing.T, c chains.Chain) error {
			_, err := chains.Call(t.Context(), c, map[string]any{"input": "q", "history": ""})
			return err
		}, want: alone},
		{name: "denied", is: []middleware.Interceptor{denyAfter}, use: run, want: alone, err: "denied by late"},
		{name: "denied in shadow", is: []middleware.Interceptor{middleware.Shadow(denyAfter)}, use: run, want: turnOf(t)},
		{name: "the save is denied", is: []middleware.Interceptor{denySave}, use: run, want: turnOf(t), err: "denied by save"},
		{name: "the save is denied in shadow", is: []middleware.Interceptor{middleware.Shadow(denySave)}, use: run, want: turnOf(t)},
		{name: "the save fails", mem: forgetful{memory.NewConversationBuffer(), no}, use: run, want: turnOf(t), err: "no"},
		{name: "without an output", is: []middleware.Interceptor{renames("answer")}, use: run, want: alone, err: "missing key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBook(t)
			if tt.mem == nil {
				tt.mem = memory.NewConversationBuffer()
			}
			c := chat(tt.mem, append([]middleware.Interceptor{b.Intercept}, tt.is...)...)
			err := tt.use(t, c)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
			runs, report := b.runs(t)
			if got := strings.Join(runs, "; "); got != tt.want || report.Interrupted != 0 {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// In a run that a denial stopped nothing more happens: what its chain returns all the same
// is saved in a run of its own, as nothing of it would be otherwise.
func TestATurnOfAStoppedRun(t *testing.T) {
	b := newBook(t)
	shell := langchaingo.Tool(echoTool("shell"), b.Intercept, gates.Tools("calculator"))
	inner := chains.NewTransform(func(ctx context.Context, _ map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
		if _, err := shell.Call(ctx, "ls"); err == nil {
			t.Error("the tool ran")
		}
		return map[string]any{"out": "never mind"}, nil
	}, []string{"in"}, []string{"out"})
	c := langchaingo.Chain(remembering{inner, memory.NewConversationBuffer()}, b.Intercept)
	if err := run(t, c); err != nil {
		t.Fatal(err)
	}
	runs, report := b.runs(t)
	want := []string{"chain langchaingo_test.remembering 1<0, tool shell 2<1, end", "chain memory 1<0, end"}
	if !slices.Equal(runs, want) || report.Interrupted != 0 {
		t.Errorf("got %q, want %q", runs, want)
	}
}

// A remembering chain has a memory.
type remembering struct {
	chains.Chain
	memory schema.Memory
}

func (r remembering) GetMemory() schema.Memory { return r.memory }

// Chains within a chain save within its run, and end nothing.
func TestTurnsWithinATurn(t *testing.T) {
	b := newBook(t)
	nested := chat(memory.NewConversationBuffer(), b.Intercept)
	inner := chains.NewTransform(func(ctx context.Context, in map[string]any, _ ...chains.ChainCallOption) (map[string]any, error) {
		answer, err := chains.Run(ctx, nested, in["in"])
		return map[string]any{"out": answer}, err
	}, []string{"in"}, []string{"out"})
	c := langchaingo.Chain(remembering{inner, memory.NewConversationBuffer()}, b.Intercept)
	if err := run(t, c); err != nil {
		t.Fatal(err)
	}
	runs, _ := b.runs(t)
	want := "chain langchaingo_test.remembering 1<0, chain LLMChain 2<1, model langchaingo_test.script 3<2, chain memory 4<1, chain memory 5<1, end"
	if !slices.Equal(runs, []string{want}) {
		t.Errorf("got %q, want %q", runs, want)
	}
}

func run(t *testing.T, c chains.Chain) error {
	t.Helper()
	_, err := chains.Run(t.Context(), c, "q")
	return err
}

// renames puts the output of a chain under another key.
func renames(key string) middleware.Interceptor {
	return middleware.On(middleware.KindChain, middleware.TransformResult("renames",
		func(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
			if out, ok := res.Output.(map[string]any); ok {
				res.Output = map[string]any{key: out["text"]}
			}
			return res, true, nil
		}))
}

// A forgetful memory saves nothing.
type forgetful struct {
	schema.Memory
	err error
}

func (f forgetful) SaveContext(context.Context, map[string]any, map[string]any) error { return f.err }

// Saves that never come keep no more than a bounded number of runs open, and no other
// turn notices.
func TestSavesThatNeverCome(t *testing.T) {
	b := newBook(t)
	conversation := chains.NewConversation(langchaingo.Model(says(slices.Repeat([]string{"well"}, 200)...), b.Intercept), memory.NewConversationBuffer())
	conversation.CallbacksHandler = &panics{left: 100}
	c := langchaingo.Chain(&conversation, b.Intercept)
	for range 100 {
		func() {
			defer func() { _ = recover() }()
			_, _ = chains.Run(t.Context(), c, "q")
			t.Error("the callback did not panic")
		}()
	}
	if _, err := chains.Run(t.Context(), c, "q"); err != nil {
		t.Fatal(err)
	}
	runs, report := b.runs(t)
	if report.Runs != 101 || report.Interrupted != 63 || runs[100] != turnOf(t) {
		t.Errorf("got %d runs, %d of them interrupted, and the last one %q; want 101, 63 and %q",
			report.Runs, report.Interrupted, runs[100], turnOf(t))
	}
}

// A panics handler panics so many times when a chain has ended.
type panics struct {
	callbacks.SimpleHandler
	mu   sync.Mutex
	left int
}

func (p *panics) HandleChainEnd(context.Context, map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left--; p.left >= 0 {
		panic("callback")
	}
}

// Where two turns have one map as their outputs nobody can tell their saves apart: both
// end, and a save is a run of its own.
func TestTurnsWithTheSameOutputs(t *testing.T) {
	b := newBook(t)
	conversation := chains.NewConversation(langchaingo.Model(says("well", "well"), b.Intercept), memory.NewConversationBuffer())
	conversation.CallbacksHandler = &panics{left: 1}
	shared := map[string]any{"text": "well"}
	c := langchaingo.Chain(&conversation, b.Intercept, middleware.On(middleware.KindChain, middleware.TransformResult("shares",
		func(_ context.Context, _ middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
			res.Output = shared
			return res, true, nil
		})))
	func() {
		defer func() { _ = recover() }()
		_ = run(t, c)
	}()
	if err := run(t, c); err != nil {
		t.Fatal(err)
	}
	alone := strings.Replace(turnOf(t), "chain memory 3<1, ", "", 1)
	runs, report := b.runs(t)
	if want := []string{alone, alone, "chain memory 1<0, end"}; !slices.Equal(runs, want) || report.Interrupted != 0 {
		t.Errorf("got %q, want %q", runs, want)
	}
}
