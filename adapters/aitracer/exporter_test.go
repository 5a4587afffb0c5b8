package aitracer_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/adapters/aitracer"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/middleware"
)

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
		Input: &middleware.ModelRequest{Model: "gpt-4o",
			Messages: []middleware.Message{{Role: "human", Parts: []middleware.Part{{Text: "2+2?"}}}}}}); err != nil {
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
