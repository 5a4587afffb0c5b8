package httpreplay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// streamed returns the media type of a response that comes piece by piece, or "".
func streamed(h http.Header) string {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil || media != "text/event-stream" && media != "application/x-ndjson" {
		return ""
	}
	return media
}

// piece returns the first piece of a stream, an event with the empty line after it or a
// line of JSON, and what follows. Where the stream ends, so does the piece.
func piece(media string, text []byte) (first, rest []byte) {
	for at := 0; ; {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			return text, nil
		}
		line := text[at : at+end+1]
		at += end + 1
		if ends(media, line) {
			return text[:at], text[at:]
		}
	}
}

// ends reports whether a piece ends with this line: an event ends with an empty one.
func ends(media string, line []byte) bool {
	return media != "text/event-stream" || len(bytes.TrimRight(line, "\r\n")) == 0
}

// A pieces is the body of a replayed stream: each Read returns no more than one piece,
// as if it had just come.
type pieces struct {
	media string
	in    *bufio.Reader
	body  io.Closer
	left  []byte // of the piece under way
	err   error
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(to) == 0 {
		return 0, nil
	}
	for len(p.left) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		var line []byte
		for whole := false; !whole && p.err == nil; {
			line, p.err = p.in.ReadBytes('\n')
			p.left = append(p.left, line...)
			whole = ends(p.media, line)
		}
	}
	n := copy(to, p.left)
	p.left = p.left[n:]
	return n, nil
}

func (p *pieces) Close() error { return p.body.Close() }

// The headers that are kept. What a client needs of others it says in Keep.
func keptHeaders() []string { return []string{"Accept", "Content-Type", "Location", "Retry-After"} }

// appendHeaders appends those of the headers that are kept, in order.
func (s *scrubber) appendHeaders(to []byte, h http.Header) []byte {
	for _, name := range slices.Sorted(maps.Keys(s.keep)) {
		for _, v := range h[name] {
			if name == "Location" {
				v = s.location(v)
			}
			to = fmt.Appendf(to, "%s: %s\r\n", name, v)
		}
	}
	return to
}

// request returns what is kept of a request, in the wire form of HTTP/1.1.
func (s *scrubber) request(t *taken) []byte {
	body := s.body(t.asked)
	u := s.url(t.req.URL)
	method := t.req.Method
	if method == "" {
		method = http.MethodGet
	}
	out := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, u, u.Host)
	out = s.appendHeaders(out, t.req.Header)
	if len(body) > 0 {
		out = fmt.Appendf(out, "Content-Length: %d\r\n", len(body))
	}
	return append(append(out, "\r\n"...), body...)
}

// response returns what is kept of a response, in the wire form of HTTP/1.1. A stream
// has one chunk for each of its pieces.
func (s *scrubber) response(t *taken) []byte {
	code := t.res.StatusCode
	out := fmt.Appendf(nil, "HTTP/1.1 %03d %s\r\n", code, http.StatusText(code))
	out = s.appendHeaders(out, t.res.Header)
	media := streamed(t.res.Header)
	body := s.body(t.said.Bytes())
	switch {
	case t.req.Method == http.MethodHead || code == http.StatusNoContent || code == http.StatusNotModified:
		return append(out, "\r\n"...) // there is none
	case media == "":
		out = fmt.Appendf(out, "Content-Length: %d\r\n\r\n", len(body))
		return append(out, body...)
	}
	out = append(out, "Transfer-Encoding: chunked\r\n\r\n"...)
	for len(body) > 0 {
		var first []byte
		first, body = piece(media, body)
		out = append(strconv.AppendInt(out, int64(len(first)), 16), "\r\n"...)
		out = append(append(out, first...), "\r\n"...)
	}
	return append(out, "0\r\n\r\n"...)
}

// writeFile writes a file whole, or not at all. Unless told to, it replaces none.
func writeFile(name string, data []byte, replace bool) (err error) {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".httpreplay-*")
	if err != nil {
		return err
	}
	temp := f.Name()
	defer func() {
		if removeErr := os.Remove(temp); err == nil && !errors.Is(removeErr, fs.ErrNotExist) {
			err = removeErr
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if replace {
		return os.Rename(temp, name)
	}
	if err = os.Link(temp, name); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without links: then somebody else may come between.
	if _, err = os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	return os.Rename(temp, name)
}
