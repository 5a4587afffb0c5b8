package httpsink

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/internal/delivery"
)

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

// New returns a Sink. Nothing is sent before Send or Publish is called. A Config that
// cannot work is an error, which never holds the token.
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

// String names the origin.
func (s *Sink) String() string { return "httpsink.Sink to " + delivery.Origin(s.records.String()) }

// Send posts records, in one request unless the receiver answers that this is too
// large. It is an evidence.Sink.
//
// The error is an *evidence.SinkError. It says how many records the receiver has
// taken all the same, and whether to send the others again is of use: the package
// says when, under "What an answer means". Errors hold nothing of what was sent or
// answered.
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

// post posts a body and reads the answer. It returns an error where there was none.
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
