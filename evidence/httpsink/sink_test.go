package httpsink_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/collector"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/httpsink"
	"example.com/safeconduct/evidence/trust"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "what.only-the_agent~has/4711+x="

// bear is a Token.
func bear(token string) func() string { return func() string { return token } }

func newSink(t testing.TB, cfg httpsink.Config) *httpsink.Sink {
	t.Helper()
	s, err := httpsink.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(t.Context()) }) // what it says is a test's to look at
	return s
}

// A store is a receiver of lines of JSON that is no collector: it keeps the lines
// that it does not have.
type store struct {
	mu    sync.Mutex
	lines [][]byte
	left  int // that it takes; negative: all
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("X-Team") != "blue" || r.Header.Get("Content-Type") != "application/x-ndjson" {
		http.Error(w, "no", http.StatusUnauthorized)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		body = unpacked
	}
	data, err := io.ReadAll(body)
	if err != nil {
		http.Error(w, "no", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for line := range bytes.Lines(data) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		if s.has(line) {
			continue
		}
		if s.left == 0 {
			http.Error(w, "full", http.StatusServiceUnavailable)
			return
		}
		s.left--
		s.lines = append(s.lines, line)
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *store) has(line []byte) bool {
	for _, l := range s.lines {
		if bytes.Equal(l, line) {
			return true
		}
	}
	return false
}

// hangs is a handler that can be made to hang.
type hangs struct {
	next http.Handler
	now  atomic.Pointer[chan struct{}]
}

func (h *hangs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if wait := h.now.Load(); wait != nil {
		_, _ = io.Copy(io.Discard, r.Body) // the end of the connection is seen behind it
		select {
		case <-*wait:
		case <-r.Context().Done():
			return
		}
	}
	h.next.ServeHTTP(w, r)
}

func (h *hangs) hang() (release func()) {
	wait := make(chan struct{})
	h.now.Store(&wait)
	return func() { h.now.Store(nil); close(wait) }
}

func TestSinkOfAnyReceiver(t *testing.T) {
	for name, plain := range map[string]bool{"compressed": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			evidencetest.TestSink(t, func(t *testing.T, _ ed25519.PublicKey) evidencetest.Subject {
				db := &store{left: -1}
				h := &hangs{next: db}
				server := evidencetest.NewServer(t, h)
				cfg := httpsink.Config{URL: server.URL, Token: bear(token), Header: func() http.Header { return http.Header{"X-Team": {"blue"}} }, Uncompressed: plain}
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

// A collection is a collector behind a server with faults.
type collection struct {
	dir    string
	c      *collector.Collector
	hangs  hangs
	server *evidencetest.Server
}

func newCollection(t testing.TB, ledger string, root ed25519.PublicKey) *collection {
	t.Helper()
	c := &collection{dir: filepath.Join(t.TempDir(), "collected")}
	var err error
	c.c, err = collector.New(c.dir, collector.Config{
		Policy:  &trust.Policy{Ledgers: []trust.Ledger{{Origin: ledger, Roots: []trust.Root{{Key: root}}}}},
		Clients: []collector.Client{{Name: "agent", Key: collector.HashKey(token), Write: []string{ledger}, Read: []string{ledger}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.c.Close(); err != nil {
			t.Error(err)
		}
	})
	c.hangs.next = c.c
	c.server = evidencetest.NewServer(t, &c.hangs)
	return c
}

func (c *collection) config() httpsink.Config {
	return httpsink.Config{URL: c.server.URL + "/v1/records", CheckpointURL: c.server.URL + "/v1/checkpoints/{ledger}", Token: bear(token)}
}

// stored returns what the collector has.
func (c *collection) stored(t testing.TB) (envs [][]byte) {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(c.dir, "ledgers", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		for e, err := range evidence.Read(dir) {
			if err != nil {
				t.Fatal(err)
			}
			envs = append(envs, e.Envelope)
		}
	}
	return envs
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
			fault: answers(http.StatusServiceUnavailable, "application/problem+json", `{"type":"urn:safeconduct:problem:unavailable","taken":2}`), accepted: 2, want: "2 taken",
		},
		"one refused, by a collector": {
			fault: answers(http.StatusUnprocessableEntity, "application/problem+json", `{"type":"urn:safeconduct:problem:refused","taken":2}`), accepted: 2, final: true, want: "2 taken, 1 refused",
		},
		"one that equivocates": {
			fault: answers(http.StatusConflict, "application/problem+json", `{"type":"urn:safeconduct:problem:equivocation","taken":4}`), accepted: 4, final: true, want: "4 taken, 1 refused",
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

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  httpsink.Config
		want string
	}{
		"no URL":                 {httpsink.Config{}, "Config.URL: is not an http or https URL"},
		"not a URL":              {httpsink.Config{URL: "http://[::secret"}, "Config.URL: is not a URL"},
		"another scheme":         {httpsink.Config{URL: "file:///etc/passwd"}, "Config.URL: is not an http or https URL"},
		"no host":                {httpsink.Config{URL: "https:///v1/records"}, "Config.URL: is not an http or https URL"},
		"a user":                 {httpsink.Config{URL: "https://me:secret@collector/v1/records"}, "Config.URL: holds a user"},
		"a token in the clear":   {httpsink.Config{URL: "http://collector/v1/records", Token: bear("secret")}, "Config.URL: is http, over which others can read the token"},
		"a checkpoint URL":       {httpsink.Config{URL: "https://collector", CheckpointURL: "v1/{ledger}"}, "Config.CheckpointURL: is not an http or https URL"},
		"a token that breaks":    {httpsink.Config{URL: "https://collector", Token: bear("secret\r\nX: y")}, "Config.Token holds what a bearer token cannot"},
		"a token and another":    {httpsink.Config{URL: "https://collector", Token: bear("secret"), Header: func() http.Header { return http.Header{"Authorization": {"secret"}} }}, "Config.Header has Authorization"},
		"the same, spelled so":   {httpsink.Config{URL: "https://collector", Header: func() http.Header { return http.Header{"content-type": {"secret"}} }}, "Config.Header has Content-Type"},
		"a header that is ours":  {httpsink.Config{URL: "https://collector", Header: func() http.Header { return http.Header{"Content-Type": {"secret"}} }}, "Config.Header has Content-Type"},
		"the encoding of others": {httpsink.Config{URL: "https://collector", Header: func() http.Header { return http.Header{"Content-Encoding": {"secret"}} }}, "Config.Header has Content-Encoding"},
	} {
		_, err := httpsink.New(tt.cfg)
		if err == nil || !strings.HasPrefix(err.Error(), "httpsink: "+tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	for _, url := range []string{"http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/", "https://collector/"} {
		if s, err := httpsink.New(httpsink.Config{URL: url, Token: bear("secret")}); err != nil {
			t.Errorf("%s: got %v", url, err)
		} else if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestTheTokenIsNotShown looks for what is secret in all that can be printed or
// logged.
func TestTheTokenIsNotShown(t *testing.T) {
	cfg := httpsink.Config{
		URL: "https://collector.example.com/v1/records?key=hidden-in-the-query", Token: bear(token),
		Header: func() http.Header { return http.Header{"X-Key": {"hidden-in-a-header"}} },
	}
	sink := newSink(t, cfg)
	var said bytes.Buffer
	text, lines := slog.New(slog.NewTextHandler(&said, nil)), slog.New(slog.NewJSONHandler(&said, nil))
	for _, v := range []any{cfg, &cfg, sink, struct{ C httpsink.Config }{cfg}, struct{ c httpsink.Config }{cfg}, &struct{ c *httpsink.Config }{&cfg}, struct{ s *httpsink.Sink }{sink}} {
		_, _ = fmt.Fprintf(&said, "%v %+v %#v %s %q\n", v, v, v, v, v)
		text.Info("x", "v", v)
		lines.Info("x", "v", v)
	}
	for _, secret := range []string{token, "hidden-in-a-header"} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%s is shown by\n%s", secret, said.String())
		}
	}
	if got, want := cfg.String(), "httpsink.Config for https://collector.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := (httpsink.Config{URL: "%zz"}).String(), "httpsink.Config for no URL"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := sink.String(), "httpsink.Sink to https://collector.example.com"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A token that changed is used without a restart, and one that cannot be sent is
// waited for as one that is wrong.
func TestATokenThatChanges(t *testing.T) {
	records, root := evidencetest.Records(t, 5)
	c := newCollection(t, "evidencetest", root)
	current := "wrong"
	cfg := c.config()
	cfg.Token = func() string { return current }
	sink := newSink(t, cfg)
	for _, wrong := range []string{"wrong", "", "a\nb"} {
		current = wrong
		err := sink.Send(t.Context(), records)
		var e *evidence.SinkError
		if !errors.As(err, &e) || !e.Unauthorized() || e.Permanent() {
			t.Errorf("%q: got %v, want it to be about the token", wrong, err)
		}
	}
	current = token
	if err := sink.Send(t.Context(), records); err != nil {
		t.Errorf("got %v with the right one", err)
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
