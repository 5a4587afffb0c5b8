package httpreplay_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/httpreplay"
)

const header = "httprr trace v1\n"

// post is a request in wire form.
func post(url, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x.test\r\nContent-Length: %d\r\n\r\n%s", url, len(body), body)
}

// ok is a response in wire form.
func ok(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func exchange(request, response string) string {
	return fmt.Sprintf("%d %d\n%s%s", len(request), len(response), request, response)
}

func compressed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, recording string) []*httpreplay.Exchange {
	t.Helper()
	exchanges, err := httpreplay.Read(strings.NewReader(recording))
	if err != nil {
		t.Fatal(err)
	}
	return exchanges
}

// send posts body to url and returns the text of the response.
func send(t testing.TB, c *http.Client, url, body string) (string, error) {
	t.Helper()
	res, err := c.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), nil
}

func TestReplay(t *testing.T) {
	recording := header +
		exchange(post("http://x.test/a?p=1&q=2", `{"n":1,"s":"x"}`), ok("first")) +
		exchange(post("http://x.test/a?p=1&q=2", `{"s":"x","n":1.0}`), ok("second")) +
		exchange(post("http://x.test/a?p=1&q=2", `{"s":"x","n":2}`), "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno!\r\n0\r\n\r\n") +
		exchange("GET http://x.test/b HTTP/1.1\r\nHost: x.test\r\n\r\n", ok("get")) +
		exchange(post("http://x.test/text", "not JSON"), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
	tr := httpreplay.New(read(t, recording)...)
	c := tr.Client()
	for i, step := range []struct{ url, body, want string }{
		{"http://x.test/a?q=2&p=1", `{ "s": "x", "n": 1e0 }`, "first"},
		{"http://x.test/a?p=1&q=2", `{"n":1,"s":"x"}`, "second"},
		{"http://x.test/a?p=1&q=2", `{"n":1,"s":"x"}`, ""}, // both were used
		{"http://x.test/a?p=1&q=2", `{"n":3,"s":"x"}`, ""},
		{"http://x.test/a?p=1&q=2", `{"n":2,"s":"x"} {}`, ""},
		{"http://x.test/a?p=1&q=3", `{"n":2,"s":"x"}`, ""},
		{"https://x.test/a?p=1&q=2", `{"n":2,"s":"x"}`, ""},
		{"http://y.test/a?p=1&q=2", `{"n":2,"s":"x"}`, ""},
		{"http://x.test/A?p=1&q=2", `{"n":2,"s":"x"}`, ""},
		{"http://x.test/a?p=1&q=2", `{"n":2,"s":"x"}`, "no!"},
		{"http://x.test/b", ``, ""}, // a POST
		{"http://x.test/text", `not  JSON`, ""},
		{"http://x.test/text", `not JSON`, "until the end"},
	} {
		got, err := send(t, c, step.url, step.body)
		if (err != nil) != (step.want == "") || got != step.want {
			t.Errorf("step %d: POST %s %s: got %q, %v, want %q", i, step.url, step.body, got, err, step.want)
		}
		if err != nil && (strings.Contains(err.Error(), "not  JSON") || !strings.Contains(err.Error(), "httpreplay: none of the")) {
			t.Errorf("step %d: error %q", i, err)
		}
	}
	if tr.Left() != 1 {
		t.Errorf("Left() = %d, want 1", tr.Left())
	}
	res, err := c.Get("http://x.test/b")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Request == nil {
		t.Errorf("GET: got status %d, request %v", res.StatusCode, res.Request)
	}
	if tr.Left() != 0 {
		t.Errorf("Left() = %d, want 0", tr.Left())
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{``, ``, true},
		{`{}`, `[]`, false},
		{`{"a":[1,2]}`, ` {"a" : [1, 2]} `, true},
		{`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{`{"a":{"b":1,"c":2}}`, `{"a":{"c":2,"b":1}}`, true},
		{`"\u00e9"`, `"é"`, true},
		{`1`, `1.0`, true},
		{`1`, `10e-1`, true},
		{`1`, `"1"`, false},
		{`1`, `true`, false},
		{`null`, ``, false},
		{`0.1`, `0.10`, true},
		{`0.1`, `0.2`, false},
		{`9007199254740993`, `9007199254740992`, false},
		{`1000000`, `1e6`, true},
		{`9007199254740993.0`, `9007199254740992`, false},
		{`123456789012345678901`, `123456789012345678902`, false},
		{`1e1000000000`, `1e1000000000`, true},
		{`1e1000000000`, `1e1000000001`, false},
		{`{"a":1}`, `{"a":1}x`, false},
	} {
		e := read(t, header+exchange(post("http://x.test/", tt.a), ok("")))[0]
		if got := e.Matches("POST", e.URL, []byte(tt.b)); got != tt.want {
			t.Errorf("%s and %s: got %v, want %v", tt.a, tt.b, got, tt.want)
		}
		if e.Matches("PUT", e.URL, []byte(tt.b)) {
			t.Errorf("%s and %s: a PUT matches a POST", tt.a, tt.b)
		}
	}
}

func TestReadMalformed(t *testing.T) {
	req, res := post("http://x.test/", "12345"), ok("12345")
	for name, data := range map[string]string{
		"empty":                     "",
		"another first line":        "httprr trace v2\n",
		"no end of first line":      "httprr trace v1",
		"no end of line of lengths": header + "5",
		"one length":                header + "5\n",
		"three lengths":             header + "1 2 3\n" + req,
		"negative length":           header + fmt.Sprintf("%d -1\n", len(req)) + req,
		"signed length":             header + fmt.Sprintf("+%d %d\n", len(req), len(res)) + req + res,
		"length in hexadecimal":     header + "0x10 0x10\n" + req + res,
		"huge lengths":              header + "1073741823 1073741823\n" + req + res,
		"lengths beyond any int":    header + "99999999999999999999 1\n" + req + res,
		"overflowing sum":           header + "9223372036854775807 9223372036854775807\n" + req + res,
		"request cut":               header + fmt.Sprintf("%d %d\n", len(req), len(res)) + req[:len(req)/2],
		"response cut":              header + fmt.Sprintf("%d %d\n", len(req), len(res)) + req + res[:len(res)-1],
		"request length short":      header + fmt.Sprintf("%d %d\n", len(req)-1, len(res)+1) + req + res,
		"request length long":       header + fmt.Sprintf("%d %d\n", len(req)+1, len(res)-1) + req + res,
		"response length short":     header + fmt.Sprintf("%d %d\n", len(req), len(res)-1) + req + res,
		"response length long":      header + fmt.Sprintf("%d %d\n", len(req), len(res)+1) + req + res + "x",
		"much after a request":      header + exchange(req+strings.Repeat("x", 9000), res),
		"much after a response":     header + exchange(req, res+strings.Repeat("x", 9000)),
		"request of nothing":        header + fmt.Sprintf("0 %d\n", len(res)) + res,
		"response of nothing":       header + fmt.Sprintf("%d 0\n", len(req)) + req,
		"request is not HTTP":       header + exchange("hello\r\n\r\n", res),
		"response is not HTTP":      header + exchange(req, "hello\r\n\r\n"),
		"URL is a path":             header + exchange(post("/", ""), res),
		"body of request cut":       header + exchange("POST http://x.test/ HTTP/1.1\r\nHost: x.test\r\nContent-Length: 9\r\n\r\n12345", res),
		"body of response cut":      header + exchange(req, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n12345"),
		"chunks cut":                header + exchange(req, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"),
		"chunk of a huge size":      header + exchange(req, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n12345\r\n"),
		"text after an exchange":    header + exchange(req, res) + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			exchanges, err := httpreplay.Read(strings.NewReader(data))
			if err == nil || exchanges != nil || !strings.HasPrefix(err.Error(), "httpreplay: ") {
				t.Errorf("got %d exchanges, error %v, want none and an error of httpreplay's", len(exchanges), err)
			}
		})
	}
}

func TestReadCompressed(t *testing.T) {
	recording := []byte(header + exchange(post("http://x.test/", "1"), ok("one")))
	z := compressed(t, recording)
	exchanges, err := httpreplay.Read(bytes.NewReader(z))
	if err != nil || len(exchanges) != 1 {
		t.Fatalf("got %d exchanges, %v, want 1", len(exchanges), err)
	}
	for name, data := range map[string][]byte{
		"cut in its header":  z[:5],
		"cut in its data":    z[:len(z)-9],
		"without its length": z[:len(z)-4],
		"text after its end": append(bytes.Clone(z), "x"...),
		"a bomb":             compressed(t, make([]byte, httpreplay.MaxSize+1)),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := httpreplay.Read(bytes.NewReader(data)); err == nil {
				t.Error("got no error")
			}
		})
	}
}

// Reading a bomb stops at MaxSize; what would come after is never made.
func TestReadStopsAtMaxSize(t *testing.T) {
	in := &countingReader{r: io.MultiReader(strings.NewReader(header), zeros{})}
	_, err := httpreplay.Read(in)
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v, want an error about the size", err)
	}
	if limit := httpreplay.MaxSize + 1<<16; in.n > limit {
		t.Errorf("read %d bytes, want at most %d", in.n, limit)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.httprr"), filepath.Join(dir, "b.httprr.gz")
	one := []byte(header + exchange(post("http://x.test/", "1"), ok("one")))
	two := []byte(strings.ReplaceAll(header+exchange(post("http://x.test/", "2"), ok("two")), header, "httprr trace v1\r\n"))
	if err := errors.Join(os.WriteFile(a, one, 0o600), os.WriteFile(b, compressed(t, two), 0o600)); err != nil {
		t.Fatal(err)
	}
	tr, err := httpreplay.Open(a, b)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{"1": "one", "2": "two"} {
		if got, err := send(t, tr.Client(), "http://x.test/", body); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	if _, err := httpreplay.Open(a, filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want os.ErrNotExist", err)
	}
	if err := os.WriteFile(a, one[:len(one)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := httpreplay.Open(a); err == nil || !strings.Contains(err.Error(), "a.httprr") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

func TestRoundTripCancelled(t *testing.T) {
	tr := httpreplay.New(read(t, header+exchange(post("http://x.test/", "1"), ok("one")))...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://x.test/", strings.NewReader("1"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := tr.RoundTrip(req)
	if err == nil {
		res.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if tr.Left() != 1 {
		t.Errorf("Left() = %d, want 1", tr.Left())
	}
}

func TestRoundTripConcurrent(t *testing.T) {
	recording, want := header, 50
	for i := range want {
		recording += exchange(post("http://x.test/", `{"same":true}`), ok(fmt.Sprint(i)))
	}
	tr := httpreplay.New(read(t, recording)...)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got = make(map[string]bool)
	)
	for range want {
		wg.Go(func() {
			text, err := send(t, tr.Client(), "http://x.test/", `{"same":true}`)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			got[text] = true
		})
	}
	wg.Wait()
	if len(got) != want || tr.Left() != 0 {
		t.Errorf("got %d different responses and %d left, want %d and 0", len(got), tr.Left(), want)
	}
}

func FuzzRead(f *testing.F) {
	recording := header + exchange(post("http://x.test/a?b=c", `{"n":1}`), ok("one")) +
		exchange("GET http://x.test/ HTTP/1.1\r\nHost: x.test\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
	f.Add([]byte(recording))
	f.Add(compressed(f, []byte(recording)))
	f.Add([]byte(header + "1 1\nxx"))
	f.Add([]byte(header + exchange("HEAD http://x.test/ HTTP/1.1\r\nHost: x.test\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		exchanges, err := httpreplay.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		// Each request that was recorded is answered, and only once.
		tr := httpreplay.New(exchanges...)
		for i, e := range exchanges {
			req := &http.Request{Method: e.Method, URL: e.URL, Body: io.NopCloser(bytes.NewReader(e.Body))}
			res, err := tr.RoundTrip(req)
			if err != nil {
				t.Fatalf("exchange %d: %v", i, err)
			}
			_, err = io.Copy(io.Discard, res.Body)
			if err := errors.Join(err, res.Body.Close()); err != nil {
				t.Fatalf("exchange %d: body: %v", i, err)
			}
		}
		if tr.Left() != 0 {
			t.Fatalf("%d exchanges left", tr.Left())
		}
	})
}
