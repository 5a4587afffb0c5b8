package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
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
		recorder, err := httpreplay.Create("testdata/triage.httprr", httpreplay.RecordOptions{
			Transport: &inOrder{exchanges}, Overwrite: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(run(t.Context(), io.Discard, recorder), recorder.Close()); err != nil {
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

// An inOrder answers with one response after the other, whatever is asked.
type inOrder struct{ exchanges []*httpreplay.Exchange }

func (o *inOrder) RoundTrip(req *http.Request) (*http.Response, error) {
	e := o.exchanges[0]
	o.exchanges = o.exchanges[1:]
	return e.Response(req), nil
}
