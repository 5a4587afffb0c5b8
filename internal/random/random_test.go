package random_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

var (
	randomCalls = flag.Int("calls", 20_000, "how many calls TestRandomCalls makes")
	randomSeed  = flag.Uint64("seed", 0, "what TestRandomCalls draws them by; zero for a seed of its own")
)

// A step is something that a chain does.
type step struct {
	kind     middleware.Kind
	name     string
	input    string
	streams  bool
	behavior string   // of what is wrapped: "", "fails", "panics", "fails", "ends", "asks a model"
	asks     []string // of a plan: the tools, with their inputs
	goesOn   bool     // the chain does, where the step failed
}

var errTool = errors.New("the tool failed")

func (w *world) step() step {
	s := step{
		input:    []string{"a", "b", "a b", "c c c", "abcabc"}[w.r.IntN(5)],
		behavior: []string{"", "", "", "", "fails", "panics", "fails", "ends", "asks a model"}[w.r.IntN(9)],
		goesOn:   w.r.IntN(3) > 0,
	}
	if s.behavior == "ends" && w.r.IntN(4) > 0 {
		s.behavior = ""
	}
	switch w.r.IntN(6) {
	case 0, 1:
		s.kind, s.name, s.streams = middleware.KindModel, "model", w.r.IntN(2) == 0
	case 2:
		s.kind, s.name = middleware.KindPlan, "agent"
		for range w.r.IntN(4) {
			s.asks = append(s.asks, append(toolNames, "madeup")[w.r.IntN(9)%4]+" "+[]string{"a", "b", "c c"}[w.r.IntN(3)])
		}
	default:
		s.kind, s.name = middleware.KindTool, toolNames[w.r.IntN(3)]
	}
	if s.kind != middleware.KindTool && s.behavior == "asks a model" {
		s.behavior = ""
	}
	return s
}

// A seen is what was seen of one call, or of one step of a chain.
type seen struct {
	what   string
	id     int
	parent int
	result string
	out    string
	ran    string
	trail  string
}

func (s seen) String() string {
	return fmt.Sprintf("%s #%d of #%d: %s, output %q, ran %q, trail: %s", s.what, s.id, s.parent, s.result, s.out, s.ran, s.trail)
}

// classOf is an error as the reference knows it.
func classOf(err error) string {
	var d *middleware.DeniedError
	var p *middleware.PanicError
	switch {
	case err == nil:
		return (*refError)(nil).String()
	case asError(err, &d):
		return refDenied(d.Gate, d.Code).String()
	case isError(err, context.Canceled):
		return (&refError{class: "ended"}).String()
	case asError(err, &p):
		return (&refError{class: "panicked"}).String()
	}
	return (&refError{class: "failed"}).String()
}

// asError and isError stand in for those of errors, which panic at an error that
// is a nil pointer.
func asError[T error](err error, target *T) (ok bool) {
	defer func() { _ = recover() }()
	return errors.As(err, target)
}

func isError(err, target error) (is bool) {
	defer func() { _ = recover() }()
	return errors.Is(err, target)
}

// A trial is one random order of interceptors, and what a chain does under it.
type trial struct {
	*world
	nodes []node
	own   map[middleware.Kind][]node // what guards a thing already, where that is so
	way   string                     // "wrap", "langchaingo", "executor"
	steps []step
	input string

	log    []seen // of what is real
	refLog []seen

	observes bool
	tools    map[string]string // of the executor: how they behave
	at       *step             // that is under way
	turn     int               // of the executor

	things    things
	refThings map[middleware.Kind]*refWrapped
}

func newTrial(r *rand.Rand) *trial {
	t := &trial{world: &world{r: r}, way: []string{"wrap", "langchaingo", "executor"}[r.IntN(3)], observes: r.IntN(2) == 0}
	t.nodes = t.list(1+r.IntN(5), 2)
	if r.IntN(2) == 0 {
		t.nodes = slices.Insert(t.nodes, r.IntN(len(t.nodes)+1), tell())
		t.nodes = append(t.nodes, t.before())
	}
	t.own = make(map[middleware.Kind][]node)
	for _, kind := range allKinds {
		if t.way == "wrap" || t.way == "executor" && kind != middleware.KindTool || r.IntN(2) == 0 {
			continue
		}
		t.own[kind] = t.world.own(t.nodes)
	}
	for range 1 + r.IntN(8) {
		t.steps = append(t.steps, t.step())
	}
	t.input = []string{"a", "b", "a b c d e"}[r.IntN(3)]
	if t.way == "executor" {
		t.turns()
	}
	return t
}

// turns makes the steps those of an agent, and its tools behave.
func (t *trial) turns() {
	t.tools = make(map[string]string)
	for _, name := range toolNames {
		t.tools[name] = []string{"", "", "", "fails", "panics", "ends", "typed nil", "asks a model"}[t.r.IntN(8)]
	}
	for i := range t.steps {
		s := &t.steps[i]
		if s.kind != middleware.KindPlan {
			s.asks = []string{toolNames[t.r.IntN(3)] + " " + s.input}
		}
		s.kind, s.name, s.goesOn, s.streams = middleware.KindPlan, "agent", false, false
		s.behavior = []string{"", "", "", "fails", "panics", "asks a model", "asks a model", "asks a model"}[t.r.IntN(8)]
	}
	t.steps[len(t.steps)-1].asks = nil
}

func (t *trial) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, observed %v\n", t.way, t.observes)
	for _, n := range t.nodes {
		fmt.Fprintf(&b, "\t%s\n", n.name)
	}
	for kind, own := range t.own {
		fmt.Fprintf(&b, "\tthe %v has\n", kind)
		for _, n := range own {
			fmt.Fprintf(&b, "\t\t%s\n", n.name)
		}
	}
	for _, s := range t.steps {
		fmt.Fprintf(&b, "\t%+v\n", s)
	}
	return b.String()
}

// probe is the outermost interceptor, which writes down what comes out.
func (t *trial) probe(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "probe"}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		if t.observes {
			middleware.Observe(ctx)
		}
		result := "a panic"
		defer func() {
			trail := middleware.TrailOf(ctx)
			s := seen{what: call.Kind.String() + " " + shortName(call.Name), id: int(call.ID), parent: int(call.Parent), result: result}
			if ran, reached := trail.Ran(); reached {
				s.ran = inputText(middleware.Call{Input: ran})
			}
			for _, d := range trail.Decisions() {
				s.trail += refDecision{d.Gate, d.Verdict.String(), string(d.Code), d.Shadow}.String() + "; "
			}
			if result == "done" {
				out, plan, told := outputText(res.Output)
				s.out = saw(out, plan, told)
			}
			if call.Parent == 0 {
				for _, b := range middleware.RunOf(ctx).Balances() {
					s.trail += fmt.Sprintf("%s: %d of %d used, %d reserved; ", b.Limit, b.Used, b.Max, b.Held)
				}
			}
			t.log = append(t.log, s)
		}()
		res, err = next(ctx, call)
		result = classOf(err)
		return res, err
	}
}

// saw is an output in one line. What is told is so in other words than in the
// reference.
func saw(out string, plan []string, told bool) string {
	if told {
		return "told"
	}
	return strings.Join(append([]string{out}, plan...), "|")
}

func shortName(name string) string {
	for _, known := range []string{"Chain", "Model", "Agent"} {
		if strings.HasSuffix(name, "random"+known) {
			return strings.ToLower(known)
		}
	}
	switch {
	case name == "Executor":
		return "chain"
	case strings.HasSuffix(name, "randomPlanner"):
		return "agent"
	}
	return name
}

func (t *trial) refProbe(c refContext, call refCall, next refHandler) (res refResult) {
	result := "a panic"
	defer func() {
		s := seen{what: call.kind.String() + " " + call.name, id: c.id, parent: call.parent, result: result, ran: c.ran}
		for _, d := range c.trail {
			s.trail += d.String() + "; "
		}
		if result == "done" {
			s.out = saw(res.out, res.plan, res.told)
		}
		if call.root {
			for _, b := range c.run.budgets {
				s.trail += b.balances(c.run)
			}
		}
		t.refLog = append(t.refLog, s)
	}()
	res = next(c, call)
	result = res.err.String()
	return res
}

// behave is what is wrapped, for one step.
func (t *trial) behave(ctx context.Context, s *step, input string, emit func(string) error) (string, error) {
	out := s.name + " says " + input
	if emit != nil {
		if err := emit(s.name + " says "); err != nil {
			return "", err
		}
	}
	switch s.behavior {
	case "fails":
		return "", errTool
	case "panics":
		panic("it panics")
	case "typed nil":
		var err *fs.PathError
		return "", err
	case "ends":
		t.cancel()
	case "asks a model":
		asks := &step{kind: middleware.KindModel, name: "model", input: input}
		if _, _, err := t.do(ctx, asks); err != nil {
			return "", err
		}
	}
	if emit != nil {
		if err := emit(input); err != nil {
			return "", err
		}
	}
	return out, nil
}

// do makes the call of a step.
func (t *trial) do(ctx context.Context, s *step) (out string, told bool, err error) {
	under := t.at
	t.at = s
	defer func() { t.at = under }()
	var streamed strings.Builder
	var sink func(string) error
	if s.streams {
		sink = func(text string) error { streamed.WriteString(text + "/"); return nil }
	}
	var plan []string
	out, plan, told, err = t.things.do(ctx, s, sink)
	if t.way == "executor" {
		return out, told, err // which keeps to itself what came of each step
	}
	e := seen{what: "step " + s.kind.String() + " " + s.name, result: classOf(err), ran: streamed.String()}
	if err == nil {
		e.out = saw(out, plan, told)
	}
	t.log = append(t.log, e)
	return out, told, err
}

// chain is what the chain does.
func (t *trial) chain(ctx context.Context) (string, error) {
	for i := range t.steps {
		s := &t.steps[i]
		_, told, err := t.do(ctx, s)
		if err != nil && !s.goesOn {
			return "", fmt.Errorf("step %d: %w", i, err)
		}
		if s.kind != middleware.KindPlan || err != nil || told && t.way == "wrap" {
			continue // with the adapter, tools answer for a plan that was refused
		}
		for _, asked := range s.asks {
			name, input, _ := strings.Cut(asked, " ")
			if !slices.Contains(toolNames, name) {
				continue
			}
			if _, _, err := t.do(ctx, &step{kind: middleware.KindTool, name: name, input: input}); err != nil && !s.goesOn {
				return "", err
			}
		}
	}
	return "the end", nil
}

const runsOfTrial = 2

func (t *trial) runReal() {
	is := append([]middleware.Interceptor{t.probe}, reals(t.nodes)...)
	switch t.way {
	case "wrap":
		t.things = newWrapped(t, is)
	case "langchaingo":
		t.things = newAdapted(t, is)
	case "executor":
		t.things = newExecuted(t, is)
	}
	for range runsOfTrial {
		ctx, cancel := context.WithCancel(context.Background())
		t.cancel = cancel
		out, err := t.things.run(ctx, t.input)
		s := seen{what: "run", result: classOf(err)}
		if err == nil {
			s.out = out
		}
		t.log = append(t.log, s)
		cancel()
	}
}

func (t *trial) runRef() {
	t.refThings = make(map[middleware.Kind]*refWrapped)
	for _, kind := range allKinds {
		layers := []refLayer{refFunc(t.refProbe)}
		outer := t.nodes
		if kind == middleware.KindTool {
			outer = merged(kind, outer, t.own[middleware.KindPlan]) // the agent guards its tools
		}
		for _, n := range merged(kind, outer, t.own[kind]) {
			layers = append(layers, n.ref)
		}
		t.refThings[kind] = refWrap(layers, func(c *refScope, call refCall) refResult {
			if call.kind == middleware.KindChain {
				return t.refChain(c)
			}
			return t.refBehave(c, t.at, call)
		})
	}
	for range runsOfTrial {
		run := &refRun{}
		res, _ := t.refThings[middleware.KindChain].call(run, nil, refCall{kind: middleware.KindChain, name: "chain", input: t.input})
		t.refLog = append(t.refLog, seen{what: "run", result: res.err.String(), out: res.out})
	}
}

// TestRandomCalls holds random orders of gates, and what chains do under them,
// against the reference: which calls run and with what, what is denied and by
// whom, what is streamed, what is charged and what stands on the trail.
func TestRandomCalls(t *testing.T) {
	seed := *randomSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	calls, results := 0, make(map[string]int)
	for n := uint64(0); calls < *randomCalls; n++ {
		trial := newTrial(rand.New(rand.NewPCG(seed, n)))
		trial.runReal()
		trial.at = nil
		trial.runRef()
		for i, want := range trial.refLog {
			if i >= len(trial.log) || trial.log[i] != want {
				got := "nothing"
				if i < len(trial.log) {
					got = trial.log[i].String()
				}
				t.Fatalf("seed %d, trial %d: %s\nentry %d:\ngot  %s\nwant %s", seed, n, trial, i, got, want)
			}
		}
		if len(trial.log) > len(trial.refLog) {
			t.Fatalf("seed %d, trial %d: %s\ngot %s, want no more", seed, n, trial, trial.log[len(trial.refLog)])
		}
		for _, s := range trial.log {
			if s.id > 0 {
				calls++
			}
			class, _, _ := strings.Cut(s.result, " ")
			results[class]++
		}
	}
	t.Logf("seed %d: %d calls; results %v", seed, calls, results)
}
