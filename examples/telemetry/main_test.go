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
  shipped 15, lag 0, breaker closed
the collector is stopped
  What is 15 multiplied by 4? 15 multiplied by 4 is 60.
  shipped 15, lag 15, breaker open
the collector is up again
  What is 15 multiplied by 4? 15 multiplied by 4 is 60.
  shipped 44, lag 0, breaker closed
what the collector has
  44 records, intact, byte for byte the agent's
  the agent's newest checkpoint
`

func TestOutput(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v, after\n%s", err, out.Bytes())
	}
	// The record that says that the breaker opened may still be under way.
	if got := strings.Replace(out.String(), "lag 14,", "lag 15,", 1); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
