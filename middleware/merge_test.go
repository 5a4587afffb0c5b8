package middleware_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

func TestMerge(t *testing.T) {
	a, b, c := middleware.Before("a", allow), middleware.Before("b", allow), middleware.After("c", allowResult)
	named := middleware.Named("named", middleware.Compose(a, pass))
	w := new(watch)
	type list = []middleware.Interceptor
	for name, tt := range map[string]struct {
		outer, own list
		want       string
	}{
		"nothing is shared": {list{a}, list{b}, "a; b"},
		"one is shared":     {list{w.Intercept, a}, list{w.Intercept, a, b}, "watch; a; b"},
		"parts of stacks are shared": {list{middleware.Compose(a, middleware.Compose(b))}, list{middleware.Compose(c, a, pass)},
			"a; b; c; middleware_test.pass"},
		"a shadow outside":   {list{middleware.Shadow(middleware.Compose(a, b))}, list{a}, "b, shadow; a"},
		"a shadow inside":    {list{a}, list{middleware.Shadow(middleware.Compose(a, b))}, "a; b, shadow"},
		"two shadows":        {list{middleware.Shadow(a)}, list{middleware.Shadow(a), b}, "a, shadow; b"},
		"for models outside": {list{middleware.On(middleware.KindModel, a), b}, list{a}, "b; a"},
		"for models inside":  {list{a}, list{b, middleware.On(middleware.KindModel, a)}, "a; b"},
		"for nothing outside": {list{middleware.On(middleware.KindModel, middleware.Compose(middleware.On(middleware.KindTool, a), b))},
			list{a}, "b, model calls only; a"},
		"for tools outside":            {list{middleware.On(middleware.KindTool, a)}, list{a, b}, "a, tool calls only; b"},
		"for models, and for a shadow": {list{middleware.On(middleware.KindModel, a)}, list{middleware.Shadow(a)}, "a, shadow"},
		"it lets streams pass outside": {list{middleware.PassThrough(middleware.Compose(c, b))}, list{c}, "b, stream passed through; c"},
		"a smaller window outside": {
			list{middleware.Window(10, c)}, list{middleware.PassThrough(middleware.Window(20, c))},
			"c, stream held by a window of 20 bytes",
		},
		"it holds less outside":         {list{middleware.Buffer(10, c)}, list{c}, "c, stream held up to 10 bytes"},
		"what Named names goes with it": {list{named}, list{b, named}, "named; a; middleware_test.pass; b"},
		"what Named names is shared":    {list{a}, list{named}, "a; named"},
		"Named outside is a shadow":     {list{middleware.Shadow(named), b}, list{named}, "b; named; a; middleware_test.pass"},
		"Named outside, and more":       {list{middleware.Window(1, middleware.Named("n", middleware.PassThrough(c)))}, list{c}, "c"},
		"Tell is shared":                {list{middleware.Tell, a}, list{middleware.Tell, b}, "tell; a; b"},
		"Tell has nothing to tell":      {list{a, b}, list{middleware.Compose(middleware.Tell, a), b}, "a; b"},
		"Tell is for plans outside":     {list{middleware.On(middleware.KindPlan, middleware.Tell), a}, list{middleware.Tell, b}, "a; tell; b"},
		"what says nothing is kept": {list{pass}, list{pass, middleware.On(middleware.KindTool, pass)},
			"middleware_test.pass; middleware_test.pass; middleware_test.pass, tool calls only"},
	} {
		t.Run(name, func(t *testing.T) {
			merged := middleware.Merge(middleware.KindTool, tt.outer, tt.own)
			middleware.Wrap(echo, merged...) // does not refuse it
			var got []string
			for _, l := range middleware.Layers(merged...) {
				got = append(got, l.String())
			}
			if got := strings.Join(got, "; "); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A dice is a gate that denies the calls of one kind, or none.
type dice struct {
	middleware.Interceptor
	late   bool // it judges results
	denies middleware.Kind
	judged int
}

func newDice(name string, late bool, denies middleware.Kind) *dice {
	d := &dice{late: late, denies: denies}
	judge := func(call middleware.Call) error {
		d.judged++
		if call.Kind == d.denies {
			return middleware.Deny(middleware.CodePolicy, "no")
		}
		return nil
	}
	d.Interceptor = middleware.Before(name, func(_ context.Context, call middleware.Call) error { return judge(call) })
	if late {
		d.Interceptor = middleware.After(name, func(_ context.Context, call middleware.Call, _ middleware.Result) error { return judge(call) })
	}
	return d
}

// A part is a gate in a random order, as the order was made.
type part struct {
	gate   *dice
	at     int // where in the order
	kinds  map[middleware.Kind]bool
	shadow bool
	stream string // what was declared of streams, innermost: "hold", "pass" or nothing
}

func (p *part) enforces(k middleware.Kind) bool { return p.kinds[k] && !p.shadow }

func allKinds() map[middleware.Kind]bool {
	all := make(map[middleware.Kind]bool)
	for k := middleware.KindChain; k <= middleware.KindRetriever; k++ {
		all[k] = true
	}
	return all
}

// randomOrder returns interceptors in which some of the gates stand, once each and
// in combinators at random, and what they are in there.
func randomOrder(r *rand.Rand, gates []*dice) (is []middleware.Interceptor, parts []*part) {
	gates = slices.Clone(gates)
	r.Shuffle(len(gates), func(i, j int) { gates[i], gates[j] = gates[j], gates[i] })
	for i, g := range gates[:1+r.IntN(len(gates))] {
		is, parts = append(is, g.Interceptor), append(parts, &part{gate: g, at: i, kinds: allKinds()})
	}
	told := false
	for range r.IntN(7) {
		// Some neighbours become one.
		from := r.IntN(len(is))
		to := from + 1 + r.IntN(len(is)-from)
		var inside []*part
		for _, p := range parts {
			if p.at >= from && p.at < to {
				inside = append(inside, p)
			}
		}
		group := middleware.Compose(is[from:to]...)
		switch r.IntN(8) {
		case 0:
			group = middleware.Shadow(group)
			for _, p := range inside {
				p.shadow = true
			}
		case 1, 2:
			kind := middleware.Kind(1 + r.IntN(5))
			if !slices.ContainsFunc(inside, func(p *part) bool { return p.kinds[kind] }) {
				continue // On refuses that
			}
			group = middleware.On(kind, group)
			for _, p := range inside {
				p.kinds = map[middleware.Kind]bool{kind: p.kinds[kind]}
			}
		case 3:
			group = middleware.Named("named", group)
		case 4, 5:
			group = middleware.Buffer(1000, group)
			stream := "hold"
			if r.IntN(2) == 0 {
				group, stream = middleware.PassThrough(middleware.Compose(is[from:to]...)), "pass"
			}
			for _, p := range inside {
				if p.stream == "" {
					p.stream = stream
				}
			}
		case 6:
			if !told {
				group, told = middleware.Compose(middleware.Tell, group), true
			}
		case 7:
			group = middleware.Compose(func(next middleware.Handler) middleware.Handler { return next }, group)
		}
		is = slices.Replace(is, from, to, group)
		for _, p := range parts {
			switch {
			case p.at >= to:
				p.at -= to - from - 1
			case p.at >= from:
				p.at = from
			}
		}
	}
	return is, parts
}

// TestNoGateIsLostInAMerge merges random orders of gates: what any of the orders
// enforces is enforced, nothing else is denied, and no gate judges a call twice.
func TestNoGateIsLostInAMerge(t *testing.T) {
	trials := 5_000
	if testing.Short() {
		trials = 1_000
	}
	for seed := range trials {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		kind := middleware.Kind(1 + r.IntN(5))
		var gates []*dice
		for i := range 5 {
			denies := middleware.Kind(0)
			if r.IntN(4) == 0 {
				denies = kind
			}
			gates = append(gates, newDice(fmt.Sprint(i), i%2 == 1, denies))
		}
		seen, records := 0, r.IntN(2) == 0
		recorder := func(next middleware.Handler) middleware.Handler {
			if next == nil {
				return middleware.Layer{Name: "recorder", Recorder: true, ID: &seen}.Handler()
			}
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				seen++
				return next(ctx, call)
			}
		}
		var lists [3][]middleware.Interceptor
		var parts []*part
		for i := range lists {
			is, made := randomOrder(r, gates)
			if records {
				is = slices.Insert(is, 0, middleware.Interceptor(recorder))
			}
			lists[i], parts = is, append(parts, made...)
		}
		merged := middleware.Merge(kind, lists[0], middleware.Merge(kind, lists[1], lists[2]))
		if r.IntN(2) == 0 {
			merged = middleware.Merge(kind, middleware.Merge(kind, lists[0], lists[1]), lists[2])
		}
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("seed %d, a %s call: %s\nouter\n%sown\n%sand\n%smerged\n%s", seed, kind, fmt.Sprintf(format, args...),
				middleware.Onion(lists[0]...), middleware.Onion(lists[1]...), middleware.Onion(lists[2]...), middleware.Onion(merged...))
		}

		var h middleware.Handler
		ran, released := false, false
		wrapped := func() (v any) {
			defer func() { v = recover() }()
			h = middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				ran = true
				err := call.Stream(ctx, middleware.Chunk{Text: []byte("done")})
				return middleware.Result{Output: "done"}, err
			}, merged...)
			return nil
		}()
		if wrapped != nil {
			fail("Wrap refuses it: %v", wrapped)
		}
		res, err := h(t.Context(), middleware.Call{Kind: kind, Name: "x", Stream: func(context.Context, middleware.Chunk) error {
			released = true
			return nil
		}})

		early, denied, holds := false, false, false
		enforced := make(map[*dice]bool)
		for _, p := range parts {
			if !p.enforces(kind) {
				continue
			}
			enforced[p.gate] = true
			if p.gate.denies == kind {
				denied = true
				early = early || !p.gate.late
				holds = holds || p.gate.late && p.stream != "pass"
			}
		}
		if succeeded := err == nil && res.Output == "done"; succeeded == denied || ran == early {
			fail("got %v, %v, ran %v, want it denied %v before it ran %v", res.Output, err, ran, denied, early)
		}
		if released && (holds || early) {
			fail("its stream was released before the verdict")
		}
		for i, g := range gates {
			if g.judged > 1 || !denied && enforced[g] && g.judged == 0 {
				fail("gate %d judged %d times", i, g.judged)
			}
		}
		if records && seen != 1 {
			fail("the recorder saw it %d times", seen)
		}
	}
}

func TestMergePanics(t *testing.T) {
	is := []middleware.Interceptor{middleware.Before("a", allow)}
	for want, f := range map[string]func(){
		"Merge: kind(0) is no kind of call":  func() { middleware.Merge(0, is, is) },
		"Merge: kind(99) is no kind of call": func() { middleware.Merge(99, is, is) },
		"Merge: interceptor 1 is nil":        func() { middleware.Merge(middleware.KindTool, is, append(is, nil)) },
		"Merge: interceptor 0 is nil":        func() { middleware.Merge(middleware.KindTool, []middleware.Interceptor{nil}, is) },
	} {
		wantPanic(t, want, f)
	}
}
