package aitracer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/adapters/aitracer"
)

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
		{[]int{403}, 1, 403},
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
			if !ok || e.Status != tt.status || e.Path != "/api/traces" || e.Permanent() != (tt.status != 503 && tt.status != 401 && tt.status != 403) {
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
		began := time.Now()
		if err := c.Record(ctx, documented); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got error %v after %v, want context.DeadlineExceeded after 1s", err, time.Since(began))
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// A rudeTransport panics.
type rudeTransport struct{}

func (rudeTransport) RoundTrip(*http.Request) (*http.Response, error) { panic("the secret") }

// TestTransportThatPanics has the user's code panic where requests are made.
func TestTransportThatPanics(t *testing.T) {
	c := newClient(t, aitracer.Config{BaseURL: origin, Transport: rudeTransport{}, MinBackoff: 1, MaxBackoff: 1})
	for name, err := range map[string]error{
		"a trace":   c.Record(t.Context(), documented),
		"a ledger":  aitracer.NewSink(c, aitracer.SinkConfig{}).Take(t.Context(), run(t)),
		"its spans": aitracer.NewSink(c, aitracer.SinkConfig{OTLP: true}).Take(t.Context(), run(t)),
	} {
		if err == nil || !strings.HasSuffix(err.Error(), "the Transport panicked with a string") {
			t.Errorf("%s: got %v, want an error that says what panicked", name, err)
		}
	}
}
