package httpreplay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
)

// A Recorder passes requests on and keeps what is asked and answered; [Recorder.Close]
// writes the recording. Make one with [Create]. It is safe for concurrent use.
//
// What it keeps holds no secrets as far as it can tell; see the package doc. A request
// that fails without a response is not kept. Exchanges are kept in the order in which
// the requests were made.
type Recorder struct {
	name string
	opts RecordOptions

	mu     sync.Mutex
	kept   []*taken
	closed bool
	result error // of Close
}

// RecordOptions are what [Create] may be told. The zero value is a safe default.
type RecordOptions struct {
	// Transport carries requests out. Nil means http.DefaultTransport.
	Transport http.RoundTripper

	// Overwrite replaces a recording that is there already, which is refused else.
	Overwrite bool

	// Keep has names of headers that are kept besides Content-Type, Accept, Location
	// and Retry-After. One that is for a secret makes Create panic.
	Keep []string

	// Scrub, where it is not nil, returns what is kept of the body of a request or a
	// response, which it may modify. It is for what only you know to be a secret. A
	// request is replayed where its body is the one that was kept.
	Scrub func(body []byte) []byte
}

// A taken is one exchange as it was taken down.
type taken struct {
	req     *http.Request // without its body, and with what it was asked
	asked   []byte        // its body
	res     *http.Response
	said    bytes.Buffer // the body of the response, as far as it was read
	ended   bool         // there is no more of it, or nobody wants it
	failed  error        // why it is not whole
	dropped bool         // the request failed
}

// Create returns a Recorder that will write its recording to a file of this name. It
// refuses a file that is there already, unless it is told to replace it, before
// anything is asked of anybody.
func Create(name string, opts RecordOptions) (*Recorder, error) {
	for _, h := range opts.Keep {
		if isSecret(h) {
			panic(fmt.Sprintf("httpreplay: Create: RecordOptions.Keep: %s is for a secret", h))
		}
	}
	opts.Keep = slices.Clone(opts.Keep)
	if opts.Transport == nil {
		opts.Transport = http.DefaultTransport
	}
	switch info, err := os.Lstat(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("httpreplay: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("httpreplay: %s is a directory", name)
	case !opts.Overwrite:
		return nil, fmt.Errorf("httpreplay: %s: %w; RecordOptions.Overwrite replaces it", name, fs.ErrExist)
	}
	return &Recorder{name: name, opts: opts}, nil
}

// Client returns an http.Client that uses r.
func (r *Recorder) Client() *http.Client { return &http.Client{Transport: r} }

// RoundTrip implements http.RoundTripper. Responses come uncompressed, since what they
// hold must be looked at.
func (r *Recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		body, err = io.ReadAll(io.LimitReader(req.Body, MaxSize+1))
		if err = errors.Join(err, req.Body.Close()); err != nil {
			return nil, fmt.Errorf("httpreplay: body of the request: %w", err)
		}
	}
	out := req.Clone(req.Context())
	out.Header.Del("Accept-Encoding") // the transport asks for gzip itself, and undoes it
	out.Body, out.ContentLength = http.NoBody, 0
	if len(body) > 0 {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	t := &taken{req: req.Clone(req.Context()), asked: body}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, errors.New("httpreplay: the recorder is closed")
	}
	r.kept = append(r.kept, t)
	r.mu.Unlock()

	res, err := r.opts.Transport.RoundTrip(out)
	if err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		t.dropped, t.ended = true, true
		return nil, err
	}
	head := *res // its headers as they are now
	head.Header = res.Header.Clone()
	r.mu.Lock()
	t.res = &head
	r.mu.Unlock()
	res.Request = req
	if res.StatusCode == http.StatusSwitchingProtocols {
		r.mu.Lock()
		defer r.mu.Unlock()
		t.ended, t.failed = true, errors.New("it goes on in another protocol")
		return res, nil
	}
	if streamed(res.Header) != "" {
		res.Body = &streamBody{ReadCloser: res.Body, r: r, t: t}
		return res, nil
	}
	said, err := io.ReadAll(io.LimitReader(res.Body, MaxSize+1))
	closeErr := res.Body.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	t.said.Write(said)
	t.ended, t.failed = true, err
	again := io.Reader(bytes.NewReader(said))
	if err = errors.Join(err, closeErr); err != nil {
		again = io.MultiReader(again, failing{err})
	}
	res.Body = io.NopCloser(again)
	return res, nil
}

// A failing is a body that ends with an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A streamBody takes a streamed response down while it is read.
type streamBody struct {
	io.ReadCloser
	r *Recorder
	t *taken
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.r.mu.Lock()
	defer b.r.mu.Unlock()
	if b.r.closed || b.t.ended {
		return n, err
	}
	if b.t.said.Len() <= MaxSize {
		b.t.said.Write(p[:n])
	}
	if err != nil {
		b.t.ended = true
		if !errors.Is(err, io.EOF) && b.t.req.Context().Err() == nil {
			b.t.failed = err
		}
	}
	return n, err
}

// Close ends what is kept: a client may have enough of a stream.
func (b *streamBody) Close() error {
	b.r.mu.Lock()
	b.t.ended = true
	b.r.mu.Unlock()
	return b.ReadCloser.Close()
}

// Close writes the recording, all of it or nothing. It fails, and writes nothing, where
// no request was made, where a response was not whole or is not read to its end, and
// where the recording holds what looks like a key. Close may be called again, and
// returns the same.
func (r *Recorder) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		if err := r.write(); err != nil {
			r.result = fmt.Errorf("httpreplay: %s was not written: %w", r.name, err)
		}
	}
	return r.result
}

// write needs r.mu.
func (r *Recorder) write() error {
	s := newScrubber(r.opts)
	for _, t := range r.kept {
		s.learn(t)
	}
	file := []byte("httprr trace v1\n")
	n := 0
	for _, t := range r.kept {
		if t.dropped {
			continue
		}
		n++
		switch {
		case t.failed != nil:
			return fmt.Errorf("exchange %d: the response is not whole: %w", n, t.failed)
		case t.res == nil || !t.ended:
			return fmt.Errorf("exchange %d: the response was not read to its end, nor closed", n)
		case len(t.asked) > MaxSize || t.said.Len() > MaxSize:
			return fmt.Errorf("exchange %d is larger than %d bytes", n, MaxSize)
		}
		if e := t.res.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
			return fmt.Errorf("exchange %d: the response is encoded (%.20q), and nobody can look for keys in it", n, e)
		}
		request, response := s.request(t), s.response(t)
		if found := s.secretIn(request); found != "" {
			return fmt.Errorf("exchange %d: the request holds %s; RecordOptions.Scrub can take it out of the body", n, found)
		}
		if found := s.secretIn(response); found != "" {
			return fmt.Errorf("exchange %d: the response holds %s; RecordOptions.Scrub can take it out of the body", n, found)
		}
		file = fmt.Appendf(file, "%d %d\n", len(request), len(response))
		file = append(append(file, request...), response...)
	}
	if n == 0 {
		return errors.New("no request was made through the recorder: does the client use it?")
	}
	back, err := Read(bytes.NewReader(file))
	if err != nil || len(back) != n {
		return fmt.Errorf("it could not be read back: %d of %d exchanges, %w", len(back), n, err)
	}
	return writeFile(r.name, file, r.opts.Overwrite)
}
