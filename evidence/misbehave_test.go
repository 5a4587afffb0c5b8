package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// brokenError panics, or worse, wherever it is asked.
type brokenError struct{ do func() }

func (e *brokenError) Error() string                { e.do(); return "" }
func (e *brokenError) Unwrap() error                { e.do(); return nil }
func (e *brokenError) Is(error) bool                { e.do(); return false }
func (e *brokenError) As(any) bool                  { e.do(); return false }
func (e *brokenError) MarshalJSON() ([]byte, error) { e.do(); return nil, nil }

func broken() { panic("a method of an error") }

// Whatever a tool's error does when it is asked, what came of the call is on the
// trail, and the caller gets the error.
func TestACallWhoseErrorCannotBeAskedHasAnOutcome(t *testing.T) {
	var typedNil *fs.PathError
	for name, tt := range map[string]struct {
		err  error
		want []string
	}{
		"typed nil":         {typedNil, []string{"*fs.PathError"}},
		"typed nil, joined": {errors.Join(typedNil, context.Canceled), []string{"*errors.joinError", "*fs.PathError", "context.Canceled"}},
		"panics":            {&brokenError{broken}, []string{"*evidence_test.brokenError"}},
		"of a status":       {fmt.Errorf("x: %w", evidence.NilStatus()), []string{"*fmt.wrapError", "*delivery.StatusError"}},
		"a denial":          {&middleware.DeniedError{Gate: "g", Err: &brokenError{broken}}, []string{"*evidence_test.brokenError"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r := open(t, dir, evidence.Config{})
			h := r.Intercept(func(context.Context, middleware.Call) (middleware.Result, error) { return middleware.Result{}, tt.err })
			var got error
			_, _ = middleware.Wrap(say("ok"), func(middleware.Handler) middleware.Handler {
				return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					_, got = h(ctx, call)
					return middleware.Result{}, nil
				}
			})(t.Context(), shell)
			if got != tt.err {
				t.Errorf("got %T, want what the tool returned, %T", got, tt.err)
			}
			_ = r.Close(t.Context())
			o := outcomes(t, dir)
			if len(o) != 1 || o[0].Result != record.ResultFailed && name != "a denial" || !slices.Equal(o[0].Error, tt.want) {
				t.Errorf("got outcomes %+v, want one that failed, of %q", o, tt.want)
			}
			if report := ledgertest.WantIntact(t, dir); report.Unknown != 0 || report.Interrupted != 0 {
				t.Errorf("got %d calls without an outcome, %d runs without an end", report.Unknown, report.Interrupted)
			}
		})
	}
}

// What an error or an output does ends the goroutine: so it did before, and the
// trail says what came of the call.
func TestACallWhoseResultEndsTheGoroutineHasAnOutcome(t *testing.T) {
	for name, h := range map[string]middleware.Handler{
		"error":  fail(&brokenError{runtime.Goexit}),
		"output": say(&brokenError{runtime.Goexit}),
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r := open(t, dir, evidence.Config{})
			inside := func(middleware.Handler) middleware.Handler { return h }
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = call(t, r, shell, say("ok"), inside) })
			wg.Wait()
			_ = r.Close(t.Context())
			if o := outcomes(t, dir); len(o) != 1 || o[0].Result != record.ResultFailed || len(o[0].Error) == 0 {
				t.Errorf("got outcomes %+v, want one that failed, with a class", o)
			}
			ledgertest.WantIntact(t, dir)
		})
	}
}

// The class of an error is the name of its type, and a name may be of any length.
func TestClassesOfErrorsAreBounded(t *testing.T) {
	long := evidence.LongError(40_000)
	var all []error
	for range 20 {
		all = append(all, long)
	}
	got := evidence.Classes(errors.Join(all...))
	if len(got) != 8 || len(strings.Join(got, "")) > 8*256 {
		t.Errorf("got %d classes of %d bytes, want 8 of at most 256 each", len(got), len(strings.Join(got, "")))
	}
}

func outcomes(t testing.TB, dir string) (all []record.Outcome) {
	t.Helper()
	for _, e := range ledgertest.Entries(t, dir) {
		if e.Record.Outcome != nil {
			all = append(all, *e.Record.Outcome)
		}
	}
	return all
}

// An interceptor outside of the recorder that calls next twice breaks its
// contract: the second pass is refused, and the ledger holds one call.
func TestARetryOutsideOfTheRecorderDoesNotRuinTheLedger(t *testing.T) {
	twice := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if res, err := next(ctx, call); err == nil {
				return res, nil
			}
			return next(ctx, call)
		}
	}
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	ran := 0
	tool := func(context.Context, middleware.Call) (middleware.Result, error) {
		ran++
		return middleware.Result{}, errBackend
	}
	_, err := middleware.Wrap(tool, twice, r.Intercept)(t.Context(), shell)
	if err == nil || !strings.Contains(err.Error(), "twice") || ran != 1 {
		t.Errorf("got %v after %d calls of the tool, want an error that says twice, after 1", err, ran)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := ledgertest.WantIntact(t, dir); report.Runs != 1 || report.Calls != 1 || report.Failed != 1 || report.Interrupted != 0 {
		t.Errorf("got report %+v", report)
	}
	open(t, dir, evidence.Config{})
}

// A gate outside of the recorder may ask a model of its own first: the run does
// not begin a second time with its root call.
func TestACallBeforeTheRootCallDoesNotRuinTheLedger(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	moderate := middleware.Wrap(say("fine"), r.Intercept)
	first := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if _, err := moderate(ctx, middleware.Call{Kind: middleware.KindTool, Name: "moderate", Input: "x"}); err != nil {
				return middleware.Result{}, err
			}
			return next(ctx, call)
		}
	}
	if _, err := middleware.Wrap(say("ok"), first, r.Intercept)(t.Context(), shell); err != nil {
		t.Fatal(err)
	}
	_ = r.Close(t.Context())
	if report := ledgertest.WantIntact(t, dir); report.Runs != 1 || report.Calls != 2 || report.Done != 2 {
		t.Errorf("got report %+v", report)
	}
	open(t, dir, evidence.Config{})
}

// What an adapter of one's own gets wrong is no reason for a record that no
// verifier takes: contents of another kind of call, sizes that no number holds.
func TestContentsOutOfPlaceDoNotRuinTheLedger(t *testing.T) {
	request := &middleware.ModelRequest{Messages: []middleware.Message{{Parts: []middleware.Part{{Size: math.MaxInt / 8}, {Size: -5}, {Size: math.MaxInt}}}}}
	response := &middleware.ModelResponse{Choices: []middleware.Choice{{Text: "x"}}}
	plan := &middleware.Plan{ToolCalls: []middleware.ToolCall{{Name: "x"}}}
	contents := []any{request, response, plan, &middleware.PlanRequest{}, &middleware.PlanRequest{Steps: make([]middleware.Step, 3)}}
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	for _, in := range contents {
		for _, out := range contents {
			if _, err := call(t, r, middleware.Call{Kind: middleware.KindChain, Name: "odd", Input: in}, say(out)); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = r.Close(t.Context())
	ledgertest.WantIntact(t, dir)
	open(t, dir, evidence.Config{})
}

// Run IDs that somebody set are no reason for two runs of one name.
func TestRunsKeepTheirOwnID(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	for _, id := range []string{"", "ticket-1", "ticket-1", "ticket-1"} {
		rename := func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				middleware.RunOf(ctx).ID = id
				return next(ctx, call)
			}
		}
		_, _ = middleware.Wrap(say("ok"), rename, r.Intercept, rename)(t.Context(), shell)
	}
	_ = r.Close(t.Context())
	if report := ledgertest.WantIntact(t, dir); report.Runs != 4 || report.Partial != 0 || report.Interrupted != 0 {
		t.Errorf("got report %+v", report)
	}
}

// Whatever interceptors and handlers do, what the recorder writes verifies, and
// the ledger can be continued.
func TestWhatMisbehavesDoesNotRuinTheLedger(t *testing.T) {
	t.Parallel()
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for seed := range rounds {
		dir := ledgertest.Dir(t)
		r := open(t, dir, evidence.Config{BestEffort: []string{"shell"}, Queue: 64})
		m := &mischief{rng: rand.New(rand.NewPCG(uint64(seed), 1)), r: r}
		var roots sync.WaitGroup
		for range 4 {
			roots.Go(func() { m.call(t.Context()) })
		}
		roots.Wait()
		m.running.Wait()
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		report := ledgertest.Verify(t, dir)
		if !report.Intact() {
			t.Fatalf("seed %d: the ledger is damaged: %v %v", seed, report.First, report.Damage)
		}
		again, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1)})
		if err != nil {
			t.Fatalf("seed %d: it cannot be continued: %v", seed, err)
		}
		_ = again.Close(t.Context())
	}
}

// A mischief makes calls whose interceptors and handlers break their contracts.
type mischief struct {
	r       *evidence.Recorder
	running sync.WaitGroup

	mu       sync.Mutex
	rng      *rand.Rand
	made     int
	contexts []context.Context // of calls, of any run
	handlers []middleware.Handler
}

func (m *mischief) n(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rng.IntN(n)
}

// other returns a context of another call, or ctx.
func (m *mischief) other(ctx context.Context) context.Context {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.contexts = append(m.contexts, ctx)
	if m.rng.IntN(3) > 0 {
		return ctx
	}
	return m.contexts[m.rng.IntN(len(m.contexts))]
}

// call makes one call that is wrapped by nobody knows what.
func (m *mischief) call(ctx context.Context) {
	m.mu.Lock()
	m.made++
	enough := m.made > 60
	m.mu.Unlock()
	if enough {
		return
	}
	var is []middleware.Interceptor
	for range m.n(3) {
		is = append(is, m.intercept)
	}
	is = append(is, m.r.Intercept)
	for range m.n(3) {
		is = append(is, m.intercept)
	}
	h := middleware.Wrap(m.handle, is...)
	kinds := []middleware.Kind{middleware.KindChain, middleware.KindPlan, middleware.KindModel, middleware.KindTool, middleware.KindRetriever}
	c := middleware.Call{Kind: kinds[m.n(len(kinds))], Name: []string{"shell", "", "\x00\xff", "agent"}[m.n(4)], Input: m.content()}
	var wg sync.WaitGroup
	wg.Go(func() { // it may end the goroutine
		defer func() { _ = recover() }()
		_, _ = h(m.other(ctx), c)
	})
	wg.Wait()
}

func (m *mischief) content() any {
	var none *middleware.Plan
	all := []any{
		nil, "text", "\xff", map[string]any{"a\xff": 1, "a\xfe": "x"}, none, &middleware.ModelRequest{}, &middleware.Plan{},
		&middleware.ModelResponse{Choices: make([]middleware.Choice, 3)}, &middleware.PlanRequest{Inputs: map[string]string{"\xff": ""}},
		middleware.Observation("no"), func() {}, &brokenError{broken}, make(chan int),
	}
	return all[m.n(len(all))]
}

// intercept is an interceptor that does one thing or another to next.
func (m *mischief) intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "mischief"}.Handler()
	}
	m.mu.Lock()
	m.handlers = append(m.handlers, next)
	m.mu.Unlock()
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		pass := func() { res, err = next(ctx, call) }
		switch m.n(14) {
		case 0:
			pass()
			pass()
		case 1:
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { defer func() { _ = recover() }(); _, _ = next(ctx, call) })
			}
			wg.Wait()
		case 2: // after the call, and perhaps the run, has ended
			m.running.Go(func() {
				defer func() { _ = recover() }()
				for range m.n(50) {
					runtime.Gosched()
				}
				_, _ = next(ctx, call)
			})
		case 3:
			ctx = m.other(ctx)
			pass()
		case 4:
			pass()
			panic("after")
		case 5:
			pass()
			runtime.Goexit()
		case 6:
			m.call(ctx)
			pass()
			m.call(ctx)
		case 7:
			call.ID, call.Parent = middleware.CallID(m.n(5)), middleware.CallID(m.n(3))
			pass()
		case 8:
			call.Kind = middleware.Kind(m.n(300))
			pass()
		case 9: // of another call, by way of its handlers
			m.mu.Lock()
			other := m.handlers[m.rng.IntN(len(m.handlers))]
			m.mu.Unlock()
			if m.n(2) == 0 {
				res, err = other(ctx, call)
			}
		case 10:
			ended, cancel := context.WithCancel(ctx)
			cancel()
			res, err = next(ended, call)
		case 11:
			call.Input = m.content()
			pass()
			res.Output = m.content()
		case 12:
			_, _ = next(context.Background(), call)
			pass()
		default:
			pass()
		}
		return res, err
	}
}

func (m *mischief) handle(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
	var typedNil *fs.PathError
	switch m.n(9) {
	case 0:
		panic("a tool")
	case 1:
		runtime.Goexit()
	case 2:
		return middleware.Result{}, errors.Join(typedNil)
	case 3:
		return middleware.Result{}, middleware.Deny(middleware.CodePolicy, "\x1b[31mno")
	case 4, 5, 6:
		for range m.n(3) {
			m.call(ctx)
		}
	case 7:
		return middleware.Result{Output: m.content(), Usage: &middleware.Usage{InputTokens: -1}}, errBackend
	}
	return middleware.Result{Output: m.content()}, nil
}
