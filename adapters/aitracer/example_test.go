package aitracer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"example.com/safeconduct/adapters/aitracer"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// printed is a vendor that prints what it gets, one request at a time.
func printed() *httptest.Server {
	var mu sync.Mutex
	changing := regexp.MustCompile(`("(?:requestId|runId)":")[^"]*(")|("latencyMs":)[0-9.]+`)
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf("%s %s\n%s\n", r.Method, r.URL.Path, changing.ReplaceAllString(string(body), "$1$3…$2"))
		w.WriteHeader(http.StatusCreated)
	}))
}

func ExampleNew() {
	server := printed()
	defer server.Close()
	client, err := aitracer.New(aitracer.Config{BaseURL: server.URL, Key: func() string { return "akt_example" }})
	if err != nil {
		panic(err)
	}
	defer client.CloseIdleConnections()

	err = client.Record(context.Background(), aitracer.Trace{
		Workflow: "finance-review", Model: "gpt-4o",
		InputData: "What do we owe?", OutputData: "Nothing.",
		Metrics: aitracer.Metrics{
			PromptTokens: 420, CompletionTokens: 155,
			Latency: 830 * time.Millisecond, CostMicroUSD: 4200, FinishReason: "stop",
		},
	})
	fmt.Println(err)
	// Output:
	// POST /api/traces
	// {"actionName":"finance-review","environment":"prod","status":"completed","requestId":"…","model":"gpt-4o","prompt":"What do we owe?","response":"Nothing.","metrics":{"promptTokens":420,"completionTokens":155,"totalTokens":575,"latencyMs":…,"estimatedCostUsd":0.0042,"finishReason":"stop"}}
	// <nil>
}

// What fails is said of each trace, and what does not is recorded.
func ExampleClient_RecordBatch() {
	server := printed()
	defer server.Close()
	client, err := aitracer.New(aitracer.Config{BaseURL: server.URL, Key: func() string { return "akt_example" }, Environment: "staging"})
	if err != nil {
		panic(err)
	}
	defer client.CloseIdleConnections()

	err = client.RecordBatch(context.Background(), []aitracer.Trace{
		{Workflow: "triage", Model: "gpt-4o-mini", InputData: map[string]string{"subject": "refund"}},
		{Model: "gpt-4o-mini"},
	}, 4)
	if batch, ok := errors.AsType[*aitracer.BatchError](err); ok {
		for i, err := range batch.Errs {
			fmt.Println(i, err)
		}
	}
	// Output:
	// POST /api/traces
	// {"actionName":"triage","environment":"staging","status":"completed","requestId":"…","model":"gpt-4o-mini","prompt":"{\"subject\":\"refund\"}"}
	// 0 <nil>
	// 1 aitracer: trace: no Workflow
}

// A tool is guarded and recorded; the vendor hears of it. The arguments and the
// result are posted because Content gives them, redacted.
func ExampleNewSink() {
	server := printed()
	defer server.Close()
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	client, err := aitracer.New(aitracer.Config{
		BaseURL: server.URL, Key: func() string { return "akt_example" }, Concurrency: 1,
		Redact: func(text string) string { return strings.ReplaceAll(text, "hunter2", "****") },
	})
	if err != nil {
		panic(err)
	}
	defer client.CloseIdleConnections()
	var contents sync.Map // by commitment; evidence.Payloads keeps them for longer
	sink := aitracer.NewSink(client, aitracer.SinkConfig{
		Content: func(_ context.Context, e aitracer.Event) (prompt, response string, ok bool) {
			in, hasIn := contents.Load(e.Input)
			out, hasOut := contents.Load(e.Output)
			if !hasIn || !hasOut {
				return "", "", false
			}
			return in.(string), out.(string), true
		},
	})
	recorder, err := evidence.Open(dir, evidence.Config{
		Exporters: []evidence.Exporter{{Name: "aitracer", Sink: sink.Take}},
		Disclose: func(d record.Disclosure) {
			var text string // what a tool gets and gives
			if _, value, err := d.Open(); err == nil && json.Unmarshal(value, &text) == nil {
				contents.Store(d.Commitment(), text)
			}
		},
	})
	if err != nil {
		panic(err)
	}
	login := middleware.Wrap(
		func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{Output: "welcome"}, nil
		},
		recorder.Intercept,
		middleware.Before("hours", func(context.Context, middleware.Call) error { return nil }),
	)
	if _, err := login(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "login", Input: "alice hunter2"}); err != nil {
		panic(err)
	}
	if err := recorder.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// POST /api/ingest/tool-calls
	// {"requestId":"…","environment":"prod","runId":"…","name":"login","status":"completed","arguments":"alice ****","result":"welcome","latencyMs":…}
	// POST /api/integrations/openai-guardrails
	// {"requestId":"…","environment":"prod","runId":"…","kind":"tool","name":"login","status":"completed","guardrails":[{"name":"hours","triggered":false,"verdict":"allow","latencyMs":…}]}
}

// A webhook is let through once, and not a second time.
func ExampleVerify() {
	secret := []byte("a secret that both sides have")
	receiver := aitracer.Verify(aitracer.WebhookRules{Secrets: func() [][]byte { return [][]byte{secret} }},
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			fmt.Printf("got %s %v\n", body, err)
		}))

	request := func() *http.Request {
		return httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(`{"alert":"the budget is spent"}`))
	}
	first := request()
	if err := aitracer.Sign(first, secret); err != nil {
		panic(err)
	}
	replay, stranger := request(), request()
	replay.Header = first.Header.Clone()
	if err := aitracer.Sign(stranger, []byte("a guess")); err != nil {
		panic(err)
	}
	for _, r := range []*http.Request{first, replay, stranger} {
		w := httptest.NewRecorder()
		receiver.ServeHTTP(w, r)
		fmt.Println(w.Code, http.StatusText(w.Code))
	}
	// Output:
	// got {"alert":"the budget is spent"} <nil>
	// 200 OK
	// 409 Conflict
	// 401 Unauthorized
}

func ExampleSign() {
	r := httptest.NewRequest(http.MethodPost, "https://aitracer.example.com/api/ingest/webhooks", strings.NewReader(`{"alert":"down"}`))
	if err := aitracer.Sign(r, []byte("a secret that both sides have")); err != nil {
		panic(err)
	}
	fmt.Println(len(r.Header.Get(aitracer.HeaderTimestamp)), r.Header.Get(aitracer.HeaderSignature)[:3])
	// Output: 10 v1=
}
