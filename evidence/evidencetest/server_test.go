package evidencetest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/safeconduct/evidence/evidencetest"
)

// echo answers with what it got, and remembers it.
type echo struct {
	mu  sync.Mutex
	got []string
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	e.mu.Lock()
	e.got = append(e.got, string(body))
	e.mu.Unlock()
	_, _ = w.Write(body)
}

func (e *echo) all() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.got, "|")
}

// An answer is what a server said.
type answer struct {
	status      int
	after, body string
}

// post posts a body, in another form if packed.
func post(t *testing.T, ctx context.Context, url, body string, packed bool) (answer, error) {
	t.Helper()
	sent := []byte(body)
	if packed {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(sent)
		_ = w.Close()
		sent = b.Bytes()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	if packed {
		req.Header.Set("Content-Encoding", "gzip")
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header.Get("Retry-After"), string(b)}, err
}

func TestServer(t *testing.T) {
	short := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	const body = "one\ntwo\nthree\n"
	for _, tt := range []struct {
		name    string
		fault   evidencetest.Fault
		packed  bool
		cut     bool // the client gives up soon
		status  int
		header  string // Retry-After
		reached string // what stands behind the server
		err     error
	}{
		{name: "none", status: 200, reached: body},
		{name: "500", fault: evidencetest.Status(500), status: 500},
		{name: "429", fault: evidencetest.RetryAfter(429, "7"), status: 429, header: "7"},
		{name: "503 with a date", fault: evidencetest.RetryAfter(503, "Fri, 20 Mar 2026 14:05:48 GMT"), status: 503, header: "Fri, 20 Mar 2026 14:05:48 GMT"},
		{name: "hang", fault: evidencetest.Hang(), cut: true, err: context.DeadlineExceeded},
		{name: "reset", fault: evidencetest.Reset(), err: syscall.ECONNRESET},
		{name: "slow", fault: evidencetest.SlowBody(time.Millisecond), status: 200, reached: body},
		{name: "slower than one waits", fault: evidencetest.SlowBody(time.Minute), cut: true, status: 200, reached: body, err: context.DeadlineExceeded},
		{name: "nothing of it", fault: evidencetest.Partial(0), status: 503},
		{name: "in part", fault: evidencetest.Partial(2), status: 503, reached: "one\ntwo\n"},
		{name: "in part, packed", fault: evidencetest.Partial(2), packed: true, status: 503, reached: "one\ntwo\n"},
		{name: "all, and it says nothing of it", fault: evidencetest.Partial(9), status: 503, reached: body},
		{name: "a page", fault: evidencetest.WrongContent(), status: 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var behind echo
			s := evidencetest.NewServer(t, &behind)
			s.Next(tt.fault)
			ctx := t.Context()
			if tt.cut {
				ctx = short(t)
			}
			got, err := post(t, ctx, s.URL, body, tt.packed)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if got.status != tt.status || got.after != tt.header {
				t.Errorf("got %+v, want %d, Retry-After %q", got, tt.status, tt.header)
			}
			if got := behind.all(); got != tt.reached {
				t.Errorf("%q reached what is behind it, want %q", got, tt.reached)
			}
			if got, err := post(t, t.Context(), s.URL, "after", false); err != nil || got.body != "after" {
				t.Errorf("after the fault: got %+v, %v", got, err)
			}
			if s.Requests() != 2 {
				t.Errorf("got %d requests, want 2", s.Requests())
			}
		})
	}
}

func TestServerFlaps(t *testing.T) {
	s := evidencetest.NewServer(t, new(echo))
	s.Repeat(nil, evidencetest.Status(503), evidencetest.Status(429))
	var got []int
	for range 7 {
		a, err := post(t, t.Context(), s.URL, "x", false)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a.status)
	}
	if want := "[200 503 429 200 503 429 200]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	s.Next()
	if got, err := post(t, t.Context(), s.URL, "x", false); err != nil || got.status != 200 {
		t.Errorf("mended: got %+v, %v", got, err)
	}
}
