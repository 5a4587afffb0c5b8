package aitracer

import (
	"cmp"
	"encoding/json"
	"time"
)

// An Encoder makes the bodies that a [Sink] posts, as values for encoding/json.
// The vendor documents the members for /api/traces, and not those for the other two:
// there the defaults are ours, and whoever knows better brings a func. Where a func
// returns nil, nothing is posted. A func that is nil stands for the default.
type Encoder struct {
	// Trace is for /api/traces: of model calls, and of the root call of a run
	// where that is a chain. The default makes the members that are
	// documented.
	Trace func(Event) any

	// ToolCall is for /api/ingest/tool-calls. The default:
	//
	//	{"requestId":"019d0c2e-...","environment":"prod","runId":"AGXW5INJ...","name":"calculator",
	//	 "status":"completed","arguments":"2+2","result":"4","latencyMs":3}
	//
	// Where there is no result, it has an error instead: the reason of a denial, or
	// the class of a failure.
	ToolCall func(Event) any

	// Guardrail is for /api/integrations/openai-guardrails: of each call of
	// whatever kind that a gate decided about. The default:
	//
	//	{"requestId":"019d0c2e-...","environment":"prod","runId":"AGXW5INJ...","kind":"tool","name":"shell","status":"denied",
	//	 "guardrails":[{"name":"tools","triggered":true,"verdict":"deny","code":"tool_not_allowed",
	//	                "reason":"shell is not on the list","latencyMs":0.006352}]}
	//
	// Here triggered is true of each verdict but allow, and shadow is true where the
	// verdict was not enforced.
	Guardrail func(Event) any
}

// The vendor documents the first; the others are the words of the records.
const (
	statusCompleted = "completed"
	resultDone      = "done"
)

func status(e Event) string {
	if e.Result == resultDone {
		return statusCompleted
	}
	return e.Result
}

func encodeTrace(e Event) any {
	return traceBody{
		ActionName: e.Workflow, Environment: e.Environment, Status: status(e), RequestID: e.RequestID,
		Model: cmp.Or(e.Model, e.Asked), Prompt: e.Prompt, Response: e.Response, Metrics: e.Metrics.body(),
	}
}

type toolCallBody struct {
	RequestID   string  `json:"requestId"`
	Environment string  `json:"environment"`
	RunID       string  `json:"runId"`
	Name        string  `json:"name"`
	Status      string  `json:"status"`
	Arguments   *string `json:"arguments,omitempty"`
	Result      *string `json:"result,omitempty"`
	Error       string  `json:"error,omitempty"`
	LatencyMs   int64   `json:"latencyMs"`
}

func encodeToolCall(e Event) any {
	return toolCallBody{
		RequestID: e.RequestID, Environment: e.Environment, RunID: e.Run, Name: e.Name, Status: status(e),
		Arguments: e.Prompt, Result: e.Response, Error: whyNotDone(e), LatencyMs: e.Latency.Milliseconds(),
	}
}

// whyNotDone says in one sentence or word why a call was not done.
func whyNotDone(e Event) string {
	switch {
	case e.Reason != "":
		return e.Reason
	case len(e.Errors) > 0:
		return e.Errors[0]
	case e.Result != resultDone:
		return e.Result
	}
	return ""
}

type guardrailBody struct {
	RequestID   string          `json:"requestId"`
	Environment string          `json:"environment"`
	RunID       string          `json:"runId"`
	Kind        string          `json:"kind"`
	Name        string          `json:"name"`
	Status      string          `json:"status"`
	Guardrails  []guardrailItem `json:"guardrails"`
}

type guardrailItem struct {
	Name      string      `json:"name"`
	Triggered bool        `json:"triggered"`
	Verdict   string      `json:"verdict"`
	Shadow    bool        `json:"shadow,omitempty"`
	Code      string      `json:"code,omitempty"`
	Reason    string      `json:"reason,omitempty"`
	LatencyMs json.Number `json:"latencyMs"`
}

func encodeGuardrail(e Event) any {
	b := guardrailBody{
		RequestID: e.RequestID, Environment: e.Environment, RunID: e.Run,
		Kind: e.Kind, Name: e.Name, Status: status(e), Guardrails: []guardrailItem{},
	}
	for _, d := range e.Decisions {
		b.Guardrails = append(b.Guardrails, guardrailItem{
			Name: d.Gate, Triggered: d.Verdict != verdictAllow, Verdict: d.Verdict, Shadow: d.Shadow,
			Code: d.Code, Reason: d.Reason, LatencyMs: milliseconds(d.Elapsed),
		})
	}
	return b
}

const verdictAllow = "allow"

// milliseconds returns a duration in milliseconds, exactly.
func milliseconds(d time.Duration) json.Number { return decimal(int64(max(d, 0)), 6) }
