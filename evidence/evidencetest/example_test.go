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

// In a test of one's own, t is what the test got.
func ExampleTestSink() {
	test := func(t *testing.T) {
		evidencetest.TestSink(t, func(*testing.T, ed25519.PublicKey) evidencetest.Subject {
			var file bytes.Buffer
			return evidencetest.Subject{
				Sink:   evidence.WriterSink(&file),
				Stored: func() [][]byte { return bytes.Split(bytes.TrimSuffix(file.Bytes(), []byte("\n")), []byte("\n")) },
			}
		})
	}
	fmt.Println(testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "TestWriterSink", F: test}}))
	// Output: true
}

func ExampleNewServer() {
	test := func(t *testing.T) {
		s := evidencetest.NewServer(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Repeat(nil, evidencetest.RetryAfter(429, "7"))
		for range 2 {
			answer, err := http.Post(s.URL, "application/x-ndjson", nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			fmt.Printf("%d %q\n", answer.StatusCode, answer.Header.Get("Retry-After"))
		}
		http.DefaultClient.CloseIdleConnections()
	}
	testing.RunTests(func(_, _ string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "TestPost", F: test}})
	// Output:
	// 200 ""
	// 429 "7"
}
