package aitracer_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/adapters/aitracer"
	"example.com/safeconduct/evidence/record"
)

// A said is what an exporter reads out of a sink's error.
type said interface {
	error
	Taken() int
	Refused() int
	Permanent() bool
	RetryAfter() time.Duration
}

func wantSaid(t *testing.T, err error, taken, refused int, after time.Duration) {
	t.Helper()
	var s said
	if !errors.As(err, &s) {
		t.Fatalf("got error %v, want one that says how far it came", err)
	}
	if s.Taken() != taken || s.Refused() != refused || s.Permanent() != (refused > 0) || s.RetryAfter() != after {
		t.Errorf("got %d taken, %d refused, permanent %t, after %v; want %d, %d, %t, %v; error %v",
			s.Taken(), s.Refused(), s.Permanent(), s.RetryAfter(), taken, refused, refused > 0, after, err)
	}
}

// ship does as an exporter does, and returns which envelopes were refused.
func ship(t *testing.T, sink *aitracer.Sink, envelopes [][]byte) (refused []int) {
	t.Helper()
	at := 0
	for range 100 {
		err := sink.Take(t.Context(), envelopes[at:])
		if err == nil {
			return refused
		}
		var s said
		if !errors.As(err, &s) {
			t.Fatalf("got error %v", err)
		}
		at += s.Taken()
		for range s.Refused() {
			refused = append(refused, at)
			at++
		}
	}
	t.Fatal("it does not come to an end")
	return nil
}

// wantOnce checks that the vendor has each request once, as it would have
// without faults.
func wantOnce(t *testing.T, v *vendor, cfg aitracer.SinkConfig, but func(request) bool) {
	t.Helper()
	var calm vendor
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &calm), Redact: redact})
	if err := aitracer.NewSink(c, cfg).Take(t.Context(), run(t)); err != nil {
		t.Fatal(err)
	}
	text := func(rs []request) (lines []string) {
		for _, r := range rs {
			if but == nil || !but(r) {
				lines = append(lines, r.path+" "+string(r.body))
			}
		}
		slices.Sort(lines)
		return lines
	}
	if got, want := text(v.taken()), text(calm.taken()); !slices.Equal(got, want) {
		t.Errorf("got %d requests\n%s\nwant %d\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

// TestSinkComesBack has each request fail in turn, in a way that may pass: in
// the end the vendor has each once, and those that it had are not made again.
func TestSinkComesBack(t *testing.T) {
	for _, status := range []int{429, 503, 302} {
		for n := 1; n <= 8; n++ {
			var v vendor
			v.fault = func(w http.ResponseWriter, _ *http.Request, at int, _ []byte) bool {
				if at == n {
					w.Header().Set("Retry-After", "7")
					w.WriteHeader(status)
				}
				return at == n
			}
			c := newClient(t, aitracer.Config{BaseURL: serve(t, &v), Redact: redact, Concurrency: 3})
			sink := aitracer.NewSink(c, aitracer.SinkConfig{})
			err := sink.Take(t.Context(), run(t))
			var s said
			if n > 7 {
				if err != nil {
					t.Errorf("got error %v, want none", err)
				}
				continue
			}
			if !errors.As(err, &s) || s.Permanent() || s.RetryAfter() != 7*time.Second {
				t.Fatalf("status %d of request %d: got error %v, want one that passes in 7s", status, n, err)
			}
			if e, ok := errors.AsType[*aitracer.Error](err); !ok || e.Status != status {
				t.Errorf("got error %v, want one of status %d", err, status)
			}
			if refused := ship(t, sink, run(t)[s.Taken():]); len(refused) > 0 {
				t.Errorf("envelopes %v were refused", refused)
			}
			wantOnce(t, &v, aitracer.SinkConfig{}, nil)
			if n := aitracer.Settled(sink); n > 0 {
				t.Errorf("%d answers are remembered in the end, want none", n)
			}
		}
	}
}

// TestSinkIsRefused has one request refused for good: its envelope is, the others
// are taken, each once, and the one that is refused is posted once.
func TestSinkIsRefused(t *testing.T) {
	const bad = "019d0c2e-5b1f-7c39-9cc2-000000000009" // the denied call of the shell
	for _, path := range []string{"/api/ingest/tool-calls", "/api/integrations/openai-guardrails"} {
		var v vendor
		hits := 0
		v.fault = func(w http.ResponseWriter, r *http.Request, _ int, body []byte) bool {
			refuse := r.URL.Path == path && strings.Contains(string(body), bad)
			if refuse {
				v.mu.Lock()
				hits++
				v.mu.Unlock()
				w.WriteHeader(http.StatusUnprocessableEntity)
			}
			return refuse
		}
		c := newClient(t, aitracer.Config{BaseURL: serve(t, &v), Redact: redact})
		sink := aitracer.NewSink(c, aitracer.SinkConfig{})
		wantSaid(t, sink.Take(t.Context(), run(t)), 8, 1, 0)
		if err := sink.Take(t.Context(), run(t)[9:]); err != nil {
			t.Errorf("got error %v for the rest", err)
		}
		wantOnce(t, &v, aitracer.SinkConfig{}, func(r request) bool { return r.path == path && strings.Contains(string(r.body), bad) })
		if n := aitracer.Settled(sink); hits != 1 || n > 0 {
			t.Errorf("what is refused was posted %d times, and %d answers are remembered; want 1 and none", hits, n)
		}
	}
}

// While the key is wrong nothing is refused and each Take makes a request or a few;
// with the right one all is posted, each once.
func TestNothingIsRefusedWhileTheKeyIsWrong(t *testing.T) {
	for _, cfg := range []aitracer.SinkConfig{{}, {OTLP: true}} {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
			var v vendor
			v.fault = func(w http.ResponseWriter, _ *http.Request, _ int, _ []byte) bool {
				w.WriteHeader(status)
				return true
			}
			c := newClient(t, aitracer.Config{BaseURL: serve(t, &v), Concurrency: 1})
			sink := aitracer.NewSink(c, cfg)
			for n := 1; n < 4; n++ {
				err := sink.Take(t.Context(), run(t))
				wantSaid(t, err, 5, 0, 0)
				var asked interface{ Unauthorized() bool }
				if !errors.As(err, &asked) || !asked.Unauthorized() || v.requests() != n {
					t.Errorf("got %v after %d requests, want it to be about the key", err, v.requests())
				}
			}
			v.fault = nil
			if err := sink.Take(t.Context(), run(t)); err != nil {
				t.Errorf("got error %v with the right key", err)
			}
			wantOnce(t, &v, cfg, nil)
		}
	}
}

// TestSpansAreToldApart has one span of many refused: it is found.
func TestSpansAreToldApart(t *testing.T) {
	const bad = "019d0c2e-5b1f-7c39-9cc2-000000000009"
	for _, status := range []int{400, 413, 422} {
		var v vendor
		v.fault = func(w http.ResponseWriter, _ *http.Request, _ int, body []byte) bool {
			refuse := strings.Contains(string(body), bad)
			if refuse {
				w.WriteHeader(status)
			}
			return refuse
		}
		c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
		if got := ship(t, aitracer.NewSink(c, aitracer.SinkConfig{OTLP: true}), run(t)); !slices.Equal(got, []int{8}) {
			t.Errorf("got %v refused, want the one at 8", got)
		}
		spans := 0
		for _, r := range v.taken() {
			spans += strings.Count(string(r.body), `"spanId"`)
		}
		if spans != 5 {
			t.Errorf("got %d spans, want 5", spans)
		}
	}
}

// TestSinkWhatIsNoRecord has a broken envelope in the midst of others.
func TestSinkWhatIsNoRecord(t *testing.T) {
	outcome := func(change func(*record.Record)) []byte {
		r := record.Record{Seq: 9, Kind: record.KindOutcome, Run: "r", Call: &record.Call{ID: 1, Kind: "tool", Name: "x"},
			Outcome: &record.Outcome{Result: record.ResultDone}}
		change(&r)
		return seal(t, r)
	}
	whole := string(outcome(func(*record.Record) {}))
	for name, bad := range map[string][]byte{
		"empty":                nil,
		"no JSON":              []byte("hunter2"),
		"another payload type": []byte(strings.Replace(whole, record.PayloadType, "text/plain", 1)),
		"no base64":            []byte(`{"payload":"hunter2!","payloadType":"application/vnd.in-toto+json"}`),
		"no statement":         []byte(`{"payload":"aHVudGVyMg==","payloadType":"application/vnd.in-toto+json"}`),
		"no record":            []byte(`{"payload":"e30=","payloadType":"application/vnd.in-toto+json"}`),
		"too large":            []byte(strings.Repeat(" ", 65_536)),
		"payload too large":    []byte(`{"payload":"` + strings.Repeat("AAAA", 11_000) + `","payloadType":"application/vnd.in-toto+json"}`),
		"no call":              outcome(func(r *record.Record) { r.Call = nil }),
		"no result":            outcome(func(r *record.Record) { r.Outcome = nil }),
		"no run":               outcome(func(r *record.Record) { r.Run = "" }),
	} {
		t.Run(name, func(t *testing.T) {
			var v vendor
			c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
			sink := aitracer.NewSink(c, aitracer.SinkConfig{})
			envelopes := slices.Insert(run(t), 7, bad)
			err := sink.Take(t.Context(), envelopes)
			wantSaid(t, err, 7, 1, 0)
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error holds what came: %v", err)
			}
			if err := sink.Take(t.Context(), envelopes[8:]); err != nil {
				t.Errorf("got error %v for the rest", err)
			}
			wantOnce(t, &v, aitracer.SinkConfig{}, nil)
		})
	}
}

// TestSinkEncoderFails has code of the user's fail: the record is refused.
func TestSinkEncoderFails(t *testing.T) {
	for _, f := range []func(aitracer.Event) any{
		func(aitracer.Event) any { panic("hunter2") },
		func(aitracer.Event) any { return func() {} },
		func(aitracer.Event) any { return secretive{} },
		func(aitracer.Event) any { return secretive{panics: true} },
	} {
		var v vendor
		c := newClient(t, aitracer.Config{BaseURL: serve(t, &v)})
		sink := aitracer.NewSink(c, aitracer.SinkConfig{Encoder: aitracer.Encoder{ToolCall: f}})
		err := sink.Take(t.Context(), run(t))
		wantSaid(t, err, 8, 1, 0)
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error holds what was panicked with: %v", err)
		}
		if refused := ship(t, sink, run(t)[9:]); !slices.Equal(refused, []int{1}) {
			t.Errorf("got %v of the rest refused, want 1", refused)
		}
	}
}

func TestSinkCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		v := &vendor{fault: func(http.ResponseWriter, *http.Request, int, []byte) bool {
			cancel()
			return false
		}}
		c := newClient(t, aitracer.Config{BaseURL: origin, Transport: wire{v}, Concurrency: 1})
		sink := aitracer.NewSink(c, aitracer.SinkConfig{})
		err := sink.Take(ctx, run(t))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want context.Canceled", err)
		}
		wantSaid(t, err, 5, 0, 0)
		if n := v.requests(); n != 1 {
			t.Errorf("got %d requests, want 1", n)
		}
	})
}

func TestSinkConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{fault: func(http.ResponseWriter, *http.Request, int, []byte) bool {
			time.Sleep(time.Second)
			return false
		}}
		c := newClient(t, aitracer.Config{BaseURL: origin, Transport: wire{v}, Concurrency: 3})
		if err := aitracer.NewSink(c, aitracer.SinkConfig{}).Take(t.Context(), run(t)); err != nil {
			t.Fatal(err)
		}
		if v.most != 3 || v.requests() != 7 {
			t.Errorf("got %d requests, up to %d at a time; want 7 and 3", v.requests(), v.most)
		}
	})
}

// TestSinkPutsOff has the vendor be away: neither requests are made any more nor
// contents asked for that would be posted with them.
func TestSinkPutsOff(t *testing.T) {
	var v vendor
	v.fail(503, 503)
	c := newClient(t, aitracer.Config{BaseURL: serve(t, &v), Redact: redact, Concurrency: 1})
	asked := 0
	err := aitracer.NewSink(c, aitracer.SinkConfig{Content: func(context.Context, aitracer.Event) (string, string, bool) {
		asked++
		return "x", "y", true
	}}).Take(t.Context(), run(t))
	wantSaid(t, err, 5, 0, 0)
	if n := v.requests(); n != 1 || asked > 2 {
		t.Errorf("got %d requests and %d contents, want 1 and no more than 2", n, asked)
	}
}
