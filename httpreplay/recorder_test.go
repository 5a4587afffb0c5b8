package httpreplay_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/httpreplay"
)

// provider is a server that answers as a model's provider does.
func provider(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /chat", func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body) // the client sends all of it
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Set-Cookie", "session=cookie-of-the-server; Path=/")
		w.Header().Set("Openai-Organization", "acme-research")
		w.Header().Set("X-Kept", "yes")
		fmt.Fprintf(w, `{"echo":%s,"organization":"acme-research","of":"org-ABCDEFGHIJKLMNOPQRST"}`, body)
	})
	mux.HandleFunc("GET /list", func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprint(w, "page ", req.URL.Query().Get("page"))
	})
	mux.HandleFunc("GET /gone", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such thing", http.StatusGone) })
	mux.HandleFunc("DELETE /thing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /moved", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/list?page=2&key=key-of-the-redirect")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("GET /lines", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		fmt.Fprint(w, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}")
	})
	mux.HandleFunc("GET /cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "short")
	})
	mux.HandleFunc("GET /cutstream", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush() // a failure shows at the client
		panic(http.ErrAbortHandler)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func create(t *testing.T, name string, opts httpreplay.RecordOptions) *httpreplay.Recorder {
	t.Helper()
	r, err := httpreplay.Create(name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// traffic makes each kind of request, and returns all that came of them.
func traffic(t *testing.T, c *http.Client, url, secret string) string {
	t.Helper()
	var all strings.Builder
	for _, r := range []struct{ method, path, body string }{
		{"POST", "/chat", `{"prompt":"hi"}`},
		{"POST", "/chat", `{"prompt":"again"}`},
		{"GET", "/list?page=1&api_key=" + secret, ""},
		{"GET", "/list?page=2&api_key=" + secret, ""},
		{"HEAD", "/list?page=1", ""},
		{"GET", "/gone", ""},
		{"DELETE", "/thing", ""},
		{"GET", "/moved", ""},
		{"GET", "/lines", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), r.method, url+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+secret)
		req.Header.Set("X-Api-Key", secret+"-2")
		req.Header.Set("Openai-Project", "hi") // too short to be looked for elsewhere
		req.Header.Set("Cookie", "a=b; session="+secret+"-3")
		req.SetBasicAuth("me", secret+"-4")
		res, err := c.Do(req)
		if err != nil {
			t.Fatalf("%s %s: %v", r.method, r.path, err)
		}
		text, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			t.Fatalf("%s %s: %v", r.method, r.path, err)
		}
		fmt.Fprintf(&all, "%s %s %d %s %s\n", r.method, r.path, res.StatusCode, res.Header.Get("Content-Type"), text)
	}
	return all.String()
}

func TestRecordThenReplay(t *testing.T) {
	s, dir := provider(t), t.TempDir()
	const secret = "the-secret-of-this-test"
	var files [][]byte
	var live string
	for i := range 2 {
		name := filepath.Join(dir, "deep", fmt.Sprint(i, ".httprr"))
		r := create(t, name, httpreplay.RecordOptions{Keep: []string{"x-kept"}})
		live = traffic(t, r.Client(), s.URL, secret)
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)

		replay, err := httpreplay.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		// Other secrets than were recorded do.
		got := traffic(t, replay.Client(), s.URL, "none")
		want := strings.NewReplacer(secret, "none", "org-ABCDEFGHIJKLMNOPQRST", "org-scrubbed", "acme-research", "scrubbed").Replace(live)
		if got != want || replay.Left() != 0 {
			t.Errorf("got\n%s\nwant\n%s\nand %d exchanges left", got, want, replay.Left())
		}
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Errorf("the same traffic gives\n%s\nand\n%s", files[0], files[1])
	}
	for _, hidden := range []string{secret, "cookie", "Cookie", "acme", "ABCDEFGH", "key-of-the-redirect", "Authorization", "Date:", "User-Agent"} {
		if bytes.Contains(files[0], []byte(hidden)) {
			t.Errorf("the recording holds %q:\n%s", hidden, files[0])
		}
	}
	for _, kept := range []string{"X-Kept: yes\r\n", "api_key=scrubbed&page=1", "HTTP/1.1 410 Gone\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
		"GET " + s.URL + "/gone HTTP/1.1\r\nHost: " + s.Listener.Addr().String() + "\r\nContent-Type: application/json\r\n\r\nHTTP",
		"8\r\n{\"n\":1}\n\r\n8\r\n{\"n\":2}\n\r\n7\r\n{\"n\":3}\r\n0\r\n\r\n"} {
		if !bytes.Contains(files[0], []byte(kept)) {
			t.Errorf("the recording does not hold %q:\n%s", kept, files[0])
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "deep", "*")); err != nil || len(left) != 2 {
		t.Errorf("got the files %q, %v, want two recordings", left, err)
	}
}

// A query that was scrubbed matches whatever its secret is now, and nothing else does.
func TestScrubbedParametersMatchAnyValue(t *testing.T) {
	e := read(t, header+exchange("GET http://x.test/a?key=scrubbed&page=1&note=scrubbed HTTP/1.1\r\nHost: x.test\r\n\r\n", ok("one")))[0]
	for query, want := range map[string]bool{
		"key=mine&page=1&note=scrubbed":         true,
		"note=scrubbed&page=1&key=":             true,
		"key=mine&page=2&note=scrubbed":         false,
		"page=1&note=scrubbed":                  false,
		"key=mine&key=two&page=1&note=scrubbed": false,
		"key=mine&page=1&note=other":            false,
	} {
		u := *e.URL
		u.RawQuery = query
		if got := e.Matches("GET", &u, nil); got != want {
			t.Errorf("%s: got %v, want %v", query, got, want)
		}
	}
}

func TestStreamsAreRecordedAsTheyCome(t *testing.T) {
	events := []string{"event: a\ndata: 1\n\n", ": ping\n\n", "data: 2\ndata: 3\n\n", "data: [DONE]\n\n"}
	seen := make(chan bool) // the client has read the event before
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for _, e := range events {
			// Half an event at a time: how it is cut on its way is no part of it.
			for _, half := range []string{e[:len(e)/2], e[len(e)/2:]} {
				fmt.Fprint(w, half)
				_ = http.NewResponseController(w).Flush() // a failure shows at the client
			}
			select {
			case <-seen:
			case <-req.Context().Done():
			}
		}
	}))
	defer s.Close()
	for _, whole := range []bool{true, false} { // or a client that has enough after [DONE]
		name := filepath.Join(t.TempDir(), "stream.httprr")
		r := create(t, name, httpreplay.RecordOptions{})
		res, err := r.Client().Post(s.URL+"/x", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(res.Body)
		for i, e := range events {
			got := make([]byte, len(e))
			if _, err := io.ReadFull(in, got); err != nil || string(got) != e {
				t.Fatalf("event %d: got %q, %v, want %q", i+1, got, err, e)
			}
			if whole || i < len(events)-1 {
				seen <- true
			}
		}
		if whole {
			if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
				t.Fatalf("after the last event: %q, %v", rest, err)
			}
		}
		if !whole { // what it has read to its end it need not close
			res.Body.Close()
			if n, err := res.Body.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("after Close: read %d bytes, %v", n, err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		file, err := os.ReadFile(name)
		for _, e := range events {
			if chunk := fmt.Sprintf("\r\n%x\r\n%s\r\n", len(e), e); err != nil || !strings.Contains(string(file), chunk) {
				t.Errorf("got %s, %v, want the chunk %q", file, err, chunk)
			}
		}

		replay, err := httpreplay.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		res, err = replay.Client().Post(s.URL+"/x", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := res.Body.Read(nil); n != 0 || err != nil {
			t.Errorf("got %d bytes, %v of nothing", n, err)
		}
		var got []string
		p := make([]byte, 4096)
		for {
			n, err := res.Body.Read(p)
			if n > 0 {
				got = append(got, string(p[:n]))
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		res.Body.Close()
		if strings.Join(got, "|") != strings.Join(events, "|") {
			t.Errorf("whole %v: got the reads %q, want one an event: %q", whole, got, events)
		}
	}
}

// A client that gives up ends the stream where it gave up.
func TestStreamOfACancelledRequest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush() // a failure shows at the client
		<-req.Context().Done()
	}))
	defer s.Close()
	name := filepath.Join(t.TempDir(), "stream.httprr")
	r := create(t, name, httpreplay.RecordOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 9)
	_, err = io.ReadFull(res.Body, got)
	cancel()
	_, after := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !errors.Is(after, context.Canceled) {
		t.Errorf("got %v, then %v", err, after)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	exchanges, err := httpreplay.ReadFile(name)
	if err != nil || len(exchanges) != 1 {
		t.Fatalf("got %d exchanges, %v", len(exchanges), err)
	}
}

// A secret that only the user knows of is taken out, and the rest is kept.
func TestScrubTakesOutWhatTheUserKnows(t *testing.T) {
	s, name := provider(t), filepath.Join(t.TempDir(), "a.httprr")
	r := create(t, name, httpreplay.RecordOptions{Scrub: func(body []byte) []byte {
		return bytes.ReplaceAll(body, []byte("AKIAIOSFODNN7EXAMPLE"), []byte(httpreplay.Scrubbed))
	}})
	if _, err := send(t, r.Client(), s.URL+"/chat", `{"api_key":"AKIAIOSFODNN7EXAMPLE"}`); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	replay, err := httpreplay.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := send(t, replay.Client(), s.URL+"/chat", `{"api_key":"scrubbed"}`)
	if err != nil || !strings.HasPrefix(got, `{"echo":{"api_key":"scrubbed"}`) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAnExistingRecordingIsReplacedOnlyIfTold(t *testing.T) {
	s, dir := provider(t), t.TempDir()
	name := filepath.Join(dir, "a.httprr")
	record := func(r *httpreplay.Recorder, body string) error {
		t.Helper()
		if _, err := send(t, r.Client(), s.URL+"/chat", body); err != nil {
			t.Fatal(err)
		}
		return r.Close()
	}
	first, second := create(t, name, httpreplay.RecordOptions{}), create(t, name, httpreplay.RecordOptions{})
	if err := record(first, `"first"`); err != nil {
		t.Fatal(err)
	}
	if err := record(second, `"second"`); !errors.Is(err, fs.ErrExist) { // it came in between
		t.Errorf("got %v, want that it exists", err)
	}
	if _, err := httpreplay.Create(name, httpreplay.RecordOptions{}); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "RecordOptions.Overwrite") {
		t.Errorf("got %v, want that it exists and what to do", err)
	}
	if _, err := httpreplay.Create(dir, httpreplay.RecordOptions{Overwrite: true}); err == nil {
		t.Error("a directory is no recording")
	}
	if file, err := os.ReadFile(name); err != nil || !bytes.Contains(file, []byte("first")) {
		t.Errorf("got %q, %v, want the first recording", file, err)
	}
	// One that fails leaves the old one.
	if err := record(create(t, name, httpreplay.RecordOptions{Overwrite: true}), `"AKIAIOSFODNN7EXAMPLE"`); err == nil {
		t.Error("a key was recorded")
	}
	if file, err := os.ReadFile(name); err != nil || !bytes.Contains(file, []byte("first")) {
		t.Errorf("got %q, %v, want the first recording", file, err)
	}
	if err := record(create(t, name, httpreplay.RecordOptions{Overwrite: true}), `"third"`); err != nil {
		t.Fatal(err)
	}
	if file, err := os.ReadFile(name); err != nil || !bytes.Contains(file, []byte("third")) || bytes.Contains(file, []byte("first")) {
		t.Errorf("got %q, %v, want the third recording", file, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d files are there, %v, want one", len(left), err)
	}
}

func TestCreatePanicsForSecrets(t *testing.T) {
	for _, h := range []string{"Authorization", "cookie", "Set-Cookie", "X-API-Key", "api-key", "X-Goog-Api-Key", "X-Auth-Token", "Proxy-Authorization"} {
		func() {
			defer func() {
				if v, ok := recover().(string); !ok || !strings.Contains(v, h+" is for a secret") {
					t.Errorf("%s: got panic %v", h, v)
				}
			}()
			_, _ = httpreplay.Create(filepath.Join(t.TempDir(), "a"), httpreplay.RecordOptions{Keep: []string{h}}) // it panics
		}()
	}
}

func TestRecorderIsSafeForConcurrentUse(t *testing.T) {
	s, name := provider(t), filepath.Join(t.TempDir(), "a.httprr")
	r := create(t, name, httpreplay.RecordOptions{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if _, err := send(t, r.Client(), s.URL+"/chat", fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if exchanges, err := httpreplay.ReadFile(name); err != nil || len(exchanges) != 20 {
		t.Errorf("got %d exchanges, %v, want 20", len(exchanges), err)
	}
	for range 2 {
		if _, err := send(t, r.Client(), s.URL+"/chat", "1"); err == nil || !strings.Contains(err.Error(), "the recorder is closed") {
			t.Errorf("got %v, want that it is closed", err)
		}
	}
}
