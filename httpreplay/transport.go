package httpreplay

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// A Transport answers requests from recorded exchanges and never connects to
// anything. A request gets the response of the first exchange, not used before,
// whose method, URL and body it has; see [Exchange.Matches]. Every other request
// is an error. A Transport is safe for concurrent use.
type Transport struct {
	mu   sync.Mutex
	left []*Exchange
}

// New returns a Transport that answers from the exchanges, each of them once.
func New(exchanges ...*Exchange) *Transport {
	return &Transport{left: append([]*Exchange(nil), exchanges...)}
}

// Open returns a Transport that answers from recordings.
func Open(names ...string) (*Transport, error) {
	t := new(Transport)
	for _, name := range names {
		exchanges, err := ReadFile(name)
		if err != nil {
			return nil, err
		}
		t.left = append(t.left, exchanges...)
	}
	return t, nil
}

// Client returns an http.Client that uses t.
func (t *Transport) Client() *http.Client { return &http.Client{Transport: t} }

// Left returns the number of exchanges that were not used yet.
func (t *Transport) Left() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.left)
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(req.Body)
		if err = errors.Join(err, req.Body.Close()); err != nil {
			return nil, fmt.Errorf("httpreplay: body of the request: %w", err)
		}
	}
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, e := range t.left {
		if e.Matches(req.Method, req.URL, body) {
			t.left = append(t.left[:i:i], t.left[i+1:]...)
			return e.Response(req), nil
		}
	}
	// Neither the query nor the body: an error may be logged.
	return nil, fmt.Errorf("httpreplay: none of the %d exchanges left was recorded for this %s %s%s",
		len(t.left), req.Method, req.URL.Host, req.URL.Path)
}

// Matches reports whether the exchange was recorded for such a request: method
// and URL are equal, in whatever order the query's parameters are, but for secrets that
// were [Scrubbed], and so are the bodies, which are compared by value where both are JSON.
func (e *Exchange) Matches(method string, u *url.URL, body []byte) bool {
	return e.Method == method && e.URL.Scheme == u.Scheme && e.URL.Host == u.Host &&
		e.URL.EscapedPath() == u.EscapedPath() && sameQuery(e.URL.Query(), u.Query()) &&
		(bytes.Equal(e.Body, body) || equalJSON(e.Body, body))
}

func equalJSON(a, b []byte) bool {
	x, okX := canonical(a)
	y, okY := canonical(b)
	return okX && okY && bytes.Equal(x, y)
}

// canonical returns the one form of all the JSON texts with data's value.
func canonical(data []byte) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	out, err := json.Marshal(plain(v)) // sorts keys
	return out, err == nil
}

// plain replaces the numbers in v by their one form.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case json.Number:
		return number(v)
	}
	return v
}

// number keeps an integer's digits, however many; it spells 1.0 and 1e0 as 1,
// and other fractions as the nearest float64.
func number(n json.Number) json.Number {
	if !strings.ContainsAny(string(n), ".eE") {
		return n
	}
	f, err := n.Float64()
	switch {
	case err != nil:
		return n // too large
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return json.Number(strconv.FormatInt(int64(f), 10))
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64))
}
