package aitracer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"example.com/safeconduct/internal/delivery"
)

// The endpoints that are posted to.
const (
	pathTraces     = "/api/traces"
	pathToolCalls  = "/api/ingest/tool-calls"
	pathGuardrails = "/api/integrations/openai-guardrails"
	pathOTLP       = "/api/integrations/otlp/v1/traces"
)

// ErrOpen is wrapped by the errors of traces that were not posted because too
// many before them failed, or the key is wrong: the breaker is open, for 30 seconds
// at a time.
var ErrOpen = delivery.ErrOpen

// A Client posts to one workspace. It is safe for concurrent use.
type Client struct {
	origin      string
	environment string
	redact      func(string) string
	timeout     time.Duration
	concurrency int
	http        *http.Client
	line        *delivery.Line
	slots       chan struct{}
	key         func() string
}

// New returns a Client. It is an error if the BaseURL or the Key cannot be used. New
// panics if a bound is negative.
func New(cfg Config) (*Client, error) {
	if cfg.Timeout < 0 || cfg.MinBackoff < 0 || cfg.MaxBackoff < 0 || cfg.Attempts < 0 || cfg.Concurrency < 0 {
		panic("aitracer: New: a negative bound")
	}
	origin, err := checkOrigin(cfg.BaseURL)
	if err == nil {
		_, err = bearer(cfg.Key)
	}
	if err != nil {
		return nil, fmt.Errorf("aitracer: %w", err)
	}
	c := &Client{
		origin: origin, environment: cmp.Or(cfg.Environment, "prod"), redact: cfg.Redact,
		timeout: cmp.Or(cfg.Timeout, 10*time.Second), concurrency: cmp.Or(cfg.Concurrency, 8), key: cfg.Key,
	}
	c.line = delivery.New(delivery.Config{
		Timeout: c.timeout, MinBackoff: cfg.MinBackoff, MaxBackoff: cfg.MaxBackoff,
		Attempts: cfg.Attempts, Concurrency: c.concurrency,
	})
	c.slots = make(chan struct{}, c.concurrency)
	transport := cfg.Transport
	if transport == nil {
		transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			MaxIdleConnsPerHost: c.concurrency, IdleConnTimeout: 90 * time.Second,
			TLSHandshakeTimeout: c.timeout, MaxResponseHeaderBytes: maxAnswer,
		}
	}
	c.http = &http.Client{
		Transport: transport,
		// Wherever a redirect leads, the key does not go there.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// String names the origin.
func (c *Client) String() string { return "aitracer.Client of " + c.origin }

// CloseIdleConnections closes the connections that are not in use. A Client needs no
// other closing.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

const (
	maxBody   = 4 << 20 // bytes of a request; the vendor names no bound
	maxAnswer = 64 << 10

	// bodyPatience is how long the body of an answer may take, once its status is
	// known.
	bodyPatience = time.Second
)

// An Error reports that a request did not succeed. It holds nothing of what was
// posted, of the answer's body, or of the key. It has the methods Permanent,
// which says whether posting the same again is of no use, and RetryAfter, which
// says how long the answer asked to wait.
type Error struct {
	Path   string // of the endpoint
	Status int    // of the answer; zero where there was none
	Err    error
}

// Error says what was posted where, and what came of it.
func (e *Error) Error() string { return "aitracer: POST " + e.Path + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether posting the same again is of no use.
func (e *Error) Permanent() bool { return delivery.IsPermanent(e.Err) }

// RetryAfter returns how long the answer asked to wait, zero where it did not.
func (e *Error) RetryAfter() time.Duration { return delivery.RetryAfter(e.Err) }

// A refusal is an error that comes again however often one tries.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) Permanent() bool { return true }

// post makes one request, and returns the answer's body, nil where it could not be
// read. Its errors are *Errors.
func (c *Client) post(ctx context.Context, path string, body []byte) ([]byte, error) {
	answer, status, err := c.exchange(ctx, path, body)
	if err != nil {
		return nil, &Error{Path: path, Status: status, Err: err}
	}
	return answer, nil
}

// exchange is post, with plain errors and the status of the answer, zero for none.
func (c *Client) exchange(ctx context.Context, path string, body []byte) (answer []byte, status int, err error) {
	if len(body) > maxBody {
		return nil, 0, refusal(fmt.Sprintf("a body of %d bytes, at most %d", len(body), maxBody))
	}
	defer func() {
		if v := recover(); v != nil { // it may be the user's
			status, err = 0, fmt.Errorf("the Transport panicked with a %T", v)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.origin+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	authorization, err := bearer(c.key)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "safeconduct")
	res, err := c.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the rest of it is said here
		}
		return nil, 0, err
	}
	// The status says what matters. The body is read so that the connection can be
	// used again.
	impatience := time.AfterFunc(bodyPatience, cancel)
	defer impatience.Stop()
	answer, readErr := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if readErr = errors.Join(readErr, res.Body.Close()); readErr != nil {
		answer = nil
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, res.StatusCode, delivery.NewStatusError(res)
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/html" {
		return nil, res.StatusCode, errors.New("the answer is a page for people, not an endpoint's")
	}
	return answer, res.StatusCode, nil
}
