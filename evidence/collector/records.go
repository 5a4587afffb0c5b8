package collector

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"os"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/record"
)

// The bounds of what is verified and made durable at a time, whatever the request
// holds: this is the memory that a request takes.
const (
	batchRecords = 256
	batchBytes   = 1 << 20
)

// A receipt says what is stored.
type receipt struct {
	Ledger  string       `json:"ledger"`
	Taken   int          `json:"taken"`   // records of the request, those included that were there before
	Records uint64       `json:"records"` // of the ledger
	Head    *record.Head `json:"head"`
}

// postRecords takes envelopes, one a line, all of one ledger.
func (c *Collector) postRecords(w http.ResponseWriter, r *http.Request, cl *client) (origin string, p *problem) {
	body, p := c.body(w, r)
	if p != nil {
		return "", p
	}
	var l *ledger
	var replica *evidence.Replica
	taken := 0
	var rest [][]byte // that no signature covers yet
	err := readLines(body, c.limits.Records, func(batch [][]byte) error {
		if l == nil {
			// The first record says which ledger it wants to be of. Whether it
			// is, and all others are, its signature and the chain say.
			first, err := record.Parse(batch[0])
			if err != nil {
				return &evidence.RefusedError{Damage: record.DamageMalformed}
			}
			origin = first.Ledger
			if l, replica, p = c.toWrite(cl, origin); p != nil {
				return errAnswered
			}
		}
		rest = append(rest, batch...)
		n, err := replica.Append(rest)
		taken += n
		c.metrics.taken.Add(uint64(n))
		rest = rest[n:]
		if uncovered(err) && len(rest) < batchRecords {
			return nil // what covers them may come next
		}
		return err
	})
	if err == nil && len(rest) > 0 {
		_, err = replica.Append(rest) // it says what is wrong
	}
	switch {
	case err != nil && p == nil:
		p = c.problemOf(cl, l, err)
		p.Taken = &taken
	case l == nil && p == nil:
		p = newProblem("malformed").saying("there is no record")
	}
	if p != nil {
		if p.Status != http.StatusRequestEntityTooLarge && p.Status != http.StatusRequestTimeout {
			_, _ = io.Copy(io.Discard, body) // so that the client reads the answer; bounded as ever
		}
		return origin, p
	}
	head, records := replica.Head()
	reply(w, http.StatusOK, "application/json", receipt{Ledger: origin, Taken: taken, Records: records, Head: head})
	return origin, nil
}

// uncovered reports whether an error says that no signature covers records.
func uncovered(err error) bool {
	var missing *evidence.MissingError
	return errors.As(err, &missing) && missing.Uncovered
}

// errAnswered is that a problem says more.
var errAnswered = errors.New("collector: answered")

// problemOf returns the problem of records that were not taken: the body cannot be
// read, or the ledger l does not take them.
func (c *Collector) problemOf(cl *client, l *ledger, err error) *problem {
	var body *bodyError
	if errors.As(err, &body) {
		return body.problem()
	}
	return c.keep(cl, l, err)
}

// keep returns the problem of what a Replica did not take. What contradicts it is
// kept first: whoever hears of it can be sure.
func (c *Collector) keep(cl *client, l *ledger, err error) *problem {
	var e *evidence.EquivocationError
	if !errors.As(err, &e) {
		return problemOf(err)
	}
	fresh, failed := l.equivocations.add(cl.Name, l.origin, e)
	if failed != nil {
		return newProblem("unavailable").because(failed)
	}
	if fresh {
		c.metrics.equivocations.Add(1)
		c.log.always(slog.LevelError, "EQUIVOCATION: two things are signed that contradict each other",
			"client", cl.Name, "ledger", l.origin, "writer", e.Writer, "seq", e.Seq, "kept", l.equivocations.path(cl.Name))
	}
	return problemOf(err)
}

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

// A bodyError is of a body that cannot be read, or holds too much.
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

// readLines calls take with the lines of r in order, at least one and not more
// than are to be held in memory at a time. They are take's own. It stops with the
// first error: one of take, or a *bodyError. The newline after the last line may be
// missing.
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
