package aitracer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

func TestRecordTriesAgain(t *testing.T) {
	for _, tt := range []struct {
		statuses []int
		requests int
		status   int // of the error; zero for success
	}{
		{[]int{408}, 2, 0},
		{[]int{425}, 2, 0},
		{[]int{429, 429}, 3, 0},
		{[]int{502}, 2, 0},
		{[]int{503, 504}, 3, 0},
		{[]int{302}, 2, 0}, // a wrong origin is put right one day
		{[]int{503, 503, 503, 503, 503}, 5, 503},
		{[]int{400}, 1, 400},
		{[]int{401}, 1, 401},
		{[]int{413}, 1, 413},
		{[]int{500}, 1, 500},
		{[]int{503, 400}, 2, 400},
	} {
		t.Run(fmt.Sprint(tt.statuses), func(t *testing.T) {
			var v vendor
			v.fail(tt.statuses...)
			c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
			err := c.Record(t.Context(), documented)
			if n := v.requests(); n != tt.requests {
				t.Errorf("got %d requests, want %d", n, tt.requests)
			}
			if tt.status == 0 {
				if err != nil || len(v.taken()) != 1 {
					t.Errorf("got error %v, want none", err)
				}
				return
			}
			e, ok := errors.AsType[*aitracer.Error](err)
			if !ok || e.Status != tt.status || e.Path != "/api/traces" || e.Permanent() != (tt.status != 503) {
				t.Errorf("got error %v, want an Error with status %d", err, tt.status)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		header   string
		min, max time.Duration // the pause that follows
	}{
		{"7", 7 * time.Second, 7 * time.Second},
		{"1e9", 0, time.Second},
		{"1000000000", 30 * time.Second, 30 * time.Second},
		{"-1", 0, time.Second},
		{"soon", 0, time.Second},
		{"", 0, time.Second},
		{"0", 0, time.Second},
		{"date", 9 * time.Second, 10 * time.Second},
		{"past", 0, time.Second},
	} {
		t.Run(tt.header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				header := tt.header
				switch header {
				case "date":
					header = began.Add(10 * time.Second).UTC().Format(http.TimeFormat)
				case "past":
					header = began.Add(-time.Hour).UTC().Format(http.TimeFormat)
				}
				var at []time.Duration
				v := &vendor{fault: func(w http.ResponseWriter, _ *http.Request, n int, _ []byte) bool {
					at = append(at, time.Since(began))
					if n == 1 {
						w.Header().Set("Retry-After", header)
						w.WriteHeader(http.StatusTooManyRequests)
					}
					return n == 1
				}}
				c := newClient(t, aitracer.Config{BaseURL: origin, Transport: wire{v}})
				if err := c.Record(t.Context(), documented); err != nil {
					t.Fatal(err)
				}
				if len(at) != 2 || at[1] < tt.min || at[1] > tt.max {
					t.Errorf("got requests at %v, want the second from %v to %v", at, tt.min, tt.max)
				}
			})
		})
	}
}

// TestBackoff has the pauses grow from half a second to half a minute, and be
// random.
func TestBackoff(t *testing.T) {
	longest := make([]time.Duration, 9)
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			last := time.Now()
			v := &vendor{fault: func(w http.ResponseWriter, _ *http.Request, n int, _ []byte) bool {
				if n > 1 {
					longest[n-2] = max(longest[n-2], time.Since(last))
				}
				last = time.Now()
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}}
			c := newClient(t, aitracer.Config{BaseURL: origin, Transport: wire{v}, Attempts: 10})
			if err := c.Record(t.Context(), documented); err == nil || v.requests() != 10 {
				t.Fatalf("got error %v after %d requests", err, v.requests())
			}
		})
	}
	for i, got := range longest {
		bound := min(500*time.Millisecond<<i, 30*time.Second)
		if got > bound || got < bound/2 {
			t.Errorf("pause %d: got %v at most of 50, want close to %v", i+1, got, bound)
		}
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{fault: func(w http.ResponseWriter, _ *http.Request, _ int, _ []byte) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}}
		c := newClient(t, aitracer.Config{BaseURL: origin, Transport: wire{v}, Concurrency: 1})
		if err := c.Record(t.Context(), documented); errors.Is(err, aitracer.ErrOpen) {
			t.Fatalf("got %v at once", err)
		}
		n := v.requests()
		if err := c.Record(t.Context(), documented); !errors.Is(err, aitracer.ErrOpen) || v.requests() != n {
			t.Errorf("got error %v and %d requests more, want ErrOpen and none", err, v.requests()-n)
		}
		v.fail()
		time.Sleep(31 * time.Second)
		if err := c.Record(t.Context(), documented); err != nil {
			t.Errorf("got error %v from a vendor that is back", err)
		}
	})
}

func TestTimeout(t *testing.T) {
	hang := make(chan struct{})
	v := &vendor{fault: func(_ http.ResponseWriter, r *http.Request, n int, _ []byte) bool {
		if n == 1 {
			select {
			case <-r.Context().Done():
			case <-hang:
			}
		}
		return n == 1
	}}
	c := newClient(t, aitracer.Config{BaseURL: serve(t, v), Timeout: 20 * time.Millisecond})
	defer close(hang)
	if err := c.Record(t.Context(), documented); err != nil || v.requests() != 2 {
		t.Errorf("got error %v after %d requests, want none after 2", err, v.requests())
	}
}

// TestSlowBody has an answer whose body never ends: its status is what counts.
func TestSlowBody(t *testing.T) {
	v := &vendor{fault: func(w http.ResponseWriter, r *http.Request, n int, _ []byte) bool {
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("{"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return true
	}}
	c := newClient(t, aitracer.Config{BaseURL: serve(t, v)})
	began := time.Now()
	if err := c.Record(t.Context(), documented); err != nil || v.requests() != 1 {
		t.Errorf("got error %v after %d requests, want none after 1", err, v.requests())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the body was waited for %v", took)
	}
}

func TestConnectionReset(t *testing.T) {
	v := &vendor{fault: func(w http.ResponseWriter, _ *http.Request, n int, _ []byte) bool {
		if n == 1 {
			panic(http.ErrAbortHandler)
		}
		return false
	}}
	c := newClient(t, aitracer.Config{BaseURL: serve(t, v)})
	if err := c.Record(t.Context(), documented); err != nil || len(v.taken()) != 1 {
		t.Errorf("got error %v, want none", err)
	}
}

// TestWrongContent has somebody else answer: a page is no answer of an endpoint.
func TestWrongContent(t *testing.T) {
	v := &vendor{fault: func(w http.ResponseWriter, _ *http.Request, _ int, _ []byte) bool {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<h1>Sign in</h1>"))
		return true
	}}
	c := newClient(t, aitracer.Config{BaseURL: serve(t, v), Attempts: 2})
	err := c.Record(t.Context(), documented)
	if e, ok := errors.AsType[*aitracer.Error](err); !ok || e.Status != 200 || e.Permanent() || strings.Contains(err.Error(), "Sign") {
		t.Errorf("got error %v, want one about a page", err)
	}
}

// TestRedirect has the key go nowhere but to the origin.
func TestRedirect(t *testing.T) {
	var visits atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		v := &vendor{fault: func(w http.ResponseWriter, r *http.Request, _ int, _ []byte) bool {
			http.Redirect(w, r, elsewhere.URL, status)
			return true
		}}
		c := newClient(t, aitracer.Config{BaseURL: serve(t, v), Attempts: 1})
		err := c.Record(t.Context(), documented)
		if e, ok := errors.AsType[*aitracer.Error](err); !ok || e.Status != status {
			t.Errorf("got error %v, want one of status %d", err, status)
		}
	}
	if n := visits.Load(); n > 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestCancel(t *testing.T) {
	arrived := make(chan struct{})
	v := &vendor{fault: func(_ http.ResponseWriter, r *http.Request, _ int, _ []byte) bool {
		close(arrived)
		<-r.Context().Done()
		return true
	}}
	c := newClient(t, aitracer.Config{BaseURL: serve(t, v)})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if err := c.Record(ctx, documented); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	if err := c.Record(ctx, documented); !errors.Is(err, context.Canceled) || v.requests() != 1 {
		t.Errorf("got error %v and %d requests, want context.Canceled and no other", err, v.requests())
	}
}

// TestConcurrency has more traces come than may be under way: none counts as
// failed because it waits.
func TestConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{fault: func(http.ResponseWriter, *http.Request, int, []byte) bool {
			time.Sleep(9 * time.Second)
			return false
		}}
		c := newClient(t, aitracer.Config{BaseURL: origin, Transport: wire{v}, Concurrency: 3})
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				if err := c.Record(t.Context(), documented); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if v.most != 3 || v.requests() != 30 {
			t.Errorf("got %d requests, up to %d at a time; want 30 and 3", v.requests(), v.most)
		}
	})
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{fault: func(http.ResponseWriter, *http.Request, int, []byte) bool {
			time.Sleep(5 * time.Second)
			return false
		}}
		c := newClient(t, aitracer.Config{BaseURL: origin, Transport: wire{v}, Concurrency: 1})
		first := make(chan error)
		go func() { first <- c.Record(t.Context(), documented) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Record(ctx, documented); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want context.DeadlineExceeded", err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
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

func TestNew(t *testing.T) {
	for _, tt := range []struct{ base, key, want string }{
		{"https://aitracer.example.com", key, ""},
		{"https://aitracer.example.com/", key, ""},
		{"https://aitracer.example.com:8443", key, ""},
		{"http://127.0.0.1:3000", key, ""},
		{"http://[::1]:3000", key, ""},
		{"http://localhost:3000", key, ""},
		{"http://aitracer.example.com", key, "aitracer: the BaseURL is neither https nor http on the loopback interface"},
		{"http://127.0.0.1.example.com", key, "aitracer: the BaseURL is neither https nor http on the loopback interface"},
		{"http://localhost.example.com", key, "aitracer: the BaseURL is neither https nor http on the loopback interface"},
		{"ftp://127.0.0.1", key, "aitracer: the BaseURL is neither https nor http on the loopback interface"},
		{"aitracer.example.com", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"", key, "aitracer: the BaseURL has no host"},
		{"https://", key, "aitracer: the BaseURL has no host"},
		{"https://:443", key, "aitracer: the BaseURL has no host"},
		{"https://a.example.com/api", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"https://u:hunter2@a.example.com", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"https://a.example.com?k=hunter2", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"https://a.example.com#x", key, "aitracer: the BaseURL is more than an origin: a scheme, a host and a port"},
		{"https://a.example.com/%zzhunter2", key, "aitracer: the BaseURL is not a URL"},
		{origin, "", "aitracer: the Key is not a workspace key, which begins with akt_"},
		{origin, "akt_", "aitracer: the Key is not a workspace key, which begins with akt_"},
		{origin, "sk-hunter2", "aitracer: the Key is not a workspace key, which begins with akt_"},
		{origin, "akt_hunter2\r\nX: y", "aitracer: the Key holds what no header can hold"},
		{origin, "akt_hunter2é", "aitracer: the Key holds what no header can hold"},
	} {
		c, err := aitracer.New(aitracer.Config{BaseURL: tt.base, Key: tt.key})
		if got := fmt.Sprint(err); err == nil && tt.want != "" || err != nil && got != tt.want || (c == nil) != (err != nil) {
			t.Errorf("New with %q and %q: got %s, want %s", tt.base, tt.key, got, tt.want)
		}
	}
	for _, cfg := range []aitracer.Config{{Timeout: -1}, {MinBackoff: -1}, {MaxBackoff: -1}, {Attempts: -1}, {Concurrency: -1}} {
		wantPanic(t, "aitracer: New: a negative bound", func() { _, _ = aitracer.New(cfg) })
	}
}

func wantPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if v := recover(); v != want {
			t.Errorf("got panic %v, want %q", v, want)
		}
	}()
	f()
}

// TestKeyIsNotShown looks for the key in all that is printed, logged or
// returned.
func TestKeyIsNotShown(t *testing.T) {
	cfg := aitracer.Config{BaseURL: "https://user:hunter2@aitracer.example.com/x?y", Key: key}
	c := newClient(t, aitracer.Config{BaseURL: "http://127.0.0.1:1", Key: key, Attempts: 1})
	err := c.Record(t.Context(), documented)
	if err == nil {
		t.Fatal("got no error from nobody")
	}
	sink := aitracer.NewSink(c, aitracer.SinkConfig{})
	var log strings.Builder
	l := slog.New(slog.NewTextHandler(&log, nil))
	j := slog.New(slog.NewJSONHandler(&log, nil))
	for _, v := range []any{cfg, &cfg, c, *c, sink, err} {
		_, _ = fmt.Fprintf(&log, "%v %+v %#v %s %q\n", v, v, v, v, v)
		l.Info("x", "v", v)
		j.Info("x", "v", v)
	}
	b, _ := json.Marshal(cfg)
	log.Write(b)
	for _, secret := range []string{key, key[4:]} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the key is in %s", log.String())
		}
	}
	if got, want := cfg.String(), "aitracer.Config for https://aitracer.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (aitracer.Config{BaseURL: "%zz"}).String(), "aitracer.Config for no URL"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := c.String(), "aitracer.Client of http://127.0.0.1:1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
