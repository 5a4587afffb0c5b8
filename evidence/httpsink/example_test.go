package httpsink_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/httpsink"
)

// Records are shipped to whatever takes lines of JSON.
func ExampleNew() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, "not gzip", http.StatusBadRequest)
			return
		}
		body, err := io.ReadAll(lines)
		if err != nil {
			http.Error(w, "not gzip", http.StatusBadRequest)
			return
		}
		fmt.Println(r.Header.Get("Content-Type"), strings.Count(string(body), "\n"))
	}))
	defer server.Close()
	dir, err := os.MkdirTemp("", "httpsink")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()

	sink, err := httpsink.New(httpsink.Config{URL: server.URL, Token: func() string { return "what-only-the-agent-has" }})
	if err != nil {
		panic(err)
	}
	recorder, err := evidence.Open(filepath.Join(dir, "ledger"), evidence.Config{
		Exporters: []evidence.Exporter{{Sink: sink.Send}},
		Publish:   sink.Publish,
	})
	if err != nil {
		panic(err)
	}
	if err := recorder.Close(ctx); err != nil {
		panic(err)
	}
	if err := sink.Close(ctx); err != nil {
		panic(err)
	}
	// Output: application/x-ndjson 1
}
