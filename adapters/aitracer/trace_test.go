package aitracer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/adapters/aitracer"
)

// documented is the one body that the vendor publishes, and what makes it.
var documented = aitracer.Trace{
	Workflow: "finance-review", Model: "gpt-4o", InputData: "...", OutputData: "...", RequestID: "req_finance_001",
	Metrics: aitracer.Metrics{
		PromptTokens: 420, CompletionTokens: 155, TotalTokens: 575,
		Latency: 830 * time.Millisecond, CostMicroUSD: 4200, FinishReason: "stop",
	},
}

const documentedBody = `{"actionName":"finance-review","environment":"prod","status":"completed","requestId":"req_finance_001",` +
	`"model":"gpt-4o","prompt":"...","response":"...",` +
	`"metrics":{"promptTokens":420,"completionTokens":155,"totalTokens":575,"latencyMs":830,"estimatedCostUsd":0.0042,"finishReason":"stop"}}`

func TestRecordIsTheDocumentedBody(t *testing.T) {
	var v vendor
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
	if err := c.Record(t.Context(), documented); err != nil {
		t.Fatal(err)
	}
	got := v.taken()
	if len(got) != 1 || got[0].path != "/api/traces" || string(got[0].body) != documentedBody {
		t.Errorf("got %s\nwant /api/traces with\n%s", got, documentedBody)
	}
}

func TestRecordBodies(t *testing.T) {
	var v vendor
	c := newClient(t, aitracer.Config{
		BaseURL: serve(t, &v), Environment: "staging",
		Redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "****") },
	})
	for _, trace := range []aitracer.Trace{
		{Workflow: "bare"},
		{Workflow: "structured", InputData: map[string]any{"q": "a<b & hunter2", "n": 1}, OutputData: []int{1, 2}},
		{Workflow: "not known", Metrics: aitracer.Metrics{PromptTokens: -1, TotalTokens: -5, Latency: -1, CostMicroUSD: -1}},
		{Workflow: "summed", Metrics: aitracer.Metrics{PromptTokens: 2, CompletionTokens: 3}},
		{Workflow: "saturated", Metrics: aitracer.Metrics{PromptTokens: math.MaxInt64, CompletionTokens: 3}},
		{Workflow: "dear", Status: "flagged", Metrics: aitracer.Metrics{CostMicroUSD: 9_007_199_254_740_993}},
		{Workflow: "cheap", Metrics: aitracer.Metrics{CostMicroUSD: 1}},
		{Workflow: "round", Metrics: aitracer.Metrics{CostMicroUSD: 3_000_000}},
		{Workflow: "fast", Metrics: aitracer.Metrics{Latency: time.Microsecond}},
		{Workflow: "empty texts", InputData: "", OutputData: ""},
	} {
		if err := c.Record(t.Context(), trace); err != nil {
			t.Errorf("%s: %v", trace.Workflow, err)
		}
	}
	golden(t, "record", v.taken())
}

// TestRequestID has the same trace give the same id, and another one another.
func TestRequestID(t *testing.T) {
	var v vendor
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
	a := documented
	a.RequestID = ""
	b := a
	b.Metrics.Latency++ // not in what is posted
	d := a
	d.Metrics.Latency += time.Millisecond
	for _, trace := range []aitracer.Trace{a, b, d} {
		if err := c.Record(t.Context(), trace); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for _, r := range v.taken() {
		var body struct{ RequestID string }
		if err := json.Unmarshal(r.body, &body); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, body.RequestID)
	}
	if len(ids) != 3 || ids[0] != ids[1] || ids[0] == ids[2] || !strings.HasPrefix(ids[0], "req_") || len(ids[0]) != 36 {
		t.Errorf("got ids %q", ids)
	}
}

func TestRecordBatch(t *testing.T) {
	var v vendor
	v.fault = func(w http.ResponseWriter, _ *http.Request, _ int, body []byte) bool {
		refused := strings.Contains(string(body), "refuse")
		if refused {
			w.WriteHeader(http.StatusBadRequest)
		}
		return refused
	}
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
	traces := make([]aitracer.Trace, 20)
	for i := range traces {
		traces[i] = aitracer.Trace{Workflow: fmt.Sprintf("w%d", i)}
	}
	if err := c.RecordBatch(t.Context(), traces, 4); err != nil {
		t.Fatal(err)
	}
	if got := len(v.taken()); got != 20 || v.most > 4 {
		t.Errorf("got %d traces, up to %d at a time; want 20 and 4", got, v.most)
	}

	traces[3].InputData = "refuse"
	traces[5].Workflow = ""
	traces[7].InputData = func() {}
	err := c.RecordBatch(t.Context(), traces, 0)
	e, ok := errors.AsType[*aitracer.BatchError](err)
	if !ok || len(e.Errs) != 20 {
		t.Fatalf("got error %v, want a BatchError of 20", err)
	}
	for i, err := range e.Errs {
		if want := slices.Contains([]int{3, 5, 7}, i); (err != nil) != want {
			t.Errorf("trace %d: got error %v", i, err)
		}
	}
	const want = "aitracer: 3 of 20 traces were not recorded; number 3: aitracer: POST /api/traces: the answer was 400 Bad Request"
	if err.Error() != want || len(e.Unwrap()) != 3 {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if _, ok := errors.AsType[*aitracer.Error](err); !ok {
		t.Error("the Error is not found in the BatchError")
	}
	if err := c.RecordBatch(t.Context(), nil, 1); err != nil {
		t.Errorf("got error %v for no traces", err)
	}
	if got, want := (&aitracer.BatchError{}).Error(), "aitracer: no trace failed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// secretive panics, and fails, with what nobody should see.
type secretive struct{ panics bool }

func (s secretive) MarshalJSON() ([]byte, error) {
	if s.panics {
		panic("hunter2")
	}
	return nil, errors.New("hunter2")
}

func TestRecordRefuses(t *testing.T) {
	var v vendor
	base := serve(t, &v)
	redact := func(s string) string {
		if s == "poison" {
			panic("hunter2")
		}
		return s
	}
	c := newClient(t, aitracer.Config{BaseURL: base, Redact: redact})
	for _, tt := range []struct {
		trace aitracer.Trace
		want  string
	}{
		{aitracer.Trace{}, "aitracer: trace: no Workflow"},
		{aitracer.Trace{Workflow: "w", InputData: func() {}}, "aitracer: trace: InputData is a func(), which JSON cannot hold"},
		{aitracer.Trace{Workflow: "w", OutputData: secretive{}}, "aitracer: trace: OutputData is a aitracer_test.secretive, which JSON cannot hold"},
		{aitracer.Trace{Workflow: "w", InputData: secretive{panics: true}}, "aitracer: trace: a string was panicked with while its body was made"},
		{aitracer.Trace{Workflow: "w", InputData: "poison"}, "aitracer: trace: a string was panicked with while its body was made"},
		{aitracer.Trace{Workflow: "w", RequestID: "r", InputData: strings.Repeat("x", 4<<20)},
			"aitracer: POST /api/traces: a body of 4194392 bytes, at most 4194304"},
	} {
		if err := c.Record(t.Context(), tt.trace); err == nil || err.Error() != tt.want {
			t.Errorf("got error %v\nwant %s", err, tt.want)
		}
	}
	if n := v.requests(); n > 0 {
		t.Errorf("got %d requests, want none", n)
	}
}
