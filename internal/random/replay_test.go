package random_test

import (
	"slices"
	"strings"

	"example.com/safeconduct/middleware"
)

// The same in the reference.

func (t *trial) refBehave(c *refScope, s *step, call refCall) refResult {
	emit := func(text string) *refError {
		if call.stream == nil {
			return nil
		}
		return call.stream(text)
	}
	if err := emit(s.name + " says "); err != nil {
		return refResult{err: err}
	}
	switch s.behavior {
	case "fails", "typed nil":
		return refResult{err: &refError{class: "failed"}}
	case "panics":
		panic("it panics")
	case "ends":
		c.run.ended = true
	case "asks a model":
		asks := &step{kind: middleware.KindModel, name: "model", input: call.input}
		if res := t.refDo(c, asks); res.err != nil {
			return refResult{err: res.err}
		}
	}
	if err := emit(call.input); err != nil {
		return refResult{err: err}
	}
	res := refResult{out: s.name + " says " + call.input}
	if s.kind == middleware.KindPlan && len(s.asks) > 0 {
		res.out, res.plan, c.planned = "", s.asks, true
	}
	return res
}

func (t *trial) refDo(c *refScope, s *step) refResult {
	under := t.at
	t.at = s
	defer func() { t.at = under }()
	call := refCall{kind: s.kind, name: s.name, input: s.input}
	if t.way == "executor" && s.kind == middleware.KindPlan {
		call.input = t.input
	}
	var streamed strings.Builder
	if s.streams {
		call.stream = func(text string) *refError { streamed.WriteString(text + "/"); return nil }
	}
	res, made := t.refThings[s.kind].call(c.run, c, call)
	if t.way != "wrap" && s.kind == middleware.KindPlan && res.told {
		if !made.planned {
			res = refResult{err: res.why} // there is nothing that could be answered
		}
	}
	if t.way == "executor" {
		return res
	}
	e := seen{what: "step " + s.kind.String() + " " + s.name, result: res.err.String(), ran: streamed.String()}
	if res.err == nil {
		e.out = saw(res.out, res.plan, res.told)
		if t.way == "langchaingo" && s.kind == middleware.KindPlan && len(s.asks) > 0 {
			e.out = saw(s.name+" says "+s.input, s.asks, false)
		}
	}
	t.refLog = append(t.refLog, e)
	return res
}

func (t *trial) refChain(c *refScope) refResult {
	for i := range t.steps {
		s := &t.steps[i]
		res := t.refDo(c, s)
		if res.err != nil && !s.goesOn {
			return refResult{err: res.err}
		}
		if t.way == "executor" && len(s.asks) == 0 {
			return refResult{out: res.out, err: res.err}
		}
		if s.kind != middleware.KindPlan || res.err != nil || res.told && t.way == "wrap" {
			continue
		}
		for _, asked := range s.asks {
			name, input, _ := strings.Cut(asked, " ")
			if !slices.Contains(toolNames, name) {
				continue
			}
			if res.told {
				if t.way == "langchaingo" {
					t.refLog = append(t.refLog, seen{what: "step tool " + name, result: "done", out: "told"})
				}
				continue
			}
			if res := t.refDo(c, &step{kind: middleware.KindTool, name: name, input: input, behavior: t.tools[name]}); res.err != nil && !s.goesOn {
				return refResult{err: res.err}
			}
		}
	}
	if t.way == "executor" {
		return refResult{err: &refError{class: "failed"}} // it never came to an answer
	}
	return refResult{out: "the end"}
}
