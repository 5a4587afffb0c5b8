package langchaingotest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"example.com/safeconduct/middleware"
)

// A Recorder keeps what happened: each call that passes its Intercept, what the gates
// decided about it, and what came of it. Intercept stands first, outside of all gates.
// The zero Recorder is ready to use. It is safe for concurrent use.
type Recorder struct {
	mu      sync.Mutex
	moments int      // began or ended, so far
	entries []*entry // in the order in which they began
	offered []string // names of tools, and texts, that models were shown
}

// An Entry is one call that a [Recorder] has seen.
type Entry struct {
	Run        string // its ID
	ID, Parent middleware.CallID
	Kind       middleware.Kind
	Name       string
	Input      any // as it came
	Output     any // nil where there is none

	// Ran says that the tool, chain or model was reached, and RanWith with what: the
	// Input, or what a gate put in its place.
	Ran     bool
	RanWith any

	Outcome   Outcome
	Denial    *middleware.DeniedError // where the call was denied, told or not
	Err       error                   // as it came back
	Decisions []middleware.Decision   // allows included

	// Asked has the names of the tools that a model's answer asks for.
	Asked []string
}

// An Outcome is what came of a call.
type Outcome string

// The outcomes. A call that failed because a call within it was denied has failed.
const (
	OutcomeUnderway  Outcome = "under way"
	OutcomeDone      Outcome = "done"
	OutcomeDenied    Outcome = "denied"
	OutcomeFailed    Outcome = "failed"
	OutcomeCancelled Outcome = "cancelled"
)

// An entry is an Entry, and when it began and ended.
type entry struct {
	Entry
	began, ended int // zero while it is under way
}

// Intercept is a [middleware.Interceptor]. Inside of a gate it is refused.
func (r *Recorder) Intercept(next middleware.Handler) middleware.Handler {
	if next == nil {
		return middleware.Layer{Name: "langchaingotest.Recorder", Recorder: true, ID: r}.Handler()
	}
	return func(ctx context.Context, call middleware.Call) (res middleware.Result, err error) {
		trail := middleware.Observe(ctx)
		e := r.begin(ctx, call)
		returned := false
		defer func() {
			if !returned { // a panic, or the end of the goroutine
				err = errors.New("it panicked, or ended its goroutine")
			}
			r.end(ctx, e, trail, res, err)
		}()
		res, err = next(ctx, call)
		returned = true
		return res, err
	}
}

func (r *Recorder) begin(ctx context.Context, call middleware.Call) *entry {
	e := &entry{Entry: Entry{
		ID: call.ID, Parent: call.Parent, Kind: call.Kind, Name: call.Name, Input: call.Input, Outcome: OutcomeUnderway,
	}}
	if run := middleware.RunOf(ctx); run != nil {
		e.Run = run.ID
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if request, ok := call.Input.(*middleware.ModelRequest); ok && request != nil {
		r.offered = append(r.offered, request.Tools...)
		for _, m := range request.Messages {
			for _, p := range m.Parts {
				r.offered = append(r.offered, p.Text)
			}
		}
	}
	r.moments++
	e.began = r.moments
	r.entries = append(r.entries, e)
	return e
}

func (r *Recorder) end(ctx context.Context, e *entry, trail middleware.Trail, res middleware.Result, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moments++
	e.ended = r.moments
	e.RanWith, e.Ran = trail.Ran()
	e.Decisions = slices.Clone(trail.Decisions())
	e.Output, e.Err = res.Output, err
	e.Asked = asked(res.Output)
	var denial *middleware.DeniedError
	switch {
	case err == nil:
		e.Outcome, denial = OutcomeDone, trail.Told()
	case errors.As(err, &denial) && r.passedOn(e, denial):
		e.Outcome, denial = OutcomeFailed, nil
	case denial == nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
		e.Outcome = OutcomeCancelled
	case denial == nil:
		e.Outcome = OutcomeFailed
	}
	if denial != nil {
		e.Outcome, e.Denial = OutcomeDenied, denial
	}
}

// passedOn reports whether the denial is that of another call, within this one.
func (r *Recorder) passedOn(e *entry, denial *middleware.DeniedError) bool {
	own := slices.ContainsFunc(e.Decisions, func(d middleware.Decision) bool {
		return d.Verdict == middleware.VerdictDeny && !d.Shadow && d.Gate == denial.Gate && d.Code == denial.Code
	})
	seen := slices.ContainsFunc(r.entries, func(other *entry) bool { return other.Denial == denial })
	return !own && (seen || denial.Call != "" && denial.Call != e.Name) // one without a Call has just been made
}

// asked returns the names of the tools that an answer asks for.
func asked(output any) []string {
	var names []string
	add := func(calls []middleware.ToolCall) {
		for _, c := range calls {
			names = append(names, c.Tool())
		}
	}
	switch out := output.(type) {
	case *middleware.Plan:
		if out != nil {
			add(out.ToolCalls)
		}
	case *middleware.ModelResponse:
		if out == nil || len(out.Choices) == 0 {
			return nil
		}
		add(out.Choices[0].ToolCalls)
		if names == nil {
			if m := regexp.MustCompile(`(?i)(?:^|\n)Action:[ \t]*(.+)`).FindStringSubmatch(out.Choices[0].Text); m != nil {
				names = append(names, strings.TrimSpace(m[1]))
			}
		}
	}
	return names
}

// Entries returns what was recorded so far, in the order in which the calls began.
func (r *Recorder) Entries() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := make([]Entry, len(r.entries))
	for i, e := range r.entries {
		entries[i] = e.Entry
	}
	return entries
}

// String prints the whole trail, one call a line, those within it indented.
func (r *Recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.print()
}

// print needs r.mu.
func (r *Recorder) print() string {
	var b strings.Builder
	for i, e := range r.entries {
		fmt.Fprintf(&b, "%3d %s%s\n", i+1, strings.Repeat("  ", r.depth(e)), e)
	}
	if len(r.entries) == 0 {
		return "    nothing: no call passed Intercept\n"
	}
	return b.String()
}

// depth is how many recorded calls e is within.
func (r *Recorder) depth(e *entry) int {
	depth := 0
	for p := r.parent(e); p != nil; p = r.parent(p) {
		depth++
	}
	return depth
}

// parent returns the call that e was made by, or nil. A call begins after its parent.
func (r *Recorder) parent(e *entry) *entry {
	for i := len(r.entries) - 1; i >= 0; i-- {
		if p := r.entries[i]; p.Run == e.Run && p.ID == e.Parent && p.began < e.began {
			return p
		}
	}
	return nil
}

// String prints the entry in one line.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Kind, e.Name)
	if in, ok := e.Input.(string); ok {
		fmt.Fprintf(&b, "(%s)", head(in))
	}
	fmt.Fprintf(&b, ": %s", e.Outcome)
	switch out, isText := e.Output.(string); {
	case e.Denial != nil:
		fmt.Fprintf(&b, " by %s: %s (%s)", e.Denial.Gate, e.Denial.Reason, e.Denial.Code)
		if e.Ran && e.Kind != middleware.KindPlan {
			b.WriteString(", after it ran")
		}
	case e.Err != nil:
		fmt.Fprintf(&b, ": %v", e.Err)
	case isText:
		fmt.Fprintf(&b, ": %s", head(out))
	case len(e.Asked) > 0:
		fmt.Fprintf(&b, ", asks for %s", strings.Join(e.Asked, ", "))
	}
	var allowed []string
	for _, d := range e.Decisions {
		switch {
		case d.Shadow && d.Verdict == middleware.VerdictDeny:
			fmt.Fprintf(&b, " [%s (a shadow) would deny]", d.Gate)
		case d.Verdict != middleware.VerdictDeny && !d.Shadow:
			allowed = append(allowed, d.Gate)
		}
	}
	if len(allowed) > 0 {
		fmt.Fprintf(&b, " [allowed by %s]", strings.Join(allowed, ", "))
	}
	return b.String()
}
