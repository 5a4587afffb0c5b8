package random_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"example.com/safeconduct/middleware"
)

// A node is an interceptor twice: as it is, and as the reference has it. Nodes are
// made of others, or leaves.
type node struct {
	name  string
	op    string          // "compose", "on", "shadow", "pass"; empty for a leaf
	kind  middleware.Kind // of "on", and of a leaf that is for one kind alone; zero for all
	parts []node
	id    int  // of a leaf that tells that it is itself; zero for none
	pass  bool // the leaf lets streams through by itself

	real middleware.Interceptor
	ref  refLayer
}

// A world is what the interceptors of one trial share.
type world struct {
	r      *rand.Rand
	cancel func() // ends the context of the run under way
	leaves int
}

// inputText returns the input of a call as the reference knows it.
func inputText(call middleware.Call) string {
	switch in := call.Input.(type) {
	case string:
		return in
	case map[string]any:
		s, _ := in["input"].(string)
		return s
	case *middleware.PlanRequest:
		return in.Inputs["input"]
	case *middleware.ModelRequest:
		return in.Messages[len(in.Messages)-1].Parts[0].Text
	}
	return fmt.Sprintf("%T", call.Input)
}

// withInput returns the call with another input.
func withInput(call middleware.Call, text string) middleware.Call {
	switch in := call.Input.(type) {
	case string:
		call.Input = text
	case *middleware.ModelRequest:
		c := *in
		c.Messages = slices.Clone(in.Messages)
		last := &c.Messages[len(c.Messages)-1]
		last.Parts = slices.Clone(last.Parts)
		last.Parts[0].Text, last.Parts[0].Size = text, len(text)
		call.Input = &c
	case map[string]any:
		call.Input = map[string]any{"input": text}
	case *middleware.PlanRequest:
		call.Input = &middleware.PlanRequest{Inputs: map[string]string{"input": text}, Steps: in.Steps}
	}
	return call
}

// outputText returns an output as the reference knows it.
func outputText(output any) (out string, plan []string, told bool) {
	switch o := output.(type) {
	case string:
		return o, nil, false
	case middleware.Observation:
		return string(o), nil, true
	case map[string]any:
		s, _ := o["output"].(string)
		return s, nil, false
	case *middleware.ModelResponse:
		return o.Choices[0].Text, nil, false
	case *middleware.Plan:
		for _, c := range o.ToolCalls {
			plan = append(plan, c.Name+" "+c.Input)
		}
		s, _ := o.Final["output"].(string)
		return s, plan, false
	}
	return fmt.Sprintf("%T", output), nil, false
}

// withOutput returns an output with another text.
func withOutput(output any, text string) any {
	switch o := output.(type) {
	case string:
		return text
	case *middleware.ModelResponse:
		c := *o
		c.Choices = slices.Clone(o.Choices)
		c.Choices[0].Text = text
		return &c
	case map[string]any:
		return map[string]any{"output": text}
	}
	return output
}

// A rule is what a random gate goes by.
type rule struct {
	kinds []middleware.Kind
	word  string
}

func (w *world) rule() rule {
	kinds := []middleware.Kind{middleware.KindChain, middleware.KindPlan, middleware.KindModel, middleware.KindTool}
	w.r.Shuffle(len(kinds), func(i, k int) { kinds[i], kinds[k] = kinds[k], kinds[i] })
	return rule{kinds[:1+w.r.IntN(2)], []string{"a", "b", "c", "d", "never", "never", "never"}[w.r.IntN(7)]}
}

func (r rule) holds(kind middleware.Kind, text string) bool {
	return slices.Contains(r.kinds, kind) && strings.Contains(text, r.word)
}

func (w *world) leafName(what string) string {
	w.leaves++
	return fmt.Sprintf("%s%d", what, w.leaves)
}

// refFunc is a layer that is a func.
type refFunc func(c refContext, call refCall, next refHandler) refResult

func (f refFunc) handle(c refContext, call refCall, next refHandler) refResult {
	return f(c, call, next)
}

var errUndecided = errors.New("the check failed")

// before is a gate that denies, cannot decide, or panics.
func (w *world) before() node {
	name, r, how := w.leafName("before"), w.rule(), w.r.IntN(4)
	code := middleware.CodePolicy
	if how > 1 {
		code = middleware.CodeIndeterminate
	}
	return node{
		name: fmt.Sprintf("%s(%v)", name, r), id: w.leaves,
		real: middleware.Before(name, func(_ context.Context, call middleware.Call) error {
			if !r.holds(call.Kind, inputText(call)) {
				return nil
			}
			switch how {
			case 2:
				return errUndecided
			case 3:
				panic("the check panics")
			}
			return middleware.Deny(middleware.CodePolicy, "no")
		}),
		ref: refFunc(func(c refContext, call refCall, next refHandler) refResult {
			if r.holds(call.kind, call.input) {
				return c.deny(name, code)
			}
			c.note(name, "allow", "")
			return next(c, call)
		}),
	}
}

// after is a gate that judges results, and holds streams.
func (w *world) after() node {
	name, r := w.leafName("after"), w.rule()
	changes := w.r.IntN(3) == 0
	n := node{name: fmt.Sprintf("%s(%v, changes %v)", name, r, changes), id: w.leaves}
	if changes {
		n.real = middleware.TransformResult(name, func(_ context.Context, call middleware.Call, res middleware.Result) (middleware.Result, bool, error) {
			out, _, _ := outputText(res.Output)
			if !r.holds(call.Kind, out) || call.Kind == middleware.KindPlan {
				return res, false, nil
			}
			return middleware.Result{Output: withOutput(res.Output, "changed by "+name)}, true, nil
		})
	} else {
		n.real = middleware.After(name, func(_ context.Context, call middleware.Call, res middleware.Result) error {
			if out, _, _ := outputText(res.Output); r.holds(call.Kind, out) {
				return middleware.Deny(middleware.CodeBadOutput, "no")
			}
			return nil
		})
	}
	n.ref = refFunc(func(c refContext, call refCall, next refHandler) refResult {
		var held []string
		stream := call.stream
		if stream != nil && !c.pass {
			call.stream = func(text string) *refError { held = append(held, text); return nil }
		}
		res := next(c, call)
		if res.err != nil || res.told {
			return res
		}
		changed := false
		switch matches := r.holds(call.kind, res.out); {
		case matches && changes && call.kind != middleware.KindPlan:
			c.note(name, "transform", "")
			res.out, changed = "changed by "+name, true
		case matches && !changes:
			return c.deny(name, middleware.CodeBadOutput)
		default:
			c.note(name, "allow", "")
		}
		if stream == nil || c.pass {
			return res
		}
		if changed {
			held = []string{res.out}
		}
		for _, text := range held {
			if c.run.ended {
				return refResult{err: &refError{class: "ended"}}
			}
			if err := stream(text); err != nil {
				return refResult{err: err}
			}
		}
		return res
	})
	return n
}

// transform changes inputs.
func (w *world) transform() node {
	name, r := w.leafName("transform"), w.rule()
	able := func(kind middleware.Kind) bool { return kind == middleware.KindTool || kind == middleware.KindModel }
	return node{
		name: fmt.Sprintf("%s(%v)", name, r), id: w.leaves,
		real: middleware.Transform(name, func(_ context.Context, call middleware.Call) (middleware.Call, bool, error) {
			if able(call.Kind) && r.holds(call.Kind, inputText(call)) {
				return withInput(call, inputText(call)+" d"), true, nil
			}
			return call, false, nil
		}),
		ref: refFunc(func(c refContext, call refCall, next refHandler) refResult {
			if able(call.kind) && r.holds(call.kind, call.input) {
				c.note(name, "transform", "")
				call.input += " d"
			} else {
				c.note(name, "allow", "")
			}
			return next(c, call)
		}),
	}
}

// byHand is an interceptor that is written by hand: it may deny, panic before or
// after the call, end the context, call next twice, or fail. It may have a name.
func (w *world) byHand() node {
	name, r, named := w.leafName("hand"), w.rule(), w.r.IntN(2) == 0
	what := []string{"deny", "panic before", "panic after", "end before", "end after", "twice", "fail"}[w.r.IntN(7)]
	cancel := func() { w.cancel() }
	real := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			if !r.holds(call.Kind, inputText(call)) {
				return next(ctx, call)
			}
			switch what {
			case "deny":
				return middleware.Result{}, middleware.Deny(middleware.CodePolicy, "no")
			case "panic before":
				panic(what)
			case "end before":
				cancel()
			case "fail":
				return middleware.Result{}, errUndecided
			}
			res, err := next(ctx, call)
			switch what {
			case "panic after":
				panic(what)
			case "end after":
				cancel()
			case "twice":
				return next(ctx, call)
			}
			return res, err
		}
	}
	ref := refFunc(func(c refContext, call refCall, next refHandler) refResult {
		if !r.holds(call.kind, call.input) {
			return next(c, call)
		}
		switch what {
		case "deny":
			return refResult{err: refDenied("", middleware.CodePolicy)}
		case "panic before":
			panic(what)
		case "end before":
			c.run.ended = true
		case "fail":
			return refResult{err: &refError{class: "failed"}}
		}
		res := next(c, call)
		switch what {
		case "panic after":
			panic(what)
		case "end after":
			c.run.ended = true
		case "twice":
			return next(c, call)
		}
		return res
	})
	n := node{name: fmt.Sprintf("%s(%s, %v, named %v)", name, what, r, named), real: real, ref: ref}
	if named {
		n.real, n.ref, n.id = middleware.Named(name, real), refNamed(name, ref), w.leaves
	}
	return n
}

// refNamed gives a layer a gate's name.
func refNamed(name string, l refLayer) refLayer {
	return refFunc(func(c refContext, call refCall, next refHandler) (res refResult) {
		var inner *refError
		inside, called := false, false // next is under way; it has returned
		defer func() {
			if v := recover(); v != nil {
				if inside {
					panic(v) // of what stands within
				}
				res = c.deny(name, middleware.CodeIndeterminate)
			}
		}()
		res = l.handle(c, call, func(c refContext, call refCall) refResult {
			inside = true
			res := next(c, call)
			inside, called, inner = false, true, res.err
			return res
		})
		switch {
		case res.err == nil, called && res.err == inner:
			c.note(name, "allow", "")
		case called && inner != nil && res.err.class != "denied":
			c.note(name, "allow", "") // it failed as what is within did
		case res.err.class == "ended":
			c.note(name, "deny", middleware.CodeIndeterminate)
		case res.err.class == "denied":
			res.err = &refError{class: "denied", gate: res.err.gate, code: res.err.code}
			if res.err.gate == "" {
				res.err.gate = name
			}
			c.note(name, "deny", middleware.Code(res.err.code))
		default:
			res.err = refDenied(name, middleware.CodeIndeterminate)
			c.note(name, "deny", middleware.CodeIndeterminate)
		}
		return res
	})
}

// again asks once more where it does not like the answer.
func (w *world) again() node {
	r := w.rule()
	r.kinds = []middleware.Kind{[]middleware.Kind{middleware.KindModel, middleware.KindTool, middleware.KindPlan}[w.r.IntN(3)]}
	var asked middleware.Within[bool]
	return node{
		name: fmt.Sprintf("again(%v)", r),
		real: func(next middleware.Handler) middleware.Handler {
			return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				if asked.Find(ctx) != nil {
					return next(ctx, call)
				}
				input := inputText(call)
				res, err := next(ctx, call)
				out, _, told := outputText(res.Output)
				if err != nil || told || !r.holds(call.Kind, out) {
					return res, err
				}
				*asked.New(ctx) = true
				return middleware.Again(ctx, withInput(call, input+" again"))
			}
		},
		ref: refFunc(func(c refContext, call refCall, next refHandler) refResult {
			key := refAgainKey{&asked}
			for s := c.refScope; s != nil; s = s.parent {
				if s.held[key] {
					return next(c, call)
				}
			}
			res := next(c, call)
			if res.err != nil || res.told || !r.holds(call.kind, res.out) {
				return res
			}
			if c.held == nil {
				c.held = make(map[refLayer]bool)
			}
			c.held[key] = true
			call.input += " again"
			return c.wrapped.carryOut(c, call)
		}),
	}
}

type refAgainKey struct{ of *middleware.Within[bool] }

func (refAgainKey) handle(refContext, refCall, refHandler) refResult { panic("a key") }
