package random_test

import (
	"fmt"
	"slices"
	"strings"

	"example.com/safeconduct/middleware"
)

// What follows is a second, simple account of what interceptors do to a call:
// one goroutine, texts in place of values, panics where there are panics, and
// nothing that is fast. It is written from the documentation, and shares no code
// with what it is held against.

// A refCall is a call. All inputs are texts.
type refCall struct {
	kind        middleware.Kind
	name, input string
	root        bool
	parent      int
	stream      func(text string) *refError
}

// A refResult is what came of a call.
type refResult struct {
	out  string
	plan []string  // the tools that a plan asks for
	told bool      // out is an observation
	why  *refError // of what was told
	err  *refError
}

// A refError is an error by its class.
type refError struct {
	class      string // "denied", "failed", "panicked", "ended"
	gate, code string
}

func (e *refError) String() string {
	if e == nil {
		return "done"
	}
	return strings.TrimRight(fmt.Sprintf("%s %s %s", e.class, e.gate, e.code), " ")
}

func refDenied(gate string, code middleware.Code) *refError {
	return &refError{class: "denied", gate: gate, code: string(code)}
}

// A refRun is a run, and all that gates keep for it.
type refRun struct {
	calls   int
	stopped *refError
	ended   bool         // the context
	budgets []*refBudget // in the order in which they were met
}

// A refScope is a call's place in its run.
type refScope struct {
	run     *refRun
	wrapped *refWrapped
	kind    middleware.Kind
	id      int
	parent  *refScope
	reached bool
	planned bool // it came to tool calls
	ran     string
	trail   []refDecision
	held    map[refLayer]bool
}

type refDecision struct {
	gate, verdict, code string
	shadow              bool
}

func (d refDecision) String() string {
	s := d.gate + " " + d.verdict
	if d.code != "" {
		s += " " + d.code
	}
	if d.shadow {
		s += " (shadow)"
	}
	return s
}

// A refContext is where an interceptor works.
type refContext struct {
	*refScope
	shadow bool
	pass   bool // streams are let through before the verdict
}

func (c refContext) note(gate, verdict string, code middleware.Code) {
	c.trail = append(c.trail, refDecision{gate, verdict, string(code), c.shadow})
}

// deny notes and returns a denial.
func (c refContext) deny(gate string, code middleware.Code) refResult {
	c.note(gate, "deny", code)
	return refResult{err: refDenied(gate, code)}
}

type refHandler func(c refContext, call refCall) refResult

// A refLayer is an interceptor.
type refLayer interface {
	handle(c refContext, call refCall, next refHandler) refResult
}

// refChain applies layers, the first outermost.
func refChain(layers []refLayer, h refHandler) refHandler {
	for _, l := range slices.Backward(layers) {
		next := h
		h = func(c refContext, call refCall) refResult { return l.handle(c, call, next) }
	}
	return h
}

// A refWrapped is a wrapped tool, chain or model.
type refWrapped struct {
	chain refHandler
}

func refWrap(layers []refLayer, h func(s *refScope, call refCall) refResult) *refWrapped {
	return &refWrapped{refChain(layers, func(c refContext, call refCall) refResult {
		switch {
		case c.run.ended:
			return refResult{err: &refError{class: "ended"}}
		case c.run.stopped != nil:
			return refResult{err: refDenied(c.run.stopped.gate, middleware.CodeStopped)}
		case c.reached:
			return refResult{err: &refError{class: "failed"}}
		}
		c.reached, c.ran = true, call.input
		panicked := false
		res := func() (res refResult) {
			defer func() {
				if panicked = recover() != nil; panicked {
					res = refResult{err: &refError{class: "panicked"}}
				}
			}()
			return h(c.refScope, call)
		}()
		if c.run.ended && !panicked && (res.err == nil || res.err.class != "denied" && res.err.class != "ended") {
			res = refResult{err: &refError{class: "ended"}}
		}
		if res.err != nil {
			res.out, res.plan = "", nil
		}
		return res
	})}
}

// call makes a call. The parent is nil where a run begins.
func (w *refWrapped) call(run *refRun, parent *refScope, call refCall) (refResult, *refScope) {
	if run.ended {
		return refResult{err: &refError{class: "ended"}}, nil
	}
	if run.stopped != nil {
		return refResult{err: refDenied(run.stopped.gate, middleware.CodeStopped)}, nil
	}
	run.calls++
	s := &refScope{run: run, wrapped: w, kind: call.kind, id: run.calls, parent: parent}
	if parent != nil {
		call.parent = parent.id
	}
	call.root = parent == nil
	res := w.enter(s, call)
	if res.err != nil && res.err.class == "denied" && run.stopped == nil {
		run.stopped = res.err
	}
	return res, s
}

func (w *refWrapped) enter(s *refScope, call refCall) (res refResult) {
	defer func() {
		if recover() != nil {
			res = refResult{err: refDenied("", middleware.CodeIndeterminate)}
		}
	}()
	if stream := call.stream; stream != nil {
		over := false
		defer func() { over = true }()
		call.stream = func(text string) *refError {
			if over {
				return &refError{class: "failed"}
			}
			return stream(text)
		}
	}
	return w.chain(refContext{refScope: s}, call)
}

// carryOut is middleware.Again.
func (w *refWrapped) carryOut(c refContext, call refCall) refResult {
	switch {
	case c.shadow:
		return refResult{err: &refError{class: "failed"}}
	case c.run.ended:
		return refResult{err: &refError{class: "ended"}}
	case c.run.stopped != nil:
		return refResult{err: refDenied(c.run.stopped.gate, middleware.CodeStopped)}
	}
	c.run.calls++
	s := &refScope{run: c.run, wrapped: w, kind: call.kind, id: c.run.calls, parent: c.refScope}
	call.parent, call.root = c.id, false
	return w.enter(s, call)
}
