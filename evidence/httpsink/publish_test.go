package httpsink_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/httpsink"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/middleware"
)

func TestPublish(t *testing.T) {
	var mu sync.Mutex
	var got []string
	server := evidencetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.URL.EscapedPath()+" "+r.Header.Get("Content-Type")+" "+string(body))
		w.WriteHeader(http.StatusNoContent)
	}))
	sink := newSink(t, httpsink.Config{URL: server.URL, CheckpointURL: server.URL + "/v1/checkpoints/{ledger}", Token: bear(token)})
	signed := []byte("a/b c\n9\nroot\n\n- sig\n")
	sink.Publish(signed)
	clear(signed) // is ours again
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sink.Publish([]byte("late\n"))
	if err := sink.Close(t.Context()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "/v1/checkpoints/a%2Fb%20c text/plain; charset=utf-8 a/b c\n9\nroot\n\n- sig\n"; len(got) != 1 || got[0] != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPublishToNobody(t *testing.T) {
	sink := newSink(t, httpsink.Config{URL: "http://127.0.0.1:1"})
	sink.Publish([]byte("x\n"))
	if err := sink.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPublishThatIsRefused(t *testing.T) {
	server := evidencetest.NewServer(t, http.NotFoundHandler())
	server.Repeat(evidencetest.Status(http.StatusForbidden))
	sink := newSink(t, httpsink.Config{URL: server.URL, CheckpointURL: server.URL})
	sink.Publish([]byte("x\n"))
	if err := sink.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "403") || server.Requests() != 1 {
		t.Errorf("got %v after %d requests", err, server.Requests())
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	server := evidencetest.NewServer(t, http.NotFoundHandler())
	server.Repeat(evidencetest.Hang())
	sink := newSink(t, httpsink.Config{URL: server.URL, CheckpointURL: server.URL})
	sink.Publish([]byte("x\n"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := sink.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// While the receiver is away the newest checkpoint waits, and goes when it is back.
func TestPublishAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		away, posts := true, 0
		var got []byte
		sink := newSink(t, httpsink.Config{URL: "http://127.0.0.1", CheckpointURL: "http://127.0.0.1"})
		httpsink.SetTransport(sink, roundTripper(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			posts++
			if away {
				return nil, errors.New("away")
			}
			got, _ = io.ReadAll(r.Body)
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
		}))
		for i := range 600 {
			sink.Publish([]byte{byte('a' + i%26), '\n'})
			time.Sleep(time.Second)
		}
		if err := sink.PublishErr(); err == nil {
			t.Error("got no error of the receiver that is away")
		}
		mu.Lock()
		if posts > 100 {
			t.Errorf("got %d posts in ten minutes", posts)
		}
		away = false
		mu.Unlock()
		sink.Publish([]byte("newest\n"))
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		if !bytes.Equal(got, []byte("newest\n")) {
			t.Errorf("got %q", got)
		}
		mu.Unlock()
		if err := sink.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A breaker that is open is not waited for.
func TestCloseWhileTheReceiverIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := newSink(t, httpsink.Config{URL: "http://127.0.0.1", CheckpointURL: "http://127.0.0.1"})
		httpsink.SetTransport(sink, roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("away") }))
		sink.Publish([]byte("x\n"))
		time.Sleep(2 * time.Minute)
		began := time.Now()
		if err := sink.Close(t.Context()); err == nil {
			t.Error("got no error")
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An agent's records and checkpoints come to a collector; at the end it has the
// same ledger, byte for byte, and the newest checkpoint.
func TestARecorderWithASink(t *testing.T) {
	root, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c := newCollection(t, "prod", root.Public().(ed25519.PublicKey))
	sink := newSink(t, c.config())
	dir := filepath.Join(t.TempDir(), "ledger")
	recorder, err := evidence.Open(dir, evidence.Config{
		Ledger: "prod", Key: root, Publish: sink.Publish,
		Exporters: []evidence.Exporter{{Sink: sink.Send}},
	})
	if err != nil {
		t.Fatal(err)
	}
	tool := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "437"}, nil
	}, recorder.Intercept)
	for range 20 {
		if _, err := tool(t.Context(), middleware.Call{Kind: middleware.KindTool, Name: "calculator", Input: "19*23"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := recorder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want [][]byte
	for e, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e.Envelope)
	}
	if got := c.stored(t); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got %d records, want %d, byte for byte", len(got), len(want))
	}
	req := httptest.NewRequest(http.MethodGet, "/v1/checkpoints/prod", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	c.c.ServeHTTP(w, req)
	if !bytes.Equal(w.Body.Bytes(), recorder.Checkpoint()) {
		t.Errorf("got checkpoint %q, want %q", w.Body, recorder.Checkpoint())
	}
}

// While a token is wrong nothing is parked, and with the right one all arrives, in the
// next process too.
func TestAWrongTokenThatIsMended(t *testing.T) {
	root, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c := newCollection(t, "prod", root.Public().(ed25519.PublicKey))
	dir := filepath.Join(t.TempDir(), "ledger")
	open := func(token string) *evidence.Recorder {
		t.Helper()
		cfg := c.config()
		cfg.Token = bear(token)
		recorder, err := evidence.Open(dir, evidence.Config{
			Ledger: "prod", Key: root,
			Exporters: []evidence.Exporter{{Sink: newSink(t, cfg).Send, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return recorder
	}
	recorder := open("wrong")
	if err := recorder.Flush(t.Context()); err == nil {
		t.Error("Flush says that all was shipped")
	}
	if x := recorder.Stats().Exporters[0]; x.Parked != 0 || x.Shipped != 0 || !x.Unauthorized || x.Breaker == "closed" {
		t.Errorf("got %+v, want it to wait", x)
	}
	if err := recorder.Close(t.Context()); err == nil || len(c.stored(t)) != 0 {
		t.Errorf("got %v, %d records", err, len(c.stored(t)))
	}
	recorder = open(token)
	if err := recorder.Close(t.Context()); err != nil {
		t.Error(err)
	}
	wantCollected(t, c, dir)
}

// What was parked, because something between refused it say, goes to a collector when
// it says that it misses it.
func TestACollectorGetsWhatWasParked(t *testing.T) {
	root, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c := newCollection(t, "prod", root.Public().(ed25519.PublicKey))
	dir := filepath.Join(t.TempDir(), "ledger")
	open := func() *evidence.Recorder {
		t.Helper()
		recorder, err := evidence.Open(dir, evidence.Config{
			Ledger: "prod", Key: root,
			Exporters: []evidence.Exporter{{Sink: newSink(t, c.config()).Send, MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return recorder
	}
	c.server.Repeat(evidencetest.Status(http.StatusNotFound))
	recorder := open()
	if err := recorder.Flush(t.Context()); err != nil {
		t.Error(err)
	}
	if x := recorder.Stats().Exporters[0]; x.Parked == 0 || x.Shipped != 0 {
		t.Errorf("got %+v, want it parked", x)
	}
	_ = recorder.Close(t.Context()) // what it says is not what this is about
	c.server.Next()
	recorder = open()
	if err := recorder.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if x := recorder.Stats().Exporters[0]; x.Parked != 0 || x.Lag != 0 {
		t.Errorf("got %+v, want none parked", x)
	}
	wantCollected(t, c, dir)
}

// wantCollected checks that a collector has all records of a ledger.
func wantCollected(t *testing.T, c *collection, dir string) {
	t.Helper()
	n := 0
	for _, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if got := len(c.stored(t)); got != n || n < 2 {
		t.Errorf("got %d records of %d", got, n)
	}
}
