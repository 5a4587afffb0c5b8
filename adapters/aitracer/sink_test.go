package aitracer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/adapters/aitracer"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// seal puts a record into an envelope that nobody signed.
func seal(t testing.TB, r record.Record) []byte {
	t.Helper()
	r.Version, r.Ledger, r.Writer = 1, "prod", "019d0c2e-5b1c-7ab2-8f36-6a1c8d0e4b21"
	if r.ID == "" {
		r.ID = fmt.Sprintf("019d0c2e-5b1f-7c39-9cc2-%012d", r.Seq)
	}
	r.Time = time.Date(2026, 3, 20, 14, 5, 41, 723_415_084, time.UTC).Add(time.Duration(r.Seq) * time.Millisecond)
	payload, err := json.Marshal(struct {
		Type          string         `json:"_type"`
		Predicate     *record.Record `json:"predicate"`
		PredicateType string         `json:"predicateType"`
	}{record.StatementType, &r, record.PredicateType})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := json.Marshal(struct {
		Payload     []byte     `json:"payload"`
		PayloadType string     `json:"payloadType"`
		Signatures  []struct{} `json:"signatures"`
	}{payload, record.PayloadType, []struct{}{}})
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

// commitment returns a text in the form of a commitment that shows what it is of.
func commitment(s string) string {
	return strings.NewReplacer(" ", "-", "+", "-").Replace(s) + strings.Repeat("A", 43-len(s))
}

// run is a run of an agent, as its ledger has it.
func run(t testing.TB) [][]byte {
	const id = "AGXW5INJQKQOVWIHOIHGUVTVY4"
	chain := &record.Call{ID: 1, Kind: "chain", Name: "finance-review"}
	plan := &record.Call{ID: 2, Kind: "plan", Name: "agent", Parent: 1}
	model := &record.Call{ID: 3, Kind: "model", Name: "openai.LLM", Parent: 2}
	shell := &record.Call{ID: 4, Kind: "tool", Name: "shell", Parent: 1}
	sum := &record.Call{ID: 5, Kind: "tool", Name: "calculator", Parent: 1}
	broken := &record.Call{ID: 6, Kind: "model", Name: "openai.LLM", Parent: 2}
	lost := &record.Call{ID: 7, Kind: "tool", Name: "search", Parent: 1}
	content := func(s string) *record.Content { return &record.Content{Commitment: commitment(s), Size: 1} }
	allow := record.Decision{Gate: "tools", Verdict: "allow", Elapsed: 1_000}

	var all [][]byte
	for i, r := range []record.Record{
		{Kind: record.KindSession, Session: &record.Session{Key: "k", Signing: record.SignRecords}},
		{Kind: record.KindStart, Run: id},
		{Kind: record.KindIntent, Run: id, Call: chain, Input: content("question")},
		{Kind: record.KindIntent, Run: id, Call: plan, Input: content("turn")},
		{Kind: record.KindIntent, Run: id, Call: model, Input: content("prompt"), Request: &record.Request{Model: "gpt-4o"}},
		{Kind: record.KindOutcome, Run: id, Call: model, Output: content("answer"),
			Outcome:  &record.Outcome{Result: record.ResultDone, Reached: true, Latency: 830 * time.Millisecond},
			Response: &record.Response{Choices: []record.Choice{{StopReason: "stop", Size: 3}}},
			Usage:    &record.Usage{Input: 420, Output: 155, Total: 575, Cost: 4200, Reported: true}},
		{Kind: record.KindOutcome, Run: id, Call: plan, Output: content("actions"),
			Outcome: &record.Outcome{Result: record.ResultDone, Reached: true, Latency: 831 * time.Millisecond}},
		{Kind: record.KindIntent, Run: id, Call: shell, Input: content("rm")},
		{Kind: record.KindOutcome, Run: id, Call: shell, Output: content("told"),
			Outcome: &record.Outcome{Result: record.ResultDenied, Gate: "tools", Code: "tool_not_allowed",
				Reason: "shell is not on the list", Told: true, Latency: 698_323},
			Decisions: []record.Decision{{Gate: "tools", Verdict: "deny", Code: "tool_not_allowed",
				Reason: "shell is not on the list", Elapsed: 6352}}},
		{Kind: record.KindIntent, Run: id, Call: sum, Input: content("2+2")},
		{Kind: record.KindOutcome, Run: id, Call: sum, Ran: content("2 + 2"), Output: content("4"),
			Outcome: &record.Outcome{Result: record.ResultDone, Reached: true, Latency: 3 * time.Millisecond},
			Decisions: []record.Decision{allow,
				{Gate: "spaces", Verdict: "transform", Elapsed: 2_000},
				{Gate: "strict", Verdict: "deny", Shadow: true, Code: "policy", Reason: "no sums", Elapsed: 3_000}}},
		{Kind: record.KindIntent, Run: id, Call: broken, Input: content("prompt 2")},
		{Kind: record.KindOutcome, Run: id, Call: broken,
			Outcome: &record.Outcome{Result: record.ResultFailed, Reached: true, Latency: time.Second, Error: []string{"*net.OpError", "*os.SyscallError"}},
			Usage:   &record.Usage{Input: 7}}, // an estimate
		{Kind: record.KindIntent, Run: id, Call: lost, Input: content("query")},
		{Kind: record.KindOutcome, Run: id, Call: chain, Output: content("final"),
			Outcome: &record.Outcome{Result: record.ResultCancelled, Reached: true, Latency: 2 * time.Second, Error: []string{"context.Canceled"}}},
		{Kind: record.KindEnd, Run: id},
	} {
		r.Seq = uint64(i + 1)
		all = append(all, seal(t, r))
	}
	return all
}

func redact(s string) string { return strings.ReplaceAll(s, "hunter2", "****") }

// tell supplies a content for each commitment.
func tell(_ context.Context, e aitracer.Event) (prompt, response string, ok bool) {
	if e.Ran != "" {
		e.Input = e.Ran
	}
	return "hunter2 in " + e.Input, "hunter2 out " + e.Output, true
}

func TestSinkPosts(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  aitracer.SinkConfig
	}{
		{"structure", aitracer.SinkConfig{}},
		{"contents", aitracer.SinkConfig{Content: tell, Workflow: "review"}},
		{"otlp", aitracer.SinkConfig{OTLP: true}},
		{"otlp_contents", aitracer.SinkConfig{OTLP: true, Content: tell, Workflow: "review"}},
		{"encoder", aitracer.SinkConfig{Encoder: aitracer.Encoder{
			Trace:     func(aitracer.Event) any { return nil },
			ToolCall:  func(e aitracer.Event) any { return map[string]string{"id": e.RequestID} },
			Guardrail: func(e aitracer.Event) any { return map[string]int{"decisions": len(e.Decisions)} },
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v vendor
			c := newClient(t, aitracer.Config{BaseURL: serve(t, &v), Redact: redact})
			if err := aitracer.NewSink(c, tt.cfg).Take(t.Context(), run(t)); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name, v.taken())
		})
	}
}

// TestSinkContents has contents left out where they cannot or must not be
// posted, and the rest posted all the same.
func TestSinkContents(t *testing.T) {
	long := strings.Repeat("x", 256<<10-4) + "日本" // 2 bytes too long
	for _, tt := range []struct {
		name    string
		content func(context.Context, aitracer.Event) (string, string, bool)
		want    *string // as prompt
	}{
		{"refused", func(context.Context, aitracer.Event) (string, string, bool) { return "x", "y", false }, nil},
		{"panic", func(context.Context, aitracer.Event) (string, string, bool) { panic("hunter2") }, nil},
		{"redact panics", func(context.Context, aitracer.Event) (string, string, bool) { return "x", "poison", true }, nil},
		{"redacted", func(context.Context, aitracer.Event) (string, string, bool) { return "a hunter2", "", true }, new("a ****")},
		{"cut", func(context.Context, aitracer.Event) (string, string, bool) { return long, "", true }, new(long[:256<<10-4] + "…")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v vendor
			c := newClient(t, aitracer.Config{BaseURL: serve(t, &v), Redact: func(s string) string {
				if s == "poison" {
					panic("hunter2")
				}
				return redact(s)
			}})
			if err := aitracer.NewSink(c, aitracer.SinkConfig{Content: tt.content}).Take(t.Context(), run(t)); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, r := range v.taken() {
				var body struct {
					Prompt, Arguments *string
				}
				if err := json.Unmarshal(r.body, &body); err != nil {
					t.Fatal(err)
				}
				if r.path == "/api/integrations/openai-guardrails" {
					continue
				}
				n++
				got := body.Prompt
				if r.path == "/api/ingest/tool-calls" {
					got = body.Arguments
				}
				if (got == nil) != (tt.want == nil) || got != nil && *got != *tt.want {
					t.Errorf("%s: got a prompt of %d bytes, want %d", r.path, length(got), length(tt.want))
				}
			}
			if n != 5 {
				t.Errorf("got %d traces and tool calls, want 5", n)
			}
		})
	}
}

func length(s *string) int {
	if s == nil {
		return -1
	}
	return len(*s)
}

// TestSpansArePutIntoRequests has more spans come than fit into one request.
func TestSpansArePutIntoRequests(t *testing.T) {
	var v vendor
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &v), Redact: redact})
	text := strings.Repeat("x", 200_000)
	sink := aitracer.NewSink(c, aitracer.SinkConfig{OTLP: true, Content: func(context.Context, aitracer.Event) (string, string, bool) {
		return text, text, true
	}})
	if err := sink.Take(t.Context(), run(t)); err != nil {
		t.Fatal(err)
	}
	got := v.taken()
	if len(got) != 3 { // two spans of 400 kB each
		t.Errorf("got %d requests, want 3", len(got))
	}
	for _, r := range got {
		if len(r.body) > 1<<20+1000 {
			t.Errorf("got a request of %d bytes", len(r.body))
		}
	}
}

func TestRejectedSpans(t *testing.T) {
	for _, tt := range []struct {
		answer string
		want   uint64
	}{
		{`{}`, 0},
		{``, 0},
		{`{"partialSuccess":{"rejectedSpans":"2","errorMessage":"x"}}`, 2},
		{`{"partialSuccess":{"rejectedSpans":2}}`, 2},
		{`{"partialSuccess":{"rejectedSpans":"99"}}`, 6}, // there are no more
		{`{"partialSuccess":{"rejectedSpans":-1}}`, 0},
		{`{"partialSuccess":{"rejectedSpans":{}}}`, 0},
		{`[]`, 0},
		{strings.Repeat("[", 1<<20), 0},
	} {
		v := vendor{fault: func(w http.ResponseWriter, _ *http.Request, _ int, _ []byte) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(tt.answer))
			return true
		}}
		c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
		sink := aitracer.NewSink(c, aitracer.SinkConfig{OTLP: true})
		if err := sink.Take(t.Context(), run(t)); err != nil || sink.Rejected() != tt.want || v.requests() != 1 {
			t.Errorf("%.60s: got %d rejected in %d requests and error %v, want %d in 1", tt.answer, sink.Rejected(), v.requests(), err, tt.want)
		}
	}
}

// TestSinkSkips has records that say nothing of calls, of kinds that are to come
// too, and calls of kinds that nobody posts.
func TestSinkSkips(t *testing.T) {
	var v vendor
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
	if err := aitracer.NewSink(c, aitracer.SinkConfig{}).Take(t.Context(), [][]byte{
		seal(t, record.Record{Seq: 1, Kind: "something.new"}),
		seal(t, record.Record{Seq: 2, Kind: record.KindGap}),
		seal(t, record.Record{Seq: 3, Kind: record.KindOutcome, Run: "r", Call: &record.Call{ID: 2, Parent: 1, Kind: "retriever"},
			Outcome: &record.Outcome{Result: record.ResultDone}}),
		seal(t, record.Record{Seq: 4, Kind: record.KindOutcome, Run: "r", Call: &record.Call{ID: 3, Parent: 1, Kind: "chain"},
			Outcome: &record.Outcome{Result: record.ResultDone}}),
	}); err != nil || v.requests() != 0 {
		t.Errorf("got error %v after %d requests, want none", err, v.requests())
	}
}

// TestSinkOddRecords has records that no recorder of ours writes.
func TestSinkOddRecords(t *testing.T) {
	for _, cfg := range []aitracer.SinkConfig{{}, {OTLP: true}} {
		var v vendor
		c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
		year := seal(t, record.Record{Seq: 3, Kind: record.KindOutcome, Run: "r", Call: &record.Call{ID: 3, Kind: "tool"},
			Outcome: &record.Outcome{Result: record.ResultCancelled}})
		year = reseal(t, year, `"time":"2026`, `"time":"0001`)
		if err := aitracer.NewSink(c, cfg).Take(t.Context(), [][]byte{
			seal(t, record.Record{Seq: 1, Kind: record.KindOutcome, Run: "r", Call: &record.Call{ID: 1, Kind: "model"},
				Outcome: &record.Outcome{Result: record.ResultDone, Latency: -time.Hour}, Usage: &record.Usage{Input: -1, Cost: -1, Reported: true}}),
			seal(t, record.Record{Seq: 2, Kind: record.KindOutcome, Run: "r", Call: &record.Call{ID: 2, Kind: "tool"},
				Outcome:   &record.Outcome{Result: record.ResultDone, Latency: 1<<63 - 1},
				Decisions: []record.Decision{{Elapsed: -1}}}),
			year,
		}); err != nil {
			t.Fatal(err)
		}
		golden(t, fmt.Sprintf("odd_otlp_%t", cfg.OTLP), v.taken())
	}
}

// reseal replaces a part of a payload.
func reseal(t *testing.T, envelope []byte, from, to string) []byte {
	t.Helper()
	var e struct {
		Payload     []byte `json:"payload"`
		PayloadType string `json:"payloadType"`
	}
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(e.Payload), from) {
		t.Fatalf("%s is not in %s", from, e.Payload)
	}
	e.Payload = []byte(strings.Replace(string(e.Payload), from, to, 1))
	envelope, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

// TestSinkWithoutIntent has an outcome come whose intent came to another Sink.
func TestSinkWithoutIntent(t *testing.T) {
	var v vendor
	var got []aitracer.Event
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
	sink := aitracer.NewSink(c, aitracer.SinkConfig{Encoder: aitracer.Encoder{Trace: func(e aitracer.Event) any {
		got = append(got, e)
		return nil
	}}})
	if err := sink.Take(t.Context(), run(t)[5:6]); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Workflow != "openai.LLM" || got[0].Asked != "" || got[0].Input != "" || got[0].Output != commitment("answer") {
		t.Errorf("got %+v", got)
	}
}

// TestSinkForgetsOldIntents has more calls under way than are remembered.
func TestSinkForgetsOldIntents(t *testing.T) {
	var got []aitracer.Event
	c := newClient(t, aitracer.Config{BaseURL: origin})
	sink := aitracer.NewSink(c, aitracer.SinkConfig{Encoder: aitracer.Encoder{Trace: func(e aitracer.Event) any {
		got = append(got, e)
		return nil
	}}})
	const calls = 4500
	intent := func(n uint32) []byte {
		return seal(t, record.Record{Seq: uint64(n), Kind: record.KindIntent, Run: "r", Call: &record.Call{ID: n, Parent: 1, Kind: "model"},
			Request: &record.Request{Model: "m"}})
	}
	outcome := func(n uint32) []byte {
		return seal(t, record.Record{Seq: calls + uint64(n), Kind: record.KindOutcome, Run: "r", Call: &record.Call{ID: n, Parent: 1, Kind: "model"},
			Outcome: &record.Outcome{Result: record.ResultDone}})
	}
	var all [][]byte
	for n := range uint32(calls) {
		all = append(all, intent(n+1))
	}
	for n := range uint32(calls) {
		all = append(all, outcome(n+1))
	}
	if err := sink.Take(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, e := range got {
		if e.Asked == "m" {
			known++
		}
	}
	if len(got) != calls || known != 4096 || got[calls-1].Asked != "m" {
		t.Errorf("of %d calls %d are known, want the last 4096 of %d", len(got), known, calls)
	}
}

func TestNewSinkNonsense(t *testing.T) {
	c := newClient(t, aitracer.Config{BaseURL: origin})
	wantPanic(t, "aitracer: NewSink: nil Client", func() { aitracer.NewSink(nil, aitracer.SinkConfig{}) })
	wantPanic(t, "aitracer: NewSink: a Content, and a Client without Redact", func() { aitracer.NewSink(c, aitracer.SinkConfig{Content: tell}) })
}

// TestSinkThroughAnOutage has an exporter ship through every fault that passes:
// in the end the vendor has each request once.
func TestSinkThroughAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{fault: func(w http.ResponseWriter, r *http.Request, n int, _ []byte) bool {
			switch {
			case n <= 30: // down, and the breaker opens
				w.WriteHeader(http.StatusServiceUnavailable)
			case n > 150: // up
				return false
			case n%5 == 0:
				w.Header().Set("Retry-After", "3")
				w.WriteHeader(http.StatusTooManyRequests)
			case n%7 == 0:
				<-r.Context().Done() // hangs
			case n%11 == 0:
				w.Header().Set("Content-Type", "text/html")
			default:
				return false
			}
			return true
		}}
		c := newClient(t, aitracer.Config{BaseURL: origin, Transport: wire{v}})
		sink := aitracer.NewSink(c, aitracer.SinkConfig{})
		r, err := evidence.Open(t.TempDir(), evidence.Config{
			Exporters: []evidence.Exporter{{Sink: sink.Take}}, ReadOnly: []string{"calculator"},
		})
		if err != nil {
			t.Fatal(err)
		}
		tool := middleware.Wrap(
			func(context.Context, middleware.Call) (middleware.Result, error) {
				return middleware.Result{Output: "4"}, nil
			},
			r.Intercept, middleware.Before("hours", func(context.Context, middleware.Call) error { return nil }),
		)
		const calls = 200
		for range calls {
			if _, err := tool(t.Context(), middleware.Call{Kind: middleware.KindTool, Name: "calculator", Input: "2+2"}); err != nil {
				t.Fatal(err)
			}
		}
		for began := time.Now(); r.Flush(t.Context()) != nil; {
			if time.Sleep(time.Minute); time.Since(began) > 24*time.Hour {
				t.Error("it is not shipped in a day")
				break
			}
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		once := make(map[string]bool)
		for _, q := range v.taken() {
			var body struct{ RequestID string }
			if err := json.Unmarshal(q.body, &body); err != nil {
				t.Fatal(err)
			}
			if id := q.path + " " + body.RequestID; once[id] {
				t.Errorf("%s was posted again after it was taken", id)
			} else {
				once[id] = true
			}
		}
		if len(once) != 2*calls || v.requests() < 150 {
			t.Errorf("the vendor has %d requests of %d, want %d", len(once), v.requests(), 2*calls)
		}
	})
}

// TestSinkOfARecorder ships what a real agent did.
func TestSinkOfARecorder(t *testing.T) {
	var v vendor
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
	sink := aitracer.NewSink(c, aitracer.SinkConfig{})
	r, err := evidence.Open(t.TempDir(), evidence.Config{Exporters: []evidence.Exporter{{Sink: sink.Take}}})
	if err != nil {
		t.Fatal(err)
	}
	model := func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		return middleware.Result{
			Output: &middleware.ModelResponse{Model: "gpt-4o-2024", Choices: []middleware.Choice{{Text: "4", StopReason: "stop"}}},
			Usage:  &middleware.Usage{InputTokens: 9, OutputTokens: 1, TotalTokens: 10, Cost: 33, Reported: true},
		}, nil
	}
	guarded := middleware.Wrap(model, r.Intercept, middleware.Before("hours", func(context.Context, middleware.Call) error { return nil }))
	if _, err := guarded(t.Context(), middleware.Call{Kind: middleware.KindModel, Name: "openai.LLM",
		Input: &middleware.ModelRequest{Model: "gpt-4o", Messages: []middleware.Message{{Role: "human", Parts: []middleware.Part{{Text: "2+2?"}}}}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := v.taken()
	slices.SortFunc(got, func(a, b request) int { return strings.Compare(b.path, a.path) })
	if len(got) != 2 || got[0].path != "/api/traces" || got[1].path != "/api/integrations/openai-guardrails" {
		t.Fatalf("got %s", got)
	}
	var body struct {
		ActionName, Status, RequestID, Model string
		Metrics                              struct {
			TotalTokens      int64
			EstimatedCostUSD json.Number
			FinishReason     string
		}
	}
	if err := json.Unmarshal(got[0].body, &body); err != nil {
		t.Fatal(err)
	}
	if body.ActionName != "openai.LLM" || body.Status != "completed" || len(body.RequestID) != 36 || body.Model != "gpt-4o-2024" ||
		body.Metrics.TotalTokens != 10 || body.Metrics.EstimatedCostUSD != "0.000033" || body.Metrics.FinishReason != "stop" {
		t.Errorf("got %s", got[0].body)
	}
	if strings.Contains(string(got[0].body)+string(got[1].body), "2+2") {
		t.Error("a content was posted that nobody asked for")
	}
}
