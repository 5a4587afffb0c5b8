package main

import (
	"bytes"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const want = `the collector is up
  What is 15 multiplied by 4? 15 multiplied by 4 is 60.
  shipped 15, lag 0 records, breaker closed
the collector is stopped
  What is 15 multiplied by 4? 15 multiplied by 4 is 60.
  shipped 15, lag 15 records, breaker open
the collector is up again
  What is 15 multiplied by 4? 15 multiplied by 4 is 60.
  shipped 44, lag 0 records, breaker closed
its ledger: 44 records, intact true, the agent's byte for byte true
its checkpoint: the agent's newest true
`

func TestOutput(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v, after\n%s", err, out.Bytes())
	}
	// The record that says that the breaker opened may still be under way.
	if got := strings.Replace(out.String(), "lag 14 records", "lag 15 records", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
