package collector

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"

	"example.com/safeconduct/evidence/record"
)

// The bounds of what is verified and made durable at a time, whatever the request
// holds: this is the memory that a request takes.
const (
	batchRecords = 256
	batchBytes   = 1 << 20
)

// A plainReader bounds what a compressed body holds.
type plainReader struct {
	r    io.Reader
	left int64
}

var errTooLarge = errors.New("collector: the body holds more than is taken")

func (p *plainReader) Read(b []byte) (int, error) {
	if p.left < 0 {
		return 0, errTooLarge
	}
	if int64(len(b)) > p.left+1 {
		b = b[:p.left+1]
	}
	n, err := p.r.Read(b)
	if p.left -= int64(n); p.left < 0 {
		return n - 1, errTooLarge
	}
	return n, err
}

// body returns the records of a request, bounded as they come and once they are
// decompressed.
func (c *Collector) body(w http.ResponseWriter, r *http.Request) (io.Reader, *problem) {
	switch kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); {
	case err != nil, kind != "application/x-ndjson" && kind != "application/jsonl":
		return nil, newProblem("unsupported").saying("the content type must be application/x-ndjson")
	case r.ContentLength > c.limits.Body:
		return nil, newProblem("too_large")
	}
	var body io.Reader = http.MaxBytesReader(w, r.Body, c.limits.Body)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		gz, err := gzip.NewReader(body)
		if err != nil {
			return nil, (&bodyError{err}).problem()
		}
		body = gz
	default:
		return nil, newProblem("unsupported").saying("the content encoding must be gzip or none")
	}
	return &plainReader{body, c.limits.Plain}, nil
}

// A bodyError says that a body cannot be read, or holds too much.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "collector: body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

func (e *bodyError) problem() *problem {
	var most *http.MaxBytesError
	switch {
	case errors.As(e.err, &most), errors.Is(e.err, errTooLarge), errors.Is(e.err, errTooManyRecords), errors.Is(e.err, errLongLine):
		return newProblem("too_large")
	case errors.Is(e.err, os.ErrDeadlineExceeded):
		return newProblem("slow")
	}
	return newProblem("malformed").saying("the body is cut off, or not what its encoding says")
}

var (
	errTooManyRecords = errors.New("collector: more records than are taken")
	errLongLine       = errors.New("collector: a line is longer than a record can be")
)

// readLines calls take with the lines of r in order, at least one at a time and no
// more than may be held in memory. take may keep them. It stops with the first error:
// one of take's, or a *bodyError. The newline after the last line may be missing.
func readLines(r io.Reader, most int, take func(lines [][]byte) error) error {
	in := bufio.NewReaderSize(r, record.MaxEnvelope+1)
	var lines [][]byte
	size := 0
	flush := func() error {
		batch := lines
		lines, size = nil, 0
		if len(batch) == 0 {
			return nil
		}
		return take(batch)
	}
	for n := 0; ; n++ {
		line, err := in.ReadSlice('\n')
		if err == nil || err == io.EOF && len(line) > 0 {
			line = bytes.TrimSuffix(line, []byte("\n"))
			switch {
			case n >= most:
				err = errTooManyRecords
			case len(line) > record.MaxEnvelope: // the last one, without a newline
				err = errLongLine
			default:
				lines, size = append(lines, bytes.Clone(line)), size+len(line)
			}
		}
		switch {
		case err == io.EOF: // that alone is the end, and not what wraps it
			return flush()
		case err != nil:
			if errors.Is(err, bufio.ErrBufferFull) {
				err = errLongLine
			}
			// What came before it is whole, and need not come again.
			if err := flush(); err != nil {
				return err
			}
			return &bodyError{err}
		case len(lines) == batchRecords || size >= batchBytes:
			if err := flush(); err != nil {
				return err
			}
		}
	}
}
