package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// Every answer that was asked for shows, and why it was refused.
func TestInspectShowsWhatWasAskedAgain(t *testing.T) {
	key, public := newKey(t)
	dir := filepath.Join(t.TempDir(), "ledger")
	r := open(t, dir, evidence.Config{Key: key})
	verdict := schema.MustCompile("verdict", `{"type": "object", "properties": {"risk": {"enum": ["low", "high"]}}}`)
	answers := []string{"It is low.", `{"risk": "lowest"}`, `{"risk": "low"}`}
	model := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		answer := answers[0]
		answers = answers[1:]
		return middleware.Result{Output: &middleware.ModelResponse{Choices: []middleware.Choice{{Text: answer}}}}, nil
	}, r.Intercept, schema.Boundary(schema.BoundaryRules{Schema: verdict, Reasks: 2}))
	if _, err := model(t.Context(), middleware.Call{Kind: middleware.KindModel, Name: "gpt", Input: &middleware.ModelRequest{}}); err != nil {
		t.Fatal(err)
	}
	shut(t, r)

	if code, stdout, stderr := safeconduct("verify", dir, "--key", public); code != 0 || strings.Contains(stdout, "although") {
		t.Errorf("verify: exit %d, %s%s, want an intact ledger in which no denial was passed over", code, stdout, stderr)
	}
	code, stdout, stderr := safeconduct("inspect", dir)
	if code != 0 {
		t.Fatalf("inspect: exit %d, %s", code, stderr)
	}
	rest := strings.Join(strings.Fields(stdout), " ")
	for _, want := range []string{
		"model gpt done", "transformed by schema.output (bad_output): asked again, 2 times: choice 1 does not satisfy the schema verdict: the value must be JSON (byte 0)",
		"model gpt denied", "denied by schema.output (bad_output) after it ran: choice 1 does not satisfy the schema verdict: /risk must be one of \"low\", \"high\"",
		"model gpt done", "allowed by schema.output",
	} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("got\n%s\nwant %q after what comes before it", stdout, want)
		}
		rest = after
	}
	if strings.Contains(stdout, "lowest") {
		t.Errorf("got\n%s\nwant nothing of the answers", stdout)
	}
}
