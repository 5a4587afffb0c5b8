package langchaingotest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

// Called fails the test unless what has this name, a tool mostly, was called and ran.
// A call that a gate denied before it ran does not count. What it returns says more
// about the calls that did.
func (r *Recorder) Called(tb testing.TB, name string) *Calls {
	tb.Helper()
	c := r.claim(tb, "called "+name, func(e *entry) bool { return e.Name == name && e.Ran })
	if len(c.left) == 0 {
		c.fail("got no call that ran, want one")
	}
	return &Calls{c}
}

// NotCalled fails the test if what has this name was called and ran. It also fails
// where nothing that happened names it: then the name may be misspelt, or the test have
// gone elsewhere. Calls that were denied name it, and so do the tools and messages that
// a model was shown, and what it asked for.
func (r *Recorder) NotCalled(tb testing.TB, name string) {
	tb.Helper()
	c := r.claim(tb, "not called "+name, func(e *entry) bool { return e.Name == name && e.Ran })
	switch n := len(c.left); {
	case n > 0:
		c.fail(fmt.Sprintf("got %s, want none", calls(n)))
	case !r.knows(name):
		c.fail("nothing that happened names it: is it misspelt?")
	}
}

// Denied fails the test unless a call of this name was denied, told to the model or
// not. Where a whole turn of the agent was denied, that counts for the tool that the
// reason names or, where it names none, for each tool that the turn asked for. What
// Denied returns says more about the denials.
func (r *Recorder) Denied(tb testing.TB, name string) *Denials {
	tb.Helper()
	r.mu.Lock()
	batches := r.batches()
	r.mu.Unlock()
	c := r.claim(tb, "denied "+name, func(e *entry) bool {
		return e.Denial != nil && (e.Name == name || e.Kind == middleware.KindPlan && refuses(e, name, batches[e]))
	})
	if len(c.left) == 0 {
		c.fail("got no denial of it, want one")
	}
	return &Denials{c}
}

// NothingDenied fails the test if any call was denied, and where nothing happened.
func (r *Recorder) NothingDenied(tb testing.TB) {
	tb.Helper()
	c := r.claim(tb, "nothing denied", func(e *entry) bool { return e.Denial != nil })
	switch n := len(c.left); {
	case n > 0:
		c.fail(fmt.Sprintf("got %d calls that were, want none", n))
	case len(r.Entries()) == 0:
		c.fail("no call passed Intercept")
	}
}

// A claim is about some of the entries. One that has failed says nothing more.
type claim struct {
	tb     testing.TB
	r      *Recorder
	text   string // what was claimed so far
	left   []*entry
	failed bool
}

func (r *Recorder) claim(tb testing.TB, text string, about func(*entry) bool) *claim {
	c := &claim{tb: tb, r: r, text: text}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.entries {
		if about(e) {
			c.left = append(c.left, e)
		}
	}
	return c
}

// fail fails the test, and prints the whole trail.
func (c *claim) fail(gotWant string) {
	c.tb.Helper()
	if c.failed {
		return
	}
	c.failed = true
	c.tb.Errorf("%s: %s; this happened:\n%s", c.text, gotWant, c.r)
}

// narrow leaves those of the calls for which keep holds, and fails if there are none.
func (c *claim) narrow(text, gotWant string, keep func(*entry) bool) {
	c.tb.Helper()
	c.text += text
	if c.failed {
		return
	}
	left := slices.DeleteFunc(slices.Clone(c.left), func(e *entry) bool { return !keep(e) })
	if len(left) == 0 {
		c.fail(gotWant)
	}
	c.left = left
}

// times fails unless there are n calls.
func (c *claim) times(n int) {
	c.tb.Helper()
	if got := len(c.left); got != n {
		c.fail(fmt.Sprintf("got %s, want %d", calls(got), n))
	}
}

func calls(n int) string {
	if n == 1 {
		return "1 call"
	}
	return strconv.Itoa(n) + " calls"
}

// Calls are calls that ran, of which its methods say more, each about those that the
// methods before it left. A failure is that of the test; after one, nothing more is
// looked at.
type Calls struct{ c *claim }

// Once fails the test unless it was one call.
func (c *Calls) Once() *Calls { c.c.tb.Helper(); return c.Times(1) }

// Times fails the test unless there were n calls. For none see NotCalled.
func (c *Calls) Times(n int) *Calls {
	c.c.tb.Helper()
	c.c.times(n)
	return c
}

// With leaves the calls that ran with this input, and fails the test if there are none.
func (c *Calls) With(input string) *Calls {
	c.c.tb.Helper()
	var got []string
	for _, e := range c.c.left {
		got = append(got, fmt.Sprintf("%q", e.RanWith))
	}
	c.c.narrow(fmt.Sprintf(" with %q", input), "got "+strings.Join(got, ", "), func(e *entry) bool { return e.RanWith == any(input) })
	return c
}

// After fails the test unless each of the calls began after a call of this name was
// done, in the same run.
func (c *Calls) After(name string) *Calls {
	c.c.tb.Helper()
	c.c.text += " after " + name
	for i, e := range c.c.left {
		if c.c.failed || c.c.r.doneBefore(e, name) {
			continue
		}
		problem := fmt.Sprintf("call %d of it began before any call of %s was done", i+1, name)
		if e.allowedBy(name) {
			problem += fmt.Sprintf("; %s is a gate, which AllowedBy asks about", name)
		}
		c.c.fail(problem)
	}
	return c
}

// AllowedBy fails the test unless this gate allowed each of the calls. A shadow that
// would have does not count.
func (c *Calls) AllowedBy(gate string) *Calls {
	c.c.tb.Helper()
	c.c.text += " allowed by " + gate
	for i, e := range c.c.left {
		if !c.c.failed && !e.allowedBy(gate) {
			c.c.fail(fmt.Sprintf("call %d of it was not allowed by that gate", i+1))
		}
	}
	return c
}

// Denials are calls that were denied, of which its methods say more, as those of
// [Calls] do.
type Denials struct{ c *claim }

// Once fails the test unless it was one denial.
func (d *Denials) Once() *Denials { d.c.tb.Helper(); return d.Times(1) }

// Times fails the test unless there were n denials.
func (d *Denials) Times(n int) *Denials {
	d.c.tb.Helper()
	d.c.times(n)
	return d
}

// By leaves the denials of this gate, and fails the test if there are none.
func (d *Denials) By(gate string) *Denials {
	d.c.tb.Helper()
	got := d.c.each(func(denial *middleware.DeniedError) string { return denial.Gate })
	d.c.narrow(" by "+gate, "got "+got, func(e *entry) bool { return e.Denial.Gate == gate })
	return d
}

// Code leaves the denials with this code, and fails the test if there are none.
func (d *Denials) Code(code middleware.Code) *Denials {
	d.c.tb.Helper()
	got := d.c.each(func(denial *middleware.DeniedError) string { return string(denial.Code) })
	d.c.narrow(" with code "+string(code), "got "+got, func(e *entry) bool { return e.Denial.Code == code })
	return d
}

// Because leaves the denials of which the reason contains this text, and fails the test
// if there are none.
func (d *Denials) Because(text string) *Denials {
	d.c.tb.Helper()
	got := d.c.each(func(denial *middleware.DeniedError) string { return strconv.Quote(denial.Reason) })
	d.c.narrow(fmt.Sprintf(" because %q", text), "got "+got, func(e *entry) bool { return strings.Contains(e.Denial.Reason, text) })
	return d
}

// each lists something of each denial.
func (c *claim) each(of func(*middleware.DeniedError) string) string {
	got := make([]string, len(c.left))
	for i, e := range c.left {
		got[i] = of(e.Denial)
	}
	return strings.Join(got, ", ")
}

// doneBefore reports whether a call of this name was done before e began.
func (r *Recorder) doneBefore(e *entry, name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.entries, func(other *entry) bool {
		return other.Name == name && other.Outcome == OutcomeDone && other.Run == e.Run && other.ended < e.began
	})
}

// allowedBy reports whether the gate allowed the call.
func (e *Entry) allowedBy(gate string) bool {
	return slices.ContainsFunc(e.Decisions, func(d middleware.Decision) bool {
		return d.Gate == gate && d.Verdict != middleware.VerdictDeny && !d.Shadow
	})
}

// knows reports whether anything that happened names a tool, chain or model.
func (r *Recorder) knows(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	named := func(text string) bool { return strings.Contains(text, name) }
	return slices.ContainsFunc(r.offered, named) || slices.ContainsFunc(r.entries, func(e *entry) bool {
		return e.Name == name || slices.Contains(e.Asked, name) || e.Denial != nil && named(e.Denial.Reason)
	})
}

// batches returns the tools that each plan asked for, as its model said. It needs r.mu.
func (r *Recorder) batches() map[*entry][]string {
	batches := make(map[*entry][]string)
	for _, e := range r.entries {
		if e.Kind != middleware.KindModel {
			continue
		}
		for p := r.parent(e); p != nil; p = r.parent(p) {
			if p.Kind == middleware.KindPlan {
				batches[p] = e.Asked
				break
			}
		}
	}
	return batches
}

// refuses reports whether the denial of a plan is about the tool: its reason names it,
// or it names none of those that the plan asked for, and this is one of them.
func refuses(plan *entry, tool string, batch []string) bool {
	named := func(name string) bool {
		return strings.Contains(plan.Denial.Reason, strconv.Quote(name)) || strings.Contains(plan.Denial.Reason, ", "+name+", ")
	}
	if named(tool) {
		return true
	}
	is := func(name string) bool { return strings.EqualFold(name, tool) }
	return slices.ContainsFunc(batch, is) && !slices.ContainsFunc(batch, named)
}
