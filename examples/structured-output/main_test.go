package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"os"
	"testing"

	"example.com/safeconduct/httpreplay"
)

var update = flag.Bool("update", false, "write what the client asks into the recording")

func Example() {
	exchanges, err := httpreplay.Read(bytes.NewReader(recording))
	if err == nil {
		err = run(context.Background(), os.Stdout, httpreplay.New(exchanges...))
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// asked    Triage this ticket: I was charged twice in May!
	// said     It looks like a billing problem to me, and a rather urgent one.
	// asked    Your answer was refused: the output does not satisfy the schema Triage: the value must be JSON: there is no JSON in the text.
	// said     {"category":"billing","urgency":9}
	// asked    Your answer was refused: /urgency must be from 1 to 5.
	// said     Sorry about that: ```json {"category": "billing", "urgency": 4} ```
	// typed    {Category:billing Urgency:4}
}

// TestRecording checks that the recording holds what the client asks, and all of
// it is used. The answers are what was written by hand.
func TestRecording(t *testing.T) {
	exchanges, err := httpreplay.Read(bytes.NewReader(recording))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		w := &rewriter{exchanges: exchanges}
		w.file.WriteString("httprr trace v1\n")
		if err := run(t.Context(), io.Discard, w); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/triage.httprr", w.file.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	provider := httpreplay.New(exchanges...)
	if err := run(t.Context(), io.Discard, provider); err != nil {
		t.Errorf("%v; if what is asked has changed for a reason: go test -update", err)
	}
	if n := provider.Left(); n != 0 {
		t.Errorf("got %d exchanges left, want none", n)
	}
}

// A rewriter answers with one response after the other, and writes them down with
// the requests that they answer.
type rewriter struct {
	exchanges []*httpreplay.Exchange
	file      bytes.Buffer
}

func (w *rewriter) RoundTrip(req *http.Request) (*http.Response, error) {
	e := w.exchanges[0]
	w.exchanges = w.exchanges[1:]
	req.Header = http.Header{"Content-Type": {"application/json"}} // no key
	request, err := httputil.DumpRequestOut(req, true)
	if err != nil {
		return nil, err
	}
	request = bytes.Replace(request, []byte("POST /"), []byte("POST "+req.URL.Scheme+"://"+req.URL.Host+"/"), 1)
	response, err := httputil.DumpResponse(e.Response(req), true)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&w.file, "%d %d\n%s%s", len(request), len(response), request, response)
	return e.Response(req), nil
}
