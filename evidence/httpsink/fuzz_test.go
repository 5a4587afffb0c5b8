package httpsink_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/httpsink"
)

// Whatever a receiver answers, what the sink makes of it makes sense.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"taken":2}`), "")
	f.Add(409, "application/problem+json", []byte(`{"type":"urn:safeconduct:problem:equivocation","taken":1}`), "1")
	f.Add(503, "text/html", []byte(`<html>`), "Fri, 20 Mar 2026 14:05:48 GMT")
	f.Add(204, "", []byte(nil), "-1")
	sink := newSink(f, httpsink.Config{URL: "http://127.0.0.1"})
	f.Fuzz(func(t *testing.T, status int, kind string, body []byte, after string) {
		httpsink.SetTransport(sink, roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status, Request: r, Body: io.NopCloser(bytes.NewReader(body)),
				Header: http.Header{"Content-Type": {kind}, "Retry-After": {after}},
			}, nil
		}))
		err := sink.Send(t.Context(), [][]byte{[]byte("a"), []byte("b"), []byte("c")})
		var e *evidence.SinkError
		switch {
		case err == nil && (status < 200 || status > 299):
			t.Errorf("status %d was taken for a success", status)
		case err != nil && !errors.As(err, &e):
			t.Errorf("got %T", err)
		case err != nil && (e.Accepted < 0 || e.Accepted > 3 || e.After < 0 || e.Err == nil || e.Final && status/100 == 2):
			t.Errorf("got %+v", e)
		}
	})
}
