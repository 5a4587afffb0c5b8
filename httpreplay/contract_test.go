package httpreplay_test

import (
	"errors"
	"io"
	"net/http"
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
