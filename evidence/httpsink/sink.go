package httpsink

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/internal/delivery"
)

// A Config says where a [Sink] posts to. What is secret in it is behind funcs, of
// which printing or logging shows nothing, whatever holds the Config.
type Config struct {
	// URL is where records are posted to. It must not be empty.
	URL string

	// CheckpointURL is where Publish posts checkpoints to. In it {ledger} stands
	// for the origin of the ledger. If it is empty, Publish does nothing.
	CheckpointURL string

	// Token returns the bearer token (RFC 6750) that goes with each request, or ""
	// for none. It is asked before each request, by any goroutine: a token that
	// changed is used without a restart. It goes over https only, or to a loopback
	// address. It may be nil.
	Token func() string `json:"-"`

	// Header returns what else goes with each request. It must not have
	// Authorization where there is a Token, nor Content-Type, Content-Encoding or
	// Content-Length. It may be nil.
	Header func() http.Header `json:"-"`

	// TLS says which servers are trusted, and with which certificate the client
	// shows who it is. If it is nil, the system's roots are, and none is shown.
	TLS *tls.Config `json:"-"`

	// Uncompressed sends records as they are, for receivers that do not take
	// gzip.
	Uncompressed bool
}

// String names the origin.
func (c Config) String() string { return "httpsink.Config for " + origin(c.URL) }

// GoString does the same.
func (c Config) GoString() string { return c.String() }

// LogValue does the same.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// origin leaves out what may be secret in a URL that was not checked yet.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "no URL"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host}).String()
}

// A Sink posts records, and checkpoints. It must be closed. It is safe for
// concurrent use; for the order of records see evidence.Exporter. Printing it shows
// nothing that is secret.
type Sink struct {
	records    *url.URL
	header     func() (http.Header, error) // a new one
	gzip       bool
	client     *http.Client
	compressor sync.Pool // *gzip.Writer

	*publisher
}

// New returns a Sink. Nothing is sent before Send or Publish is called. The error
// is of a Config that cannot work, and never holds the token.
func New(cfg Config) (*Sink, error) {
	records, err := cfg.parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("httpsink: Config.URL: %w", err)
	}
	if cfg.CheckpointURL != "" {
		if _, err := cfg.parse(strings.ReplaceAll(cfg.CheckpointURL, ledgerHole, "x")); err != nil {
			return nil, fmt.Errorf("httpsink: Config.CheckpointURL: %w", err)
		}
	}
	if _, err := cfg.header(); err != nil {
		return nil, fmt.Errorf("httpsink: %w", err)
	}
	s := &Sink{
		records: records, header: cfg.header, gzip: !cfg.Uncompressed,
		client: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS.Clone(), ForceAttemptHTTP2: true,
				MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	s.compressor.New = func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is one
		return w
	}
	s.publisher = newPublisher(cfg.CheckpointURL, s.post)
	return s, nil
}

// A headerError is of a header that cannot be sent. Somebody has to see to it, as to
// a token that is wrong.
type headerError string

func (e headerError) Error() string    { return string(e) }
func (headerError) Unauthorized() bool { return true }

// header returns the header of a request.
func (c *Config) header() (http.Header, error) {
	header := make(http.Header)
	if c.Header != nil {
		for name, values := range c.Header() {
			for _, v := range values {
				header.Add(name, v) // in the one spelling that is looked for below
			}
		}
	}
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Length"} {
		if header.Get(name) != "" {
			return nil, headerError("Config.Header has " + name)
		}
	}
	if c.Token == nil {
		return header, nil
	}
	token := c.Token()
	switch {
	case header.Get("Authorization") != "":
		return nil, headerError("Config.Header has Authorization, and there is a Token")
	case strings.Trim(token, tokenCharacters) != "":
		return nil, headerError("Config.Token holds what a bearer token cannot, such as a line break")
	case token != "":
		header.Set("Authorization", "Bearer "+token)
	}
	return header, nil
}

// String names the origin.
func (s *Sink) String() string { return "httpsink.Sink to " + origin(s.records.String()) }

// tokenCharacters are those of RFC 6750, section 2.1.
const tokenCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/="

// parse parses a URL that is posted to.
func (c *Config) parse(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("is not a URL") // the cause quotes it, and it may hold a password
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, errors.New("is not an http or https URL")
	case u.User != nil:
		return nil, errors.New("holds a user: use Token or Header")
	case u.Scheme == "http" && c.Token != nil && !loopback(u.Hostname()):
		return nil, errors.New("is http, over which others can read the token: use https")
	}
	return u, nil
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send posts records, in one request unless the receiver answers that this is too
// large. It is an evidence.Sink.
//
// The error is an *evidence.SinkError: it says how many records the receiver has
// taken all the same, by "taken" in its answer, and whether to send again is of
// use. It is not for the statuses 400 to 599 but 408, 425, 429, 502, 503 and 504; 401,
// 403 and 407, after which all waits until the token is right; and 409 with
// Retry-After, by which a collector says that records before these are missing, and
// with "records" how many it has: the exporter goes back to them. Where a collector has refused one record, or one alone is too large, only
// that is refused for good. Errors hold nothing of what was sent or answered.
func (s *Sink) Send(ctx context.Context, envelopes [][]byte) error {
	sent, most := 0, len(envelopes)
	for sent < len(envelopes) {
		part := envelopes[sent:min(sent+most, len(envelopes))]
		e := s.send(ctx, part)
		switch {
		case e == nil:
			sent += len(part)
		case !e.tooLarge || e.Accepted == len(part) || len(part) == 1:
			// It is no success, whatever it says was taken.
			e.Accepted += sent
			return &e.SinkError
		case e.Accepted > 0:
			sent += e.Accepted
		default:
			most = len(part) / 2
		}
	}
	return nil
}

// A failure is why a request was not a success.
type failure struct {
	evidence.SinkError
	tooLarge bool
}

// send posts records in one request. It returns nil if all were taken.
func (s *Sink) send(ctx context.Context, envelopes [][]byte) *failure {
	body, encoding, err := s.encode(envelopes)
	if err != nil {
		return &failure{SinkError: evidence.SinkError{Err: fmt.Errorf("httpsink: %w", err)}}
	}
	a, err := s.post(ctx, s.records, "application/x-ndjson", encoding, body)
	if err != nil {
		return &failure{SinkError: evidence.SinkError{Err: fmt.Errorf("httpsink: %w", err)}}
	}
	return a.judge(len(envelopes))
}

// encode returns a body, which is not used again: a request that was given up may
// still read it.
func (s *Sink) encode(envelopes [][]byte) (body []byte, encoding string, err error) {
	var out bytes.Buffer
	if !s.gzip {
		for _, env := range envelopes {
			out.Write(env)
			out.WriteByte('\n')
		}
		return out.Bytes(), "", nil
	}
	w := s.compressor.Get().(*gzip.Writer)
	defer s.compressor.Put(w)
	w.Reset(&out)
	for _, env := range envelopes {
		_, err = w.Write(env)
		if err == nil {
			_, err = w.Write([]byte("\n"))
		}
		if err != nil {
			return nil, "", err
		}
	}
	err = w.Close() // which writes the end
	return out.Bytes(), "gzip", err
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

// An answer is what a receiver said.
type answer struct {
	status *delivery.StatusError // also of a success
	kind   string                // media type
	says   struct {
		Type    string  `json:"type"`
		Taken   *int    `json:"taken"`
		Records *uint64 `json:"records"`
	}
}

// post posts a body and reads the answer. The error is of a request that did not
// come to one.
func (s *Sink) post(ctx context.Context, to *url.URL, kind, encoding string, body []byte) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if req.Header, err = s.header(); err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", kind)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var where *url.Error
		if errors.As(err, &where) {
			err = where.Err // not the URL
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	a := &answer{status: delivery.NewStatusError(resp)}
	a.kind, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // to the end, so that the connection is used again
	if !strings.HasSuffix(a.kind, "json") {
		return a, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the answer was cut off: %w", err)
	}
	if json.Unmarshal(data, &a.says) != nil {
		a.says.Taken = nil // it says nothing that is understood
	}
	return a, nil
}

// problem is how the types of a collector's problems begin.
const problem = "urn:safeconduct:problem:"

// judge returns why an answer to n records is not that all were taken, nil if it is.
func (a *answer) judge(n int) *failure {
	e := &failure{SinkError: evidence.SinkError{After: a.status.After}}
	if taken := a.says.Taken; taken != nil {
		e.Accepted = min(max(*taken, 0), n)
	}
	switch success := a.status.Status/100 == 2; {
	case success && a.kind == "text/html":
		e.Err = errors.New("httpsink: the answer is a page, and not of a receiver of records")
	case success && (a.says.Taken == nil || e.Accepted == n):
		return nil
	case success:
		e.Err = errors.New("httpsink: not all was taken")
	default:
		e.Err = fmt.Errorf("httpsink: %w", a.status)
		e.Final = a.permanent()
		e.tooLarge = a.status.Status == http.StatusRequestEntityTooLarge
		if kind := a.says.Type; e.tooLarge || kind == problem+"refused" || kind == problem+"equivocation" {
			e.Rejected = 1
		} else if kind == problem+"missing" && !e.Final {
			e.Held = a.says.Records
		}
	}
	return e
}

// permanent reports whether to send the same again is no use.
func (a *answer) permanent() bool {
	if a.status.Status == http.StatusConflict && a.status.After > 0 {
		return false
	}
	return a.status.Permanent()
}
