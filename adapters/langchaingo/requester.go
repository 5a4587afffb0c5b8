package langchaingo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/tmc/langchaingo/chains"

	"example.com/safeconduct/middleware"
)

// maxHTTPBody bounds the body of a request and of a response, in bytes.
const maxHTTPBody = 10 << 20

// Requester guards what langchaingo's APIChain makes the requests of a model with.
// Each request is a Call of KindTool with this name, whose Input is a JSON object with
// the members method, url, headers (an object) and body (a string), and whose Output
// is the body of the response. See "Queries and requests" in the package doc.
//
// Requester panics if name is empty, r is nil, or as [Tool] does for
// interceptors. What it returns is as safe for concurrent use as r.
func Requester(name string, r chains.HTTPRequest, is ...middleware.Interceptor) chains.HTTPRequest {
	if name == "" || isNil(r) {
		panic("langchaingo: Requester: no name, or a nil HTTPRequest")
	}
	toolReach("Requester", name).Check(is...)
	return newRequester(name, r, is)
}

func newRequester(name string, r chains.HTTPRequest, is []middleware.Interceptor) chains.HTTPRequest {
	if g, ok := r.(*requester); ok {
		r, is = g.inner, middleware.Merge(middleware.KindTool, is, g.is)
	}
	g := &requester{inner: r, name: name, is: is}
	g.handler = middleware.Wrap(g.run, is...)
	return g
}

// A requester makes guarded requests.
type requester struct {
	inner   chains.HTTPRequest
	name    string
	is      []middleware.Interceptor
	handler middleware.Handler
}

// An httpCall is one request on its way through the guard.
type httpCall struct {
	req   *http.Request
	input string
	resp  *http.Response
}

// Unwrap returns what makes the requests without its guard.
func (r *requester) Unwrap() chains.HTTPRequest { return r.inner }

// Guarded says what stands around what makes the requests.
func (r *requester) Guarded() middleware.Guarded {
	return middleware.Guarded{Kind: middleware.KindTool, Name: r.name, Interceptors: r.is, Inner: r.inner}
}

// String prints the order of the interceptors.
func (r *requester) String() string { return onion(middleware.KindTool, r.name, r.is) }

// Do makes a guarded request.
func (r *requester) Do(req *http.Request) (*http.Response, error) {
	body, err := requestBody(req)
	if err != nil {
		return nil, fmt.Errorf("langchaingo: %s: the body of the request: %w", r.name, err)
	}
	in, err := requestText(req, body)
	if err != nil {
		return nil, fmt.Errorf("langchaingo: %s: %w", r.name, err)
	}
	f := &frame[httpCall]{req.Context(), httpCall{req: req, input: in}}
	res, err := r.handler(f, middleware.Call{Kind: middleware.KindTool, Name: r.name, Input: in})
	if err != nil {
		return nil, err
	}
	resp := f.call.resp
	text, ok := res.Output.(string)
	if said, isTold := res.Output.(middleware.Observation); isTold {
		text, ok = string(said), true
		resp = &http.Response{
			StatusCode: http.StatusForbidden, Status: "403 Forbidden", Request: req,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		}
	}
	if !ok || resp == nil {
		return nil, wrongOutput(middleware.KindTool, r.name, res.Output)
	}
	resp.Body, resp.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	return resp, nil
}

func (r *requester) run(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	q := frameOf[httpCall](ctx)
	if q == nil {
		return middleware.Result{}, errForeignContext
	}
	if in, err := input[string](call); err != nil || in != q.input {
		return middleware.Result{}, errors.Join(fmt.Errorf("langchaingo: %s: an interceptor put another request in its place", r.name), err)
	}
	resp, err := r.inner.Do(q.req.WithContext(ctx))
	if err != nil {
		return middleware.Result{}, err
	}
	body, err := readBody(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return middleware.Result{}, fmt.Errorf("langchaingo: %s: the body of the response: %w", r.name, err)
	}
	q.resp = resp
	return middleware.Result{Output: string(body)}, nil
}

// requestText returns a request as what gates judge.
func requestText(req *http.Request, body []byte) (string, error) {
	d := struct {
		Method  string            `json:"method"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}{Method: req.Method, Headers: map[string]string{}, Body: string(body)}
	if d.Method == "" {
		d.Method = http.MethodGet
	}
	if req.URL == nil {
		return "", errors.New("the request has no URL")
	}
	d.URL = req.URL.String()
	for name, values := range req.Header {
		d.Headers[http.CanonicalHeaderKey(name)] = strings.Join(values, ", ")
	}
	if req.Host != "" && req.Host != req.URL.Host {
		d.Headers["Host"] = req.Host
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(d); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// requestBody reads the body of a request, and puts what was read in its place.
func requestBody(req *http.Request) ([]byte, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	body, err := readBody(req.Body)
	if err = errors.Join(err, req.Body.Close()); err != nil {
		return nil, err
	}
	if !utf8.Valid(body) {
		return nil, errors.New("not valid UTF-8")
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.ContentLength = int64(len(body))
	return body, nil
}

func readBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxHTTPBody+1))
	if err == nil && len(body) > maxHTTPBody {
		err = fmt.Errorf("larger than %d bytes", maxHTTPBody)
	}
	return body, err
}
