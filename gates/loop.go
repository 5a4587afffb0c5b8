package gates

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/internal/shown"
	"example.com/safeconduct/internal/strictjson"
	"example.com/safeconduct/middleware"
)

// What LoopRules bound where they say nothing.
const (
	DefaultConsecutive = 2
	DefaultAlternating = 2
	DefaultIdentical   = 4
	DefaultWindow      = 20
	DefaultDenials     = 3
	DefaultUnknown     = 3
)

// LoopRules say how often an agent may repeat itself within a run. The zero
// LoopRules are the defaults.
type LoopRules struct {
	// Consecutive is how many identical tool calls in a row may run. Zero
	// means DefaultConsecutive.
	Consecutive int

	// Alternating is how often in a row two different tool calls that take
	// turns (A B A B: twice) may run. Zero means DefaultAlternating.
	Alternating int

	// Identical is how many identical tool calls may run among the latest
	// Window, whatever stands between them. Zero means DefaultIdentical.
	Identical int

	// Window is how many of the latest tool calls of the run are looked at, at
	// most 1000, and no less than Identical, Consecutive and twice Alternating.
	// Zero means DefaultWindow.
	Window int

	// Denials is how many tool calls and plans in a row may be denied. Zero
	// means DefaultDenials.
	Denials int

	// Unknown is how many tool calls in plans may ask for tools that do not
	// exist, within Window tool calls. Zero means DefaultUnknown.
	Unknown int
}

// Loop returns the gate "loop", which keeps an agent from going in circles. It looks at
// the tool calls of a run: identical ones, two that take turns, ones that are denied
// again and again, and ones for tools that do not exist. The first that goes too far
// comes back as an [middleware.Observation], the next one is denied with
// [middleware.CodeLoop]. The gate keeps the arguments of the latest Window tool calls of
// a run for as long as the run lives.
//
// Stand Loop outside of [middleware.Tell], so that its denial stops the run; inside of
// it, the model is told again, and nothing but a budget ends the run. Loop panics if
// rules make no sense.
func Loop(rules LoopRules) middleware.Interceptor {
	l := newLoop(rules)
	return func(next middleware.Handler) middleware.Handler {
		if next == nil {
			said := l.gate.Layer()
			said.Kinds, said.PerRun = []middleware.Kind{middleware.KindTool, middleware.KindPlan}, true
			return said.Handler()
		}
		return byKind{
			tool: l.tool(next), plan: l.plan(next),
			model: next, chain: next, other: next,
		}.handler()
	}
}

const loopName = "loop"

// A loop is LoopRules made ready.
type loop struct {
	LoopRules
	gate *middleware.Gate
	seed uint64
	runs middleware.Local[loopState]
}

func newLoop(rules LoopRules) *loop {
	for _, f := range []struct {
		n    *int
		zero int
	}{
		{&rules.Consecutive, DefaultConsecutive}, {&rules.Alternating, DefaultAlternating},
		{&rules.Identical, DefaultIdentical}, {&rules.Window, DefaultWindow},
		{&rules.Denials, DefaultDenials}, {&rules.Unknown, DefaultUnknown},
	} {
		if *f.n < 0 {
			panic(fmt.Sprintf("gates: Loop: negative number in %+v", rules))
		}
		if *f.n == 0 {
			*f.n = f.zero
		}
	}
	if rules.Window > 1000 || rules.Window < rules.Identical || rules.Window < rules.Consecutive || rules.Window < 2*rules.Alternating {
		panic(fmt.Sprintf("gates: Loop: Window %d is over 1000, or less than what is to be seen in it", rules.Window))
	}
	seed := rand.Uint64() //nolint:gosec // seeded by the runtime, and hard to guess
	return &loop{LoopRules: rules, gate: middleware.NewGate(loopName), seed: seed}
}

// A loopState is what the gate keeps for one run.
type loopState struct {
	mu        sync.Mutex
	at        int                     // seq modulo Window
	seq       int                     // tool calls so far
	sketches  []uint64                // that of call n at n modulo Window
	alike     [64]uint16              // how many of them there are, by sketch modulo 64
	latest    []toolUse               // and the call
	ambiguous int                     // seq after the latest call of which the sketch says nothing
	unknown   []int                   // seq at each of the latest requests for unknown tools
	denials   atomic.Int64            // in a row
	last      *middleware.DeniedError // of them; nil where the model was told
	toldUntil int                     // seq up to which going too far is denied; 0 where the model was not told
}

// A toolUse is one tool call. Few calls are like another, and that can mostly be
// seen from a sketch of it: the arguments are read only where it cannot.
type toolUse struct {
	name, input string
	read        bool
	key         uint64 // the same for identical calls and no others, once read
}

// key reads the arguments of a call.
func (l *loop) key(a *toolUse) uint64 {
	if a.read {
		return a.key
	}
	a.key, a.read = strictjson.Mix(strictjson.Hash(l.seed, a.name), hashArguments(l.seed, a.input)), true
	return a.key
}

// tool returns the Handler for tool calls.
func (l *loop) tool(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		ruling := l.gate.Begin(ctx)
		input, ok := call.Input.(string)
		if !ok {
			return middleware.Result{}, ruling.Deny(ctx, call, notText(&call))
		}
		st := l.runs.In(middleware.RunOf(ctx))
		if reason, toldBefore := l.add(st, call.Name, input); reason != "" {
			return l.refuse(ctx, call, middleware.Result{}, &ruling, reason, toldBefore)
		}
		ruling.Allow()
		res, err := next(ctx, call)
		return l.countDenials(ctx, call, st, res, err)
	}
}

// plan returns the Handler for plans.
func (l *loop) plan(next middleware.Handler) middleware.Handler {
	return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		res, err := next(ctx, call)
		st := l.runs.In(middleware.RunOf(ctx))
		if err != nil || isObservation(res) {
			return l.countDenials(ctx, call, st, res, err)
		}
		ruling := l.gate.Begin(ctx)
		plan, err := res.Plan()
		if err != nil {
			return middleware.Result{Usage: res.Usage}, ruling.Deny(ctx, call, err)
		}
		if reason, toldBefore := l.countUnknown(st, plan); reason != "" {
			return l.refuse(ctx, call, res, &ruling, reason, toldBefore)
		}
		ruling.Allow()
		return res, nil
	}
}

// add counts a tool call, and returns why it goes too far, and whether the model was
// told before.
func (l *loop) add(st *loopState, tool, input string) (reason string, toldBefore bool) {
	like, ambiguous := sketch(input)
	like = strictjson.Mix(like, strictjson.Hash(l.seed, tool))
	now := toolUse{name: tool, input: input}
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.latest == nil {
		st.sketches, st.latest = make([]uint64, l.Window), make([]toolUse, l.Window)
	}
	if ambiguous {
		st.ambiguous = st.seq + 1
	}
	if l.mayRepeat(st, like) {
		reason = l.repetition(st, &now)
	}
	if st.seq >= l.Window {
		st.alike[st.sketches[st.at]%64]--
	}
	st.alike[like%64]++
	st.sketches[st.at], st.latest[st.at] = like, now
	st.seq++
	if st.at++; st.at == l.Window {
		st.at = 0
	}
	if reason == "" {
		return "", false
	}
	return reason, l.toldLately(st)
}

// mayRepeat reports whether a call with this sketch may be like enough of the
// latest to go too far.
func (l *loop) mayRepeat(st *loopState, sketch uint64) bool {
	if st.ambiguous > 0 && st.seq-st.ambiguous < l.Window {
		return true
	}
	enough := min(l.Consecutive, l.Alternating, l.Identical)
	if int(st.alike[sketch%64]) < enough {
		return false // as for most
	}
	n := 0
	for _, s := range st.sketches {
		if s == sketch {
			n++
		}
	}
	return n >= enough
}

// repetition returns in what way a call goes too far, or "".
func (l *loop) repetition(st *loopState, now *toolUse) string {
	switch {
	case l.consecutive(st, now):
		return "tool " + shown.Name(now.name) + " was called in the same way " + strconv.Itoa(l.Consecutive) + " times in a row"
	case l.alternating(st, now):
		return "two tool calls took turns " + strconv.Itoa(l.Alternating) + " times in a row, the same ones each time"
	case l.identical(st, now):
		return "tool " + shown.Name(now.name) + " was called in the same way " + strconv.Itoa(l.Identical) +
			" times among the latest " + strconv.Itoa(l.Window) + " tool calls"
	}
	return ""
}

// toldLately reports whether the model was told lately, and notes that it now is.
func (l *loop) toldLately(st *loopState) bool {
	toldBefore := st.toldUntil > 0 && st.seq <= st.toldUntil
	st.toldUntil = st.seq + l.Window
	return toldBefore
}

// keyBack returns the key of the nth tool call before now, from 1. It must be among
// the latest.
func (l *loop) keyBack(st *loopState, n int) uint64 { return l.key(&st.latest[(st.seq-n)%l.Window]) }

func (l *loop) consecutive(st *loopState, now *toolUse) bool {
	if st.seq < l.Consecutive {
		return false
	}
	for n := 1; n <= l.Consecutive; n++ {
		if l.keyBack(st, n) != l.key(now) {
			return false
		}
	}
	return true
}

func (l *loop) alternating(st *loopState, now *toolUse) bool {
	if st.seq < 2*l.Alternating {
		return false
	}
	other := l.keyBack(st, 1)
	if other == l.key(now) {
		return false
	}
	for n := 2; n <= 2*l.Alternating; n += 2 {
		if l.keyBack(st, n) != l.key(now) || l.keyBack(st, n-1) != other {
			return false
		}
	}
	return true
}

func (l *loop) identical(st *loopState, now *toolUse) bool {
	if st.seq < l.Identical {
		return false
	}
	n := 0
	for i := range st.latest[:min(st.seq, l.Window)] {
		if l.key(&st.latest[i]) == l.key(now) {
			n++
		}
	}
	return n >= l.Identical
}

// countUnknown counts the tool calls of a plan that ask for tools that do not exist.
func (l *loop) countUnknown(st *loopState, plan *middleware.Plan) (reason string, toldBefore bool) {
	n := 0
	for i := range plan.ToolCalls {
		if plan.ToolCalls[i].Registered == "" {
			n++
		}
	}
	if n == 0 {
		return "", false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	kept := st.unknown[:0]
	for _, seq := range st.unknown {
		if st.seq-seq < l.Window {
			kept = append(kept, seq)
		}
	}
	for range min(n, l.Unknown+1) {
		kept = append(kept, st.seq)
	}
	if len(kept) <= l.Unknown {
		st.unknown = kept
		return "", false
	}
	st.unknown = kept[len(kept)-l.Unknown:] // the next one is too many again
	return strconv.Itoa(l.Unknown) + " tool calls asked for tools that do not exist, and another one does", l.toldLately(st)
}

// countDenials counts denials in a row, and says more or denies where they are many.
func (l *loop) countDenials(ctx context.Context, call middleware.Call, st *loopState, res middleware.Result, err error) (
	middleware.Result, error,
) {
	said, isTold := res.Output.(middleware.Observation)
	if err == nil && !isTold && st.denials.Load() == 0 {
		return res, nil // as most calls are
	}
	d, _ := foreign.As[*middleware.DeniedError](err)
	st.mu.Lock()
	switch {
	case !isTold && d == nil:
		st.denials.Store(0)
		fallthrough
	case d != nil && d == st.last: // on its way out of the calls around
		st.mu.Unlock()
		return res, err
	}
	st.last = d
	n := int(st.denials.Add(1))
	reason := strconv.Itoa(n) + " calls in a row were denied"
	if n <= l.Denials {
		st.mu.Unlock()
		if isTold && n == l.Denials {
			res.Output = said + middleware.Observation(" "+reason+": try something else, or give the final answer.")
		}
		return res, err
	}
	st.last = &middleware.DeniedError{Gate: loopName, Call: call.Name, Code: middleware.CodeLoop, Reason: reason, Err: err}
	d = st.last
	st.mu.Unlock()
	ruling := l.gate.Begin(ctx)
	return middleware.Result{Usage: res.Usage}, ruling.Deny(ctx, call, d)
}

// refuse notes a denial, and returns it or what tells the model of it.
func (l *loop) refuse(
	ctx context.Context, call middleware.Call, res middleware.Result, ruling *middleware.Ruling, reason string, toldBefore bool,
) (middleware.Result, error) {
	err := ruling.Deny(ctx, call, &middleware.DeniedError{
		Gate: loopName, Call: call.Name, Code: middleware.CodeLoop, Reason: reason,
	})
	res.Output = nil
	if toldBefore {
		return res, err
	}
	res.Output = middleware.Observation("Not done: " + reason + ". Try something else, or give the final answer.")
	return res, nil
}
