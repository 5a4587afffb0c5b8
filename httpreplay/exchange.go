package httpreplay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// MaxSize bounds a recording, decompressed.
const MaxSize = 16 << 20

// An Exchange is a recorded request and the response to it. It must not be
// modified, and is then safe for concurrent use.
type Exchange struct {
	Method string
	URL    *url.URL // absolute
	Body   []byte   // of the request

	response []byte // in wire form
}

// Response returns the recorded response as the response to req, which may be
// nil. Each one has a body of its own. Of a stream of server-sent events, or of lines
// of JSON, each Read returns one at most, as if it had just come.
func (e *Exchange) Response(req *http.Request) *http.Response {
	res, _, err := e.parse()
	if err != nil {
		panic("httpreplay: " + err.Error()) // Read has parsed the same bytes
	}
	res.Request = req
	if media := streamed(res.Header); media != "" {
		res.Body = &pieces{media: media, in: bufio.NewReader(res.Body), body: res.Body}
	}
	return res
}

// parse parses the response; left is what follows it once its body was read.
func (e *Exchange) parse() (res *http.Response, left func() int, err error) {
	in := bytes.NewReader(e.response)
	buf := bufio.NewReader(in)
	// The method says whether the response has a body.
	res, err = http.ReadResponse(buf, &http.Request{Method: e.Method})
	return res, func() int { return buf.Buffered() + in.Len() }, err
}

// ReadFile reads the exchanges in a recording, whether it is compressed or not.
func ReadFile(name string) ([]*Exchange, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("httpreplay: %w", err)
	}
	exchanges, err := Read(f)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("%w, in %s", err, name)
	}
	return exchanges, nil
}

// Read reads the exchanges in a recording, in their order. It refuses a
// recording that is larger than [MaxSize] or malformed anywhere.
func Read(r io.Reader) ([]*Exchange, error) {
	buf := bufio.NewReader(r)
	r = buf
	if magic, err := buf.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, fmt.Errorf("httpreplay: %w", err)
		}
		r = z
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("httpreplay: %w", err)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("httpreplay: recording is larger than %d bytes", MaxSize)
	}
	line, data, ok := cutLine(data)
	if !ok || line != "httprr trace v1" {
		return nil, errors.New("httpreplay: not a recording: the first line is not \"httprr trace v1\"")
	}
	var exchanges []*Exchange
	for len(data) > 0 {
		var e *Exchange
		if e, data, err = readExchange(data); err != nil {
			return nil, fmt.Errorf("httpreplay: exchange %d: %w", len(exchanges), err)
		}
		exchanges = append(exchanges, e)
	}
	return exchanges, nil
}

// readExchange reads the first exchange in data and returns what follows it.
func readExchange(data []byte) (e *Exchange, rest []byte, err error) {
	line, data, ok := cutLine(data)
	if !ok {
		return nil, nil, errors.New("ends in its first line")
	}
	first, second, _ := strings.Cut(line, " ")
	n, err1 := strconv.ParseUint(first, 10, 30) // 30: their sum is an int
	m, err2 := strconv.ParseUint(second, 10, 30)
	if err1 != nil || err2 != nil {
		return nil, nil, fmt.Errorf("its first line is not two lengths: %.40q", line)
	}
	if int(n+m) > len(data) {
		return nil, nil, fmt.Errorf("%d bytes announced and %d left", n+m, len(data))
	}
	request, response, rest := data[:n], data[n:n+m], data[n+m:]

	in := bytes.NewReader(request)
	buf := bufio.NewReader(in)
	req, err := http.ReadRequest(buf)
	if err != nil {
		return nil, nil, fmt.Errorf("request: %w", err)
	}
	e = &Exchange{Method: req.Method, URL: req.URL, response: response}
	if e.Body, err = io.ReadAll(req.Body); err != nil {
		return nil, nil, fmt.Errorf("request: %w", err)
	}
	if left := buf.Buffered() + in.Len(); left > 0 {
		return nil, nil, fmt.Errorf("request: %d bytes after its end", left)
	}
	if !e.URL.IsAbs() {
		return nil, nil, errors.New("request: the URL is not absolute")
	}
	res, left, err := e.parse()
	if err != nil {
		return nil, nil, fmt.Errorf("response: %w", err)
	}
	_, err = io.Copy(io.Discard, res.Body)
	if closeErr := res.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, nil, fmt.Errorf("response: %w", err)
	}
	if n := left(); n > 0 {
		return nil, nil, fmt.Errorf("response: %d bytes after its end", n)
	}
	return e, rest, nil
}

// cutLine cuts data after its first line, which may end in CRLF.
func cutLine(data []byte) (line string, rest []byte, ok bool) {
	l, rest, ok := bytes.Cut(data, []byte("\n"))
	return string(bytes.TrimSuffix(l, []byte("\r"))), rest, ok
}
