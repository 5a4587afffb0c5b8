package aitracer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/adapters/aitracer"
	"example.com/safeconduct/evidence/record"
)

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
