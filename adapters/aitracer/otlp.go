package aitracer

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Spans as OTLP/HTTP has them in JSON (opentelemetry-proto 1.x,
// ExportTraceServiceRequest): ids in hexadecimal, 64-bit integers as strings.
// The attributes are those of OpenTelemetry's semantic conventions 1.41, and
// our own under safeconduct.
type span struct {
	TraceID      string      `json:"traceId"`
	SpanID       string      `json:"spanId"`
	ParentSpanID string      `json:"parentSpanId,omitempty"`
	Name         string      `json:"name"`
	Kind         int         `json:"kind"`
	Start        int64       `json:"startTimeUnixNano,string"`
	End          int64       `json:"endTimeUnixNano,string"`
	Attributes   []attribute `json:"attributes"`
	Events       []spanEvent `json:"events,omitempty"`
	Status       spanStatus  `json:"status"`
}

type spanEvent struct {
	Time       int64       `json:"timeUnixNano,string"`
	Name       string      `json:"name"`
	Attributes []attribute `json:"attributes,omitempty"`
}

type spanStatus struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// The numbers of OTLP's enums.
const (
	spanInternal    = 1
	spanClient      = 3
	spanStatusError = 2
)

type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

// A value is one of its fields.
type value struct {
	String *string `json:"stringValue,omitempty"`
	Int    *string `json:"intValue,omitempty"`
	Bool   *bool   `json:"boolValue,omitempty"`
	Array  *values `json:"arrayValue,omitempty"`
}

type values struct {
	Values []value `json:"values"`
}

// Attributes are built leaving out what is empty.
type attributes []attribute

func (a *attributes) text(key, s string) {
	if s != "" {
		*a = append(*a, attribute{key, value{String: &s}})
	}
}

func (a *attributes) number(key string, n int64) {
	if n > 0 {
		s := strconv.FormatInt(n, 10)
		*a = append(*a, attribute{key, value{Int: &s}})
	}
}

func (a *attributes) content(key string, s *string) {
	if s != nil {
		*a = append(*a, attribute{key, value{String: s}})
	}
}

func newSpan(e Event) span {
	end := unixNano(e.Time)
	s := span{
		TraceID: traceID(e.Run), SpanID: spanID(e.Run, e.Call),
		Name: spanName(e), Kind: spanInternal,
		Start: max(end-int64(e.Latency), 0), End: end,
	}
	if e.Parent != 0 {
		s.ParentSpanID = spanID(e.Run, e.Parent)
	}
	if e.Kind == kindModel {
		s.Kind = spanClient
	}
	if p := whyNotDone(e); p != "" {
		s.Status = spanStatus{spanStatusError, p}
	}
	var a attributes
	a.text("gen_ai.operation.name", operation(e.Kind))
	switch e.Kind {
	case kindModel:
		a.text("gen_ai.request.model", e.Asked)
		a.text("gen_ai.response.model", e.Model)
		a.number("gen_ai.usage.input_tokens", e.Metrics.PromptTokens)
		a.number("gen_ai.usage.output_tokens", e.Metrics.CompletionTokens)
		if e.FinishReason != "" {
			a = append(a, attribute{"gen_ai.response.finish_reasons", value{Array: &values{[]value{{String: &e.FinishReason}}}}})
		}
		a.number("safeconduct.cost_micro_usd", e.Metrics.CostMicroUSD)
	case kindTool:
		a.text("gen_ai.tool.name", e.Name)
	}
	if e.Result != resultDone {
		a.text("error.type", cmp.Or(e.Code, strings.Join(e.Errors, " "), e.Result))
	}
	a.text("safeconduct.workflow", e.Workflow)
	a.text("safeconduct.record", e.RequestID)
	a.text("safeconduct.run", e.Run)
	a.text("safeconduct.kind", e.Kind)
	a.text("safeconduct.result", e.Result)
	a.text("safeconduct.gate", e.Gate)
	a.content("safeconduct.input", e.Prompt)
	a.content("safeconduct.output", e.Response)
	s.Attributes = a
	for _, d := range e.Decisions {
		s.Events = append(s.Events, newSpanEvent(end, d))
	}
	return s
}

func newSpanEvent(at int64, d Decision) spanEvent {
	var a attributes
	a.text("safeconduct.gate", d.Gate)
	a.text("safeconduct.verdict", d.Verdict)
	a.text("safeconduct.code", d.Code)
	a.text("safeconduct.reason", d.Reason)
	a.number("safeconduct.elapsed_ns", int64(d.Elapsed))
	if d.Shadow {
		a = append(a, attribute{"safeconduct.shadow", value{Bool: &d.Shadow}})
	}
	return spanEvent{Time: at, Name: "safeconduct.decision", Attributes: a}
}

// unixNano returns zero where 64 bits cannot hold the time.
func unixNano(t time.Time) int64 {
	if y := t.Year(); y < 1970 || y > 2261 {
		return 0
	}
	return t.UnixNano()
}

func spanName(e Event) string {
	switch e.Kind {
	case kindModel:
		return strings.TrimSpace("chat " + cmp.Or(e.Asked, e.Model))
	case kindTool:
		return strings.TrimSpace("execute_tool " + e.Name)
	}
	return cmp.Or(strings.TrimSpace(e.Kind+" "+e.Name), "call") // a span has a name
}

func operation(kind string) string {
	switch kind {
	case kindModel:
		return "chat"
	case kindTool:
		return "execute_tool"
	case kindChain:
		return "invoke_agent"
	}
	return ""
}

// The ids are digests, so that a span that is posted again is the same one.
func traceID(run string) string {
	sum := sha256.Sum256([]byte(run))
	return hex.EncodeToString(sum[:16])
}

func spanID(run string, call uint32) string {
	sum := sha256.Sum256([]byte(run + "/" + strconv.FormatUint(uint64(call), 10)))
	return hex.EncodeToString(sum[:8])
}

// spansBody puts spans, each of them JSON, into one request.
func spansBody(service, environment string, spans [][]byte) ([]byte, error) {
	var a attributes
	a.text("service.name", cmp.Or(service, "unknown_service"))
	a.text("deployment.environment.name", environment)
	resource, err := marshal(a)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(`{"resourceSpans":[{"resource":{"attributes":`)
	b.Write(resource)
	b.WriteString(`},"scopeSpans":[{"scope":{"name":"safeconduct"},"spans":[`)
	b.Write(bytes.Join(spans, []byte(",")))
	b.WriteString(`]}]}]}`)
	return b.Bytes(), nil
}

// rejectedSpans reads how many spans an answer of success says were not taken
// (ExportTracePartialSuccess). An answer of another form says none.
func rejectedSpans(answer []byte) uint64 {
	var a struct {
		PartialSuccess struct {
			RejectedSpans json.RawMessage `json:"rejectedSpans"` // a string, or a number of those who know no better
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &a) != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.Trim(string(a.PartialSuccess.RejectedSpans), `"`), 10, 32)
	if err != nil {
		return 0
	}
	return n
}
