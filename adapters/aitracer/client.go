package aitracer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
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

// A Config says how a [Client] works. The Key is behind a func, of which printing or
// logging shows nothing, whatever holds the Config.
type Config struct {
	// BaseURL is the origin of the deployed app, such as
	// https://aitracer.example.com: without a path, and https unless it is on
	// the loopback interface.
	BaseURL string

	// Key returns the workspace's key, which begins with akt_. It is asked before
	// each request, by any goroutine: a key that changed is used without a restart.
	// It is required.
	Key func() string `json:"-"`

	// Environment is where the agent runs. If it is empty, "prod".
	Environment string

	// Redact takes out of each prompt and response what the vendor must not
	// see. It is called by any number of goroutines. What it panics at is not
	// posted. It may be nil for a Client that posts what it is
	// given; a [Sink] that posts contents requires it.
	Redact func(text string) string `json:"-"`

	// Timeout bounds one request. If it is zero, 10 seconds.
	Timeout time.Duration

	// MinBackoff and MaxBackoff bound the pause after the first failure, which
	// doubles with each, and after any. The pause is a random part of that
	// (full jitter), or what a Retry-After asks for, up to MaxBackoff. If they
	// are zero, half a second and 30 seconds.
	MinBackoff, MaxBackoff time.Duration

	// Attempts bounds the requests made for one trace. If it is zero, 5.
	Attempts int

	// Concurrency bounds the traces under way, and the requests of one
	// [Sink.Take]. If it is zero, 8.
	Concurrency int

	// Transport makes the requests. Where it panics, that is an error. If it is
	// nil, one of the Client's own.
	Transport http.RoundTripper `json:"-"`
}

// String names the origin.
func (c Config) String() string { return "aitracer.Config for " + originOf(c.BaseURL) }

// GoString does the same.
func (c Config) GoString() string { return c.String() }

// LogValue does the same.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// originOf leaves out what may be secret in a URL that was not checked yet.
func originOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return "no URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

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

// New returns a Client. The error is of a BaseURL or a Key that cannot be used.
// It panics if a bound is negative.
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

// CloseIdleConnections closes the connections that nothing is sent on at the
// moment. A Client needs no other end.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// checkOrigin returns the origin of the app. Its errors hold nothing of base: it
// may have credentials in it.
func checkOrigin(base string) (string, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return "", errors.New("the BaseURL is not a URL")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Opaque != "" || strings.Trim(u.Path, "/") != "":
		return "", errors.New("the BaseURL is more than an origin: a scheme, a host and a port")
	case u.Hostname() == "":
		return "", errors.New("the BaseURL has no host")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return "", errors.New("the BaseURL is neither https nor http on the loopback interface")
	}
	return u.Scheme + "://" + u.Host, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// A keyError is of a key that cannot be used. Somebody has to see to it, as to one
// that is wrong.
type keyError string

func (e keyError) Error() string    { return string(e) }
func (keyError) Unauthorized() bool { return true }

// bearer returns the header by which a request shows the key.
func bearer(ask func() string) (string, error) {
	const prefix = "akt_"
	key := ""
	if ask != nil {
		key = ask()
	}
	switch {
	case !strings.HasPrefix(key, prefix) || key == prefix:
		return "", keyError("the Key is not a workspace key, which begins with akt_")
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", keyError("the Key holds what no header can hold")
	}
	return "Bearer " + key, nil
}

const (
	maxBody   = 4 << 20 // bytes of a request; the vendor names no bound
	maxAnswer = 64 << 10

	// bodyPatience is how long the body of an answer is waited for, once its
	// status is known.
	bodyPatience = time.Second
)

// An Error reports that a request did not succeed. It holds nothing of what was
// posted, of the answer's body, or of the key. It has the methods Permanent,
// which says whether to post the same again is of no use, and RetryAfter, which
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

// Permanent reports whether to post the same again is of no use.
func (e *Error) Permanent() bool { return delivery.IsPermanent(e.Err) }

// RetryAfter returns how long the answer asked to wait, zero where it did not.
func (e *Error) RetryAfter() time.Duration { return delivery.RetryAfter(e.Err) }

// A refusal is an error that comes again however often one tries.
type refusal string

func (r refusal) Error() string { return string(r) }
func (refusal) Permanent() bool { return true }

// post makes one request, and returns the answer's body as far as it is of any
// use. Its errors are *Errors.
func (c *Client) post(ctx context.Context, path string, body []byte) (answer []byte, err error) {
	if len(body) > maxBody {
		return nil, &Error{Path: path, Err: refusal(fmt.Sprintf("a body of %d bytes, at most %d", len(body), maxBody))}
	}
	defer func() {
		if v := recover(); v != nil { // it may be the user's
			answer, err = nil, &Error{Path: path, Err: fmt.Errorf("the Transport panicked with a %T", v)}
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.origin+path, bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Path: path, Err: err}
	}
	authorization, err := bearer(c.key)
	if err != nil {
		return nil, &Error{Path: path, Err: err}
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
		return nil, &Error{Path: path, Err: err}
	}
	// What matters is known. The rest is read for the connection to be used
	// again, and of no great use.
	impatience := time.AfterFunc(bodyPatience, cancel)
	defer impatience.Stop()
	answer, readErr := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if readErr = errors.Join(readErr, res.Body.Close()); readErr != nil {
		answer = nil
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, &Error{Path: path, Status: res.StatusCode, Err: delivery.NewStatusError(res)}
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/html" {
		return nil, &Error{Path: path, Status: res.StatusCode, Err: errors.New("the answer is a page for people, not an endpoint's")}
	}
	return answer, nil
}
