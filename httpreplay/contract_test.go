package httpreplay_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/httpreplay"
)

// A caller gets the response to its own request, with the headers that the transport
// gave and a body to close.
func TestTheRecorderKeepsToTheContractOfATransport(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.httprr")
	r := create(t, name, httpreplay.RecordOptions{
		Transport: roundTrip(func(out *http.Request) (*http.Response, error) {
			if out.Header.Get("Accept-Encoding") != "" || out.Header.Get("Authorization") != "Bearer none" {
				t.Errorf("got the headers %v", out.Header)
			}
			if out.Method == "" && out.Body != http.NoBody {
				t.Errorf("got the body %v of a request without one", out.Body)
			}
			header := http.Header{"X-Own": {"1"}, "Content-Type": {"text/plain"}}
			return &http.Response{StatusCode: http.StatusOK, Header: header, Body: io.NopCloser(strings.NewReader("ok"))}, nil
		}),
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x.test", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "br")
	req.Header.Set("Authorization", "Bearer none")
	res, err := r.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil || string(text) != "ok" {
		t.Errorf("got %q, %v", text, err)
	}
	if res.Request != req || res.Header.Get("X-Own") != "1" || req.Header.Get("Accept-Encoding") != "br" {
		t.Errorf("got a response to %v with %v, and the request has %v", res.Request, res.Header, req.Header)
	}
	res.Header.Set("Content-Type", "a caller's own")
	req.Method, req.Body = "", nil // that is a GET
	if res, err = r.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(res.Body.Close(), r.Close()); err != nil {
		t.Fatal(err)
	}
	replay, err := httpreplay.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if res, err = replay.Client().Post("http://x.test/", "text/plain", strings.NewReader("body")); err != nil {
		t.Fatal(err)
	}
	text, err = io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil || string(text) != "ok" || res.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("got %q with %v, %v", text, res.Header, err)
	}
	if res, err = replay.Client().Get("http://x.test/"); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}

func TestAFailedRequestFailsAndIsNotKept(t *testing.T) {
	away, fail := errors.New("away"), true
	name := filepath.Join(t.TempDir(), "a.httprr")
	r := create(t, name, httpreplay.RecordOptions{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		if fail {
			return nil, away
		}
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
	})})
	if _, err := send(t, r.Client(), "http://x.test/", "1"); !errors.Is(err, away) {
		t.Errorf("got %v, want the transport's error", err)
	}
	fail = false
	if _, err := send(t, r.Client(), "http://x.test/", "1"); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if exchanges, err := httpreplay.ReadFile(name); err != nil || len(exchanges) != 1 {
		t.Errorf("got %d exchanges, %v, want the one that succeeded", len(exchanges), err)
	}
}

// Responses that have no body are replayed, and what the caller was is in no URL.
func TestResponsesWithoutABody(t *testing.T) {
	for _, tt := range []struct {
		method string
		code   int
	}{
		{http.MethodHead, http.StatusOK}, {http.MethodGet, http.StatusNoContent}, {http.MethodGet, http.StatusNotModified},
	} {
		name := filepath.Join(t.TempDir(), "deep", "a.httprr")
		r := create(t, name, httpreplay.RecordOptions{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: tt.code, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: http.NoBody}, nil
		})})
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://me:pass@x.test/a#part", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := r.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(res.Body.Close(), r.Close()); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(file), " http://x.test/a HTTP") || strings.Contains(string(file), "chunked") {
			t.Errorf("%s, %d: got %s, %v", tt.method, tt.code, file, err)
		}
		exchanges, err := httpreplay.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if res = exchanges[0].Response(req); res.Request != req || res.StatusCode != tt.code {
			t.Errorf("got %d to %v", res.StatusCode, res.Request)
		}
		res.Body.Close()
	}
}

type unclosed struct{ io.Reader }

func (unclosed) Close() error { return errors.New("not closed") }

func TestErrorsOfFilesAndBodies(t *testing.T) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x.test/", unclosed{strings.NewReader("a")})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := create(t, filepath.Join(dir, "deep", "a.httprr"), httpreplay.RecordOptions{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, nil
	})})
	for _, transport := range []http.RoundTripper{httpreplay.New(read(t, header+exchange(post("http://x.test/", "a"), ok("")))...), r} {
		res, err := transport.RoundTrip(req)
		if err == nil || !strings.Contains(err.Error(), "body of the request: not closed") {
			t.Errorf("%T: got %v, want that the body was not closed", transport, err)
		}
		if err == nil {
			res.Body.Close()
		}
	}
	if _, err := send(t, r.Client(), "http://x.test/", "a"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "deep"), nil, 0o600); err != nil { // where the directory has to be
		t.Fatal(err)
	}
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "was not written") {
		t.Errorf("got %v, want that it was not written", err)
	}
}

// What came of a response that is cut reaches the caller, and then why there is no more.
func TestTheCallerOfACutResponseGetsWhatCame(t *testing.T) {
	r := create(t, filepath.Join(t.TempDir(), "a.httprr"), httpreplay.RecordOptions{})
	res, err := r.Client().Get(provider(t).URL + "/cut")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); string(got) != "short" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %q, %v", got, err)
	}
}
