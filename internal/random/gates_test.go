package random_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// The gates of the library, with rules that are easy to keep by hand.

var toolNames = []string{"a", "b", "c"}

func (w *world) tools() node {
	w.leaves++
	var list []string
	for _, name := range toolNames {
		if w.r.IntN(5) > 0 {
			list = append(list, name)
		}
	}
	return node{
		name: fmt.Sprintf("tools(%v)", list), id: w.leaves, pass: true,
		real: gates.Tools(list...),
		ref: refFunc(func(c refContext, call refCall, next refHandler) refResult {
			switch call.kind {
			case middleware.KindTool:
				if !slices.Contains(list, call.name) {
					return c.deny("tools", middleware.CodeToolNotAllowed)
				}
				c.note("tools", "allow", "")
			case middleware.KindPlan:
				res := next(c, call)
				if res.err != nil || res.told {
					return res
				}
				for _, asked := range res.plan {
					if name, _, _ := strings.Cut(asked, " "); !slices.Contains(list, name) {
						return c.deny("tools", middleware.CodeToolNotAllowed)
					}
				}
				c.note("tools", "allow", "")
				return res
			}
			return next(c, call)
		}),
	}
}

func (w *world) arguments() node {
	w.leaves++
	tool, prefix := toolNames[w.r.IntN(len(toolNames))], []string{"a", "b", ""}[w.r.IntN(3)]
	condition := gates.Length(0, 1000)
	if prefix != "" {
		condition = gates.Prefix(prefix)
	}
	return node{
		name: fmt.Sprintf("arguments(%s begins with %q)", tool, prefix), id: w.leaves, pass: true,
		real: gates.Arguments(gates.ArgumentRules{tool: {gates.Text(condition)}}),
		ref: refFunc(func(c refContext, call refCall, next refHandler) refResult {
			bad := func(name, input string) bool { return name == tool && !strings.HasPrefix(input, prefix) }
			switch {
			case call.kind == middleware.KindTool && call.name == tool:
				if bad(call.name, call.input) {
					return c.deny("arguments", middleware.CodePolicy)
				}
				c.note("arguments", "allow", "")
			case call.kind == middleware.KindPlan:
				res := next(c, call)
				if res.err != nil || res.told {
					return res
				}
				for _, asked := range res.plan {
					if name, input, _ := strings.Cut(asked, " "); bad(name, input) {
						return c.deny("arguments", middleware.CodePolicy)
					}
				}
				c.note("arguments", "allow", "")
				return res
			}
			return next(c, call)
		}),
	}
}

func (w *world) size() node {
	w.leaves++
	most := []int{5, 8, 1000}[w.r.IntN(3)]
	return node{
		name: fmt.Sprintf("size(%d)", most), id: w.leaves, kind: middleware.KindTool,
		real: middleware.On(middleware.KindTool, gates.Size(gates.SizeRules{Input: most})),
		ref: refOn{middleware.KindTool, refNamed("size", refFunc(func(c refContext, call refCall, next refHandler) refResult {
			if len(`"`+call.input+`"`) > most {
				return refResult{err: refDenied("size", middleware.CodeBadInput)}
			}
			return next(c, call)
		}))},
	}
}

func (w *world) ingress() node {
	w.leaves++
	most := []int{8, 1000}[w.r.IntN(2)]
	return node{
		name: fmt.Sprintf("ingress(%d)", most), id: w.leaves,
		real: gates.Ingress(gates.IngressRules{Required: []string{"input"}, Check: func(_ context.Context, in map[string]any) error {
			if s, _ := in["input"].(string); len(s) > most {
				return middleware.Deny(middleware.CodeBadInput, "too long")
			}
			return nil
		}}),
		ref: refFunc(func(c refContext, call refCall, next refHandler) refResult {
			if !call.root {
				return next(c, call)
			}
			if len(call.input) > most {
				return c.deny("ingress", middleware.CodeBadInput)
			}
			c.note("ingress", "allow", "")
			return next(c, call)
		}),
	}
}

func outward(kind middleware.Kind) bool {
	return kind == middleware.KindModel || kind == middleware.KindTool
}

// rate lets so many calls through and no more, for all runs.
func (w *world) rate() node {
	w.leaves++
	most, n := 1+w.r.IntN(12), 0
	return node{
		name: fmt.Sprintf("rate(%d)", most), id: w.leaves,
		real: gates.Rate(gates.RateRules{Calls: most, Per: 100_000 * time.Hour, Scope: gates.ScopeProcess}),
		ref: refFunc(func(c refContext, call refCall, next refHandler) refResult {
			if outward(call.kind) {
				if c.run.ended {
					c.note("rate", "deny", middleware.CodeIndeterminate)
					return refResult{err: &refError{class: "ended"}}
				}
				if n == most {
					return c.deny("rate", middleware.CodeBusy)
				}
				n++
			}
			c.note("rate", "allow", "")
			return next(c, call)
		}),
	}
}

func (w *world) concurrency() node {
	w.leaves++
	return node{
		name: "concurrency(1)", id: w.leaves,
		real: gates.Concurrency(1, gates.DenyWhenFull),
		ref: refFunc(func(c refContext, call refCall, next refHandler) refResult {
			switch {
			case !outward(call.kind):
			case c.run.ended:
				c.note("concurrency", "deny", middleware.CodeIndeterminate)
				return refResult{err: &refError{class: "ended"}}
			default: // a call lends its place to the one within it
				c.note("concurrency", "allow", "")
			}
			return next(c, call)
		}),
	}
}

func (w *world) deadline() node {
	w.leaves++
	return node{
		name: "deadline(1h)", id: w.leaves,
		real: gates.Deadline(gates.DeadlineRules{Call: time.Hour}),
		ref:  refNamed("deadline", refFunc(func(c refContext, call refCall, next refHandler) refResult { return next(c, call) })),
	}
}

// loop lets the same tool call run twice in a row.
func (w *world) loop() node {
	w.leaves++
	n := node{
		name: "loop", id: w.leaves,
		real: gates.Loop(gates.LoopRules{Alternating: 500, Identical: 1000, Window: 1000, Denials: 1 << 30, Unknown: 1 << 30}),
	}
	type history struct {
		calls []string
		told  bool
	}
	runs := make(map[*refRun]*history)
	n.ref = refFunc(func(c refContext, call refCall, next refHandler) refResult {
		if call.kind == middleware.KindPlan {
			res := next(c, call)
			if res.err == nil && !res.told {
				c.note("loop", "allow", "")
			}
			return res
		}
		if call.kind != middleware.KindTool {
			return next(c, call)
		}
		h := runs[c.run]
		if h == nil {
			h = &history{}
			runs[c.run] = h
		}
		now := call.name + " " + strings.TrimSpace(call.input)
		last := h.calls[max(0, len(h.calls)-2):]
		circles := len(last) == 2 && last[0] == now && last[1] == now
		h.calls = append(h.calls, now)
		if !circles {
			c.note("loop", "allow", "")
			return next(c, call)
		}
		res := c.deny("loop", middleware.CodeLoop)
		if h.told {
			return res
		}
		h.told = true
		return refResult{out: "Not done", told: true}
	})
	return n
}

// budget counts tool calls and model calls of each run.
func (w *world) budget() node {
	toolCalls, modelCalls := int64(1+w.r.IntN(5)), int64(1+w.r.IntN(5))
	w.leaves++
	l := &refBudget{toolCalls: int(toolCalls), modelCalls: int(modelCalls), runs: make(map[*refRun]*refSpent)}
	return node{
		name: fmt.Sprintf("budget(%d tool calls, %d model calls)", toolCalls, modelCalls), id: w.leaves, pass: true,
		real: gates.Budget(gates.Limits{ToolCalls: toolCalls, ModelCalls: modelCalls}),
		ref:  l,
	}
}

type refBudget struct {
	toolCalls, modelCalls int
	runs                  map[*refRun]*refSpent
}

type refSpent struct {
	tools, toolsHeld, models, modelsHeld int
	batches                              map[int][]int // tool calls reserved for a chain, by plan
	open                                 map[int]bool  // chains
}

func (l *refBudget) spent(run *refRun) *refSpent {
	if l.runs[run] == nil {
		run.budgets = append(run.budgets, l)
		l.runs[run] = &refSpent{batches: make(map[int][]int), open: make(map[int]bool)}
	}
	return l.runs[run]
}

func (l *refBudget) balances(run *refRun) string {
	s := l.runs[run]
	return fmt.Sprintf("tool_calls: %d of %d used, %d reserved; model_calls: %d of %d used, %d reserved; ",
		s.tools, l.toolCalls, s.toolsHeld, s.models, l.modelCalls, s.modelsHeld)
}

func (s *refSpent) giveBack(chain int) {
	for _, n := range s.batches[chain] {
		s.toolsHeld -= n
	}
	delete(s.batches, chain)
}

func (l *refBudget) handle(c refContext, call refCall, next refHandler) refResult {
	s := l.spent(c.run)
	switch call.kind {
	case middleware.KindChain:
		s.open[c.id] = true
		defer func() {
			s.giveBack(c.id)
			delete(s.open, c.id)
		}()
	case middleware.KindPlan:
		chain := c.parent // that of a plan that was asked for again, too
		for chain != nil && chain.kind == middleware.KindPlan {
			chain = chain.parent
		}
		owner := 0
		if chain != nil {
			owner = chain.id
		}
		s.giveBack(owner)
		res := next(c, call)
		if res.err != nil || res.told {
			return res
		}
		n := len(res.plan)
		if n > 0 && l.toolCalls-s.tools-s.toolsHeld < n {
			return c.deny("budget", middleware.CodeOverBudget)
		}
		if n > 0 && s.open[owner] {
			s.toolsHeld += n
			s.batches[owner] = append(s.batches[owner], n)
		}
		c.note("budget", "allow", "")
		return res
	case middleware.KindModel:
		if l.modelCalls-s.models-s.modelsHeld < 1 {
			return c.deny("budget", middleware.CodeOverBudget)
		}
		s.modelsHeld++
		defer func() {
			s.modelsHeld--
			if c.reached {
				s.models++
			}
		}()
		c.note("budget", "allow", "")
	case middleware.KindTool:
		if batches := s.batches[call.parent]; len(batches) > 0 {
			s.toolsHeld--
			if last := len(batches) - 1; batches[last] == 1 {
				s.batches[call.parent] = batches[:last]
			} else {
				batches[last]--
			}
		} else if l.toolCalls-s.tools-s.toolsHeld < 1 {
			return c.deny("budget", middleware.CodeOverBudget)
		}
		s.tools++
		defer func() {
			if !c.reached {
				s.tools--
			}
		}()
		c.note("budget", "allow", "")
	}
	return next(c, call)
}
