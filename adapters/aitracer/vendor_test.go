package aitracer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/adapters/aitracer"
)

const key = "akt_0123456789abcdef"

// A vendor is what AITracer's public pages document of its ingest, and strict
// about it.
type vendor struct {
	mu   sync.Mutex
	got  []request // what it has taken
	all  int       // requests, those that failed included
	now  int       // under way
	most int       // under way at a time

	// fault answers in the vendor's place, if it returns true. n counts the
	// requests from 1.
	fault func(w http.ResponseWriter, r *http.Request, n int, body []byte) bool
}

type request struct {
	path string
	body []byte
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	v.all++
	n, fault := v.all, v.fault
	v.now++
	v.most = max(v.most, v.now)
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.now--
		v.mu.Unlock()
	}()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client is gone
	}
	if fault != nil && fault(w, r, n, body) {
		return
	}
	if err := accept(r, body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	v.mu.Lock()
	v.got = append(v.got, request{r.URL.Path, body})
	v.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
}

// accept checks a request against what is documented.
func accept(r *http.Request, body []byte) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost:
		return fmt.Errorf("method %s", r.Method)
	case err != nil || kind != "application/json" || len(params) > 0 && !strings.EqualFold(params["charset"], "utf-8"):
		return fmt.Errorf("content type %q", r.Header.Get("Content-Type"))
	case r.Header.Get("Authorization") != "Bearer "+key:
		return fmt.Errorf("authorization %q", r.Header.Get("Authorization"))
	case r.URL.RawQuery != "":
		return fmt.Errorf("query %q", r.URL.RawQuery)
	}
	switch r.URL.Path {
	case "/api/traces":
		return acceptTrace(body)
	case "/api/integrations/otlp/v1/traces":
		return acceptSpans(body)
	case "/api/ingest/tool-calls", "/api/integrations/openai-guardrails":
		// Their members are not documented.
		var object map[string]any
		return json.Unmarshal(body, &object)
	}
	return fmt.Errorf("path %q", r.URL.Path)
}

// acceptTrace takes the members that are documented, with their types.
func acceptTrace(body []byte) error {
	var t struct {
		ActionName  string  `json:"actionName"`
		Environment string  `json:"environment"`
		Status      string  `json:"status"`
		RequestID   string  `json:"requestId"`
		Model       string  `json:"model"`
		Prompt      *string `json:"prompt"`
		Response    *string `json:"response"`
		Metrics     struct {
			PromptTokens     int64   `json:"promptTokens"`
			CompletionTokens int64   `json:"completionTokens"`
			TotalTokens      int64   `json:"totalTokens"`
			LatencyMs        int64   `json:"latencyMs"`
			EstimatedCostUSD float64 `json:"estimatedCostUsd"`
			FinishReason     string  `json:"finishReason"`
		} `json:"metrics"`
	}
	if err := strict(body, &t); err != nil {
		return err
	}
	if t.ActionName == "" || t.Environment == "" || t.Status == "" || t.RequestID == "" {
		return fmt.Errorf("a member is missing")
	}
	return nil
}

// acceptSpans takes an ExportTraceServiceRequest in JSON.
func acceptSpans(body []byte) error {
	type attributes []struct {
		Key   string `json:"key"`
		Value struct {
			String *string                            `json:"stringValue"`
			Int    *string                            `json:"intValue"`
			Bool   *bool                              `json:"boolValue"`
			Array  struct{ Values []json.RawMessage } `json:"arrayValue"`
		} `json:"value"`
	}
	var e struct {
		ResourceSpans []struct {
			Resource   struct{ Attributes attributes } `json:"resource"`
			ScopeSpans []struct {
				Scope struct{ Name string } `json:"scope"`
				Spans []struct {
					TraceID      string     `json:"traceId"`
					SpanID       string     `json:"spanId"`
					ParentSpanID string     `json:"parentSpanId"`
					Name         string     `json:"name"`
					Kind         int        `json:"kind"`
					Start        string     `json:"startTimeUnixNano"`
					End          string     `json:"endTimeUnixNano"`
					Attributes   attributes `json:"attributes"`
					Events       []struct {
						Time       string     `json:"timeUnixNano"`
						Name       string     `json:"name"`
						Attributes attributes `json:"attributes"`
					} `json:"events"`
					Status struct {
						Code    int    `json:"code"`
						Message string `json:"message"`
					} `json:"status"`
				} `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	if err := strict(body, &e); err != nil {
		return err
	}
	for _, r := range e.ResourceSpans {
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				if len(span.TraceID) != 32 || len(span.SpanID) != 16 || span.Name == "" {
					return fmt.Errorf("a span without name or ids")
				}
			}
		}
	}
	return nil
}

func strict(body []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows the body")
	}
	return nil
}

// fail has the vendor answer with the statuses, one after another, and then as
// it should.
func (v *vendor) fail(statuses ...int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.all
	v.fault = func(w http.ResponseWriter, _ *http.Request, n int, _ []byte) bool {
		if n -= before; n > len(statuses) {
			return false
		}
		w.WriteHeader(statuses[n-1])
		return true
	}
}

func (v *vendor) requests() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.all
}

func (v *vendor) taken() []request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.got)
}

// serve starts the vendor on loopback.
func serve(t *testing.T, v *vendor) (url string) {
	t.Helper()
	s := httptest.NewServer(v)
	t.Cleanup(s.Close)
	return s.URL
}

// bear is a Config.Key, and kept WebhookRules.Secrets.
func bear(key string) func() string          { return func() string { return key } }
func kept(secrets ...[]byte) func() [][]byte { return func() [][]byte { return secrets } }

// newClient returns a client that does not wait for long.
func newClient(t *testing.T, cfg aitracer.Config) *aitracer.Client {
	t.Helper()
	if cfg.Key == nil {
		cfg.Key = bear(key)
	}
	if cfg.MinBackoff == 0 && cfg.Transport == nil {
		cfg.MinBackoff, cfg.MaxBackoff = 1, 1
	}
	c, err := aitracer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// A wire is a transport that has no network: time can be faked over it.
type wire struct{ http.Handler }

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.Result(), nil
}

const origin = "https://aitracer.example.com" // behind a wire

// golden compares requests with testdata/name.golden: the path and the body of
// each, in the order of their paths and bodies, for they overtake one another.
func golden(t *testing.T, name string, requests []request) {
	t.Helper()
	var lines []string
	for _, r := range requests {
		var b bytes.Buffer
		if err := json.Indent(&b, r.body, "", "  "); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("POST %s\n%s\n", r.path, b.Bytes()))
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n")
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}
