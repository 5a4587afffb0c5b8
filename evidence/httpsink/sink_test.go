package httpsink_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/httpsink"
)

func TestSinkOfAnyReceiver(t *testing.T) {
	for name, plain := range map[string]bool{"compressed": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			evidencetest.TestSink(t, func(t *testing.T, _ ed25519.PublicKey) evidencetest.Subject {
				db := &store{left: -1}
				h := &hangs{next: db}
				server := evidencetest.NewServer(t, h)
				cfg := httpsink.Config{URL: server.URL, Token: bear(token), Header: func() http.Header { return http.Header{"X-Team": {"blue"}} },
					Uncompressed: plain}
				return evidencetest.Subject{
					Sink: newSink(t, cfg).Send,
					Stored: func() [][]byte {
						db.mu.Lock()
						defer db.mu.Unlock()
						return append([][]byte(nil), db.lines...)
					},
					Break: func(n int) {
						db.mu.Lock()
						defer db.mu.Unlock()
						db.left = n
					},
					Hang:   h.hang,
					Reopen: func() evidence.Sink { return newSink(t, cfg).Send },
				}
			})
		})
	}
}

func TestSinkOfACollector(t *testing.T) {
	evidencetest.TestSink(t, func(t *testing.T, root ed25519.PublicKey) evidencetest.Subject {
		c := newCollection(t, "evidencetest", root)
		return evidencetest.Subject{
			Sink:   newSink(t, c.config()).Send,
			Stored: func() [][]byte { return c.stored(t) },
			Break: func(n int) {
				if n < 0 {
					c.server.Repeat()
					return
				}
				c.server.Repeat(evidencetest.Partial(n))
			},
			Hang:   c.hangs.hang,
			Reopen: func() evidence.Sink { return newSink(t, c.config()).Send },
		}
	})
}

// What a sink makes of each fault of a server.
func TestFaults(t *testing.T) {
	records, root := evidencetest.Records(t, 5)
	for name, tt := range map[string]struct {
		fault    evidencetest.Fault
		ok       bool
		final    bool
		after    time.Duration
		want     string
		accepted int
	}{
		"500":                 {fault: evidencetest.Status(500), final: true, want: "500 Internal Server Error"},
		"503":                 {fault: evidencetest.Status(503), want: "503"},
		"400":                 {fault: evidencetest.Status(400), final: true, want: "400"},
		"401":                 {fault: evidencetest.Status(401), want: "401"},
		"403":                 {fault: evidencetest.Status(403), want: "403"},
		"408":                 {fault: evidencetest.Status(408), want: "408"},
		"409":                 {fault: evidencetest.Status(409), final: true, want: "409"},
		"409, to wait":        {fault: evidencetest.RetryAfter(409, "1"), after: time.Second, want: "409"},
		"429, seconds":        {fault: evidencetest.RetryAfter(429, "7"), after: 7 * time.Second, want: "429"},
		"429, negative":       {fault: evidencetest.RetryAfter(429, "-1"), want: "429"},
		"429, not a number":   {fault: evidencetest.RetryAfter(429, "1e9"), want: "429"},
		"503, a date of old":  {fault: evidencetest.RetryAfter(503, "Fri, 20 Mar 2009 14:05:48 GMT"), want: "503"},
		"a reset":             {fault: evidencetest.Reset(), want: "httpsink: "},
		"a slow answer":       {fault: evidencetest.SlowBody(time.Millisecond), ok: true},
		"a page":              {fault: evidencetest.WrongContent(), want: "is a page"},
		"taken in part":       {fault: evidencetest.Partial(3), want: "503"},
		"a redirect":          {fault: answers(http.StatusFound, "text/plain", "x", "Location", "/elsewhere"), want: "302"},
		"a redirect for good": {fault: answers(http.StatusPermanentRedirect, "text/plain", "x", "Location", "/elsewhere"), want: "308"},
		"part, by a collector": {
			fault:    answers(http.StatusServiceUnavailable, "application/problem+json", `{"type":"urn:safeconduct:problem:unavailable","taken":2}`),
			accepted: 2, want: "2 taken",
		},
		"one refused, by a collector": {
			fault:    answers(http.StatusUnprocessableEntity, "application/problem+json", `{"type":"urn:safeconduct:problem:refused","taken":2}`),
			accepted: 2, final: true, want: "2 taken, 1 refused",
		},
		"one that equivocates": {
			fault:    answers(http.StatusConflict, "application/problem+json", `{"type":"urn:safeconduct:problem:equivocation","taken":4}`),
			accepted: 4, final: true, want: "4 taken, 1 refused",
		},
		"part, as a success":   {fault: answers(http.StatusOK, "application/json", `{"taken":3}`), accepted: 3, want: "3 taken: httpsink: not all was taken"},
		"nonsense of more":     {fault: answers(http.StatusOK, "application/json", `{"taken":99}`), ok: true},
		"nonsense of less":     {fault: answers(http.StatusOK, "application/json", `{"taken":-5}`), want: "not all was taken"},
		"other JSON":           {fault: answers(http.StatusOK, "application/json", `["taken"]`), ok: true},
		"no JSON":              {fault: answers(http.StatusOK, "application/json", `taken: 0`), ok: true},
		"JSON cut off":         {fault: answers(http.StatusOK, "application/json", `{"taken":5}`, "Content-Length", "5000"), want: "the answer was cut off"},
		"nothing":              {fault: answers(http.StatusNoContent, "", ""), ok: true},
		"more than is read":    {fault: answers(http.StatusOK, "application/json", strings.Repeat(" ", 1<<20)+`{"taken":0}`), ok: true},
		"an error of a length": {fault: answers(http.StatusBadGateway, "text/html", strings.Repeat("x", 1<<20)), want: "502"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollection(t, "evidencetest", root)
			sink := newSink(t, c.config())
			c.server.Next(tt.fault)
			err := sink.Send(t.Context(), records)
			var e *evidence.SinkError
			switch {
			case tt.ok:
				if err != nil {
					t.Errorf("got %v", err)
				}
			case !errors.As(err, &e):
				t.Errorf("got %v, want a SinkError", err)
			case e.Final != tt.final || e.After != tt.after || e.Accepted != tt.accepted || !strings.Contains(err.Error(), tt.want):
				t.Errorf("got %+v: %v, want %+v", e, err, tt)
			}
			if err != nil && (strings.Contains(err.Error(), "quote") || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), c.server.URL)) {
				t.Errorf("the error says too much: %v", err)
			}
			if err := sink.Send(t.Context(), records); err != nil {
				t.Errorf("afterwards: got %v", err)
			}
			if n := c.server.Requests(); n != 2 {
				t.Errorf("got %d requests, want 2: nothing is followed, nor sent again unasked", n)
			}
		})
	}
}

func answers(status int, kind, body string, headers ...string) evidencetest.Fault {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", kind)
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
	}
}

func TestAReceiverThatHangs(t *testing.T) {
	records, root := evidencetest.Records(t, 5)
	c := newCollection(t, "evidencetest", root)
	sink := newSink(t, c.config())
	c.server.Next(evidencetest.Hang())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := sink.Send(ctx, records); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// A connection is used again, whatever the answer.
func TestConnectionsAreUsedAgain(t *testing.T) {
	records, root := evidencetest.Records(t, 5)
	c := newCollection(t, "evidencetest", root)
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(c.server)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	cfg := c.config()
	cfg.URL = server.URL + "/v1/records"
	sink := newSink(t, cfg)
	for range 5 {
		if err := sink.Send(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		c.server.Next(evidencetest.Status(503))
		if err := sink.Send(t.Context(), records); err == nil {
			t.Fatal("got no error")
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
}

func TestOverTLS(t *testing.T) {
	records, root := evidencetest.Records(t, 5)
	c := newCollection(t, "evidencetest", root)
	server := httptest.NewUnstartedServer(c.c)
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	cfg := c.config()
	cfg.URL = server.URL + "/v1/records"
	if err := newSink(t, cfg).Send(t.Context(), records); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that is not trusted: got %v", err)
	}
	cfg.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	sink := newSink(t, cfg)
	if err := sink.Send(t.Context(), records); err != nil {
		t.Error(err)
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// What is too large for a receiver comes in parts; one record that is too large by
// itself is refused alone.
func TestAReceiverWithALimit(t *testing.T) {
	records, _ := evidencetest.Records(t, 40)
	largest := 0
	for _, env := range records {
		largest = max(largest, len(env)+1)
	}
	for name, tt := range map[string]struct {
		limit    int
		large    int // a record that is too large; -1: none
		accepted int
	}{
		"of all":          {1 << 20, -1, 40},
		"of some":         {5 * largest, -1, 40},
		"of one":          {largest, -1, 40},
		"of one, too":     {largest, 17, 17},
		"of none":         {0, 0, 0},
		"the last of all": {3 * largest, 39, 39},
	} {
		t.Run(name, func(t *testing.T) {
			var got []byte
			server := evidencetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if len(body) > tt.limit {
					http.Error(w, "too large", http.StatusRequestEntityTooLarge)
					return
				}
				got = append(got, body...)
			}))
			sink := newSink(t, httpsink.Config{URL: server.URL, Uncompressed: true})
			batch := append([][]byte(nil), records...)
			if tt.large >= 0 {
				batch[tt.large] = bytes.Repeat([]byte("x"), 4*largest+tt.limit)
			}
			err := sink.Send(t.Context(), batch)
			var e *evidence.SinkError
			switch {
			case tt.large < 0 && err != nil:
				t.Errorf("got %v", err)
			case tt.large >= 0 && (!errors.As(err, &e) || e.Accepted != tt.accepted || e.Rejected != 1 || !e.Final):
				t.Errorf("got %+v, %v, want %d taken and one refused", e, err, tt.accepted)
			}
			if want := bytes.Join(batch[:tt.accepted], []byte("\n")); !bytes.Equal(bytes.TrimSuffix(got, []byte("\n")), want) {
				t.Errorf("the receiver has %d bytes, want the %d of the first %d records", len(got), len(want), tt.accepted)
			}
			if n := server.Requests(); n > 3*40 {
				t.Errorf("got %d requests", n)
			}
		})
	}
}

// A collector takes what it can of a request that is too large, and the rest comes.
func TestACollectorWithALimit(t *testing.T) {
	records, root := evidencetest.Records(t, 40)
	c := newCollection(t, "evidencetest", root)
	sink := newSink(t, c.config())
	c.server.Next(answers(http.StatusRequestEntityTooLarge, "application/problem+json", `{"type":"urn:safeconduct:problem:too_large","taken":0}`))
	if err := sink.Send(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	if got := c.stored(t); len(got) != 40 || c.server.Requests() != 3 {
		t.Errorf("got %d records with %d requests", len(got), c.server.Requests())
	}
}
