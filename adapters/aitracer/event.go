package aitracer

import (
	"time"

	"example.com/safeconduct/evidence/record"
)

// An Event is what a [Sink] knows of a call once its outcome is recorded.
type Event struct {
	// RequestID is the ID of the outcome's record: the same however often it
	// is posted.
	RequestID string

	Environment string // of the Client
	Workflow    string // of the SinkConfig, or the name of the run's root call

	Run          string // the ID of the run
	Call, Parent uint32 // within the run; Parent is zero for the root call
	Kind         string // "model", "tool", "chain", "plan" or "retriever"
	Name         string // as it was registered

	// Asked is the model asked for, and Model the one that answered, where the
	// client says. Asked is empty where the Sink has not seen the intent.
	Asked, Model string

	Time    time.Time // when the outcome was recorded
	Latency time.Duration

	Result       string   // "done", "denied", "failed" or "cancelled"
	Gate         string   // of a denial: who denied
	Code, Reason string   // of a denial; safe to show
	Errors       []string // of a failure: classes, outermost first; never messages
	FinishReason string   // of a model, as the provider spells it
	Decisions    []Decision

	// Metrics have the tokens that the provider reported, and no estimates of
	// them.
	Metrics Metrics

	// The commitments to the call's contents, by which SinkConfig.Content
	// finds them: the input as it came, the input as it ran where a gate
	// changed it, and the output. Input is empty where the Sink has not seen
	// the intent; Output where there is none.
	Input, Ran, Output string

	// Prompt and Response are the contents, redacted; nil where there are none
	// to be posted. Of a tool call they are the arguments and the result.
	Prompt, Response *string
}

// A Decision is what one gate decided.
type Decision struct {
	Gate    string
	Verdict string // "allow", "deny" or "transform"
	Shadow  bool   // decided, not enforced
	Code    string // of a denial
	Reason  string // of a denial, and of an allow or a transform that says why; safe to show
	Elapsed time.Duration
}

func newEvent(r *record.Record) Event {
	e := Event{
		RequestID: r.ID,
		Run:       r.Run, Call: r.Call.ID, Parent: r.Call.Parent, Kind: r.Call.Kind, Name: r.Call.Name,
		Model: r.Response.Model, Time: r.Time, Latency: max(r.Outcome.Latency, 0),
		Result: string(r.Outcome.Result), Gate: r.Outcome.Gate, Code: r.Outcome.Code, Reason: r.Outcome.Reason, Errors: r.Outcome.Error,
		Ran: r.Ran.Commitment, Output: r.Output.Commitment,
	}
	for _, d := range r.Decisions {
		e.Decisions = append(e.Decisions, Decision{
			Gate: d.Gate, Verdict: d.Verdict, Shadow: d.Shadow, Code: d.Code, Reason: d.Reason, Elapsed: d.Elapsed,
		})
	}
	if c := r.Response.Choices; len(c) > 0 {
		e.FinishReason = c[0].StopReason
	}
	e.Metrics = Metrics{Latency: e.Latency, CostMicroUSD: r.Usage.Cost, FinishReason: e.FinishReason}
	if r.Usage.Reported {
		e.Metrics.PromptTokens, e.Metrics.CompletionTokens, e.Metrics.TotalTokens = r.Usage.Input, r.Usage.Output, r.Usage.Total
	}
	return e
}
