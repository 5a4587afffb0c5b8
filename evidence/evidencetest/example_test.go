package evidencetest_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
)

// A test of one's own looks like this.
func ExampleTestSink() {
	_ = func(t *testing.T) {
		evidencetest.TestSink(t, func(*testing.T, ed25519.PublicKey) evidencetest.Subject {
			var file bytes.Buffer
			return evidencetest.Subject{
				Sink:   evidence.WriterSink(&file),
				Stored: func() [][]byte { return bytes.Split(bytes.TrimSuffix(file.Bytes(), []byte("\n")), []byte("\n")) },
			}
		})
	}
}

// A bench is what an example has in place of a test.
type bench struct {
	testing.TB
	cleanups []func()
}

func (b *bench) Helper()          {}
func (b *bench) Cleanup(f func()) { b.cleanups = append(b.cleanups, f) }
func (b *bench) end() {
	for _, f := range b.cleanups {
		f()
	}
}

func ExampleNewServer() {
	t := new(bench) // in a test, what the test got
	defer t.end()
	s := evidencetest.NewServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Repeat(nil, evidencetest.RetryAfter(http.StatusTooManyRequests, "7"))
	for range 2 {
		answer, err := http.Post(s.URL, "application/x-ndjson", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = answer.Body.Close()
		fmt.Printf("%d %q\n", answer.StatusCode, answer.Header.Get("Retry-After"))
	}
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// 200 ""
	// 429 "7"
}
