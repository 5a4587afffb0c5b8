package record

import (
	"errors"
	"fmt"
)

// isCallKind reports whether s is the text of a kind of call.
func isCallKind(s string) bool {
	switch s {
	case "chain", "plan", "model", "tool", "retriever":
		return true
	}
	return false
}

// isVerdict reports whether s is the text of a verdict.
func isVerdict(s string) bool { return s == "allow" || s == "deny" || s == "transform" }

// validateForms checks the texts of a record: that those which are words are known
// ones, and that all are as short as a writer makes them.
func (r *Record) validateForms() error {
	if err := CheckOrigin(r.Ledger); err != nil {
		return errors.New("ledger is not an origin")
	}
	if c := r.Call; c != nil {
		switch {
		case !isCallKind(c.Kind):
			return fmt.Errorf("call of the kind %q", Brief(c.Kind))
		case (r.Request != nil || r.Response != nil) && c.Kind != "model":
			return errors.New("request or response of a call that is of no model")
		case r.Plan != nil && c.Kind != "plan":
			return errors.New("plan of a call that is none")
		}
	}
	for i := range r.Decisions {
		if v := r.Decisions[i].Verdict; !isVerdict(v) {
			return fmt.Errorf("verdict %q", Brief(v))
		}
	}
	for _, c := range []*Content{r.Input, r.Ran, r.Output} {
		if c != nil && !isCommitment(c.Commitment) {
			return errors.New("a commitment that is none")
		}
	}
	var t texts
	t.record(r)
	if t.long {
		return errors.New("a name or a reason that is too long")
	}
	return nil
}

// A texts notes whether a text is longer than it may be.
type texts struct{ long bool }

func (t *texts) names(names ...string) {
	for _, s := range names {
		t.long = t.long || len(s) > MaxName
	}
}

func (t *texts) reason(s string) { t.long = t.long || len(s) > MaxReason }

func (t *texts) record(r *Record) {
	t.names(r.Run)
	if r.Call != nil {
		t.names(r.Call.Name)
	}
	if w := r.Who; w != nil {
		t.names(w.Session, w.Subject, w.Tenant)
	}
	for i := range r.Balances {
		b := &r.Balances[i]
		t.names(b.Gate, b.Limit, b.Scope)
	}
	for i := range r.Decisions {
		d := &r.Decisions[i]
		t.names(d.Gate, d.Code)
		t.reason(d.Reason)
	}
	if o := r.Outcome; o != nil {
		t.names(o.Gate, o.Code)
		t.names(o.Error...)
		t.reason(o.Reason)
	}
	if q := r.Request; q != nil {
		t.names(q.Model, q.Temperature, q.TopP)
		t.names(q.Tools...)
		for i := range q.Messages {
			t.names(q.Messages[i].Role)
		}
	}
	if a := r.Response; a != nil {
		t.names(a.Model)
		for i := range a.Choices {
			t.names(a.Choices[i].StopReason)
			t.toolCalls(a.Choices[i].ToolCalls)
		}
	}
	if r.Plan != nil {
		t.toolCalls(r.Plan.ToolCalls)
	}
	t.others(r)
}

func (t *texts) toolCalls(calls []ToolCall) {
	for i := range calls {
		t.names(calls[i].Name, calls[i].Registered)
	}
}

// others looks at the records of no call.
func (t *texts) others(r *Record) {
	if r.Gap != nil {
		t.reason(r.Gap.Reason)
	}
	if e := r.Erased; e != nil {
		t.reason(e.Reason)
		t.reason(e.Authority)
	}
	if r.Refused != nil {
		t.names(r.Refused.Error...)
	}
	if r.Breaker != nil {
		t.names(r.Breaker.Error...)
	}
	if r.Policy != nil {
		t.names(r.Policy.Version)
	}
	if r.Session != nil && r.Session.Predecessor != nil {
		t.names(r.Session.Predecessor.Ledger)
		t.reason(r.Session.Predecessor.Reason)
	}
}
