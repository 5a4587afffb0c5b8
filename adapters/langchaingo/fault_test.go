package langchaingo_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tmc/langchaingo/agents"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/trust"
	"example.com/safeconduct/middleware"
	safe "example.com/safeconduct/schema"
)

// What is wrong with arguments and answers is said without a word of them, and in
// few words, wherever it is said: in the denial and what a logger makes of it, in
// the observation and in the message with which a model is asked again, on the
// trail, and in the records.
func TestViolationsShowNothingOfWhatWasJudged(t *testing.T) {
	const secret = "hunter2"
	items := strings.TrimSuffix(strings.Repeat(`"`+secret+`",{"`+secret+`":"`+secret+`"},`, 5_000), ",")
	bad := `{"items":[` + items + `],"` + secret + `":1,"risk":"` + secret + `"}`
	s := safe.MustCompile("answer", `{
		"type": "object",
		"required": ["risk"],
		"properties": {"risk": {"enum": ["low", "high"]}, "items": {"items": {"type": "integer"}}},
		"additionalProperties": false
	}`)
	key, err := trust.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	recorder, err := evidence.Open(dir, evidence.Config{Key: key})
	if err != nil {
		t.Fatal(err)
	}

	said := make(map[string][]string) // by where
	say := func(where, text string) { said[where] = append(said[where], text) }
	watch := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			trail := middleware.Observe(ctx)
			res, err := next(ctx, call)
			for _, d := range trail.Decisions() {
				say("trail", d.Reason)
			}
			if o, ok := res.Output.(middleware.Observation); ok {
				say("observation", string(o))
			}
			return res, err
		}
	}
	m := &script{answers: []*llms.ContentChoice{toolCall("calc", bad), {Content: bad}, {Content: bad}}}
	run := langchaingo.Executor(
		agents.NewExecutor(agents.NewOpenAIFunctionsAgent(m, []tools.Tool{langchaingo.Declare(echoTool("calc"), s.JSON())})),
		recorder.Intercept, watch, middleware.Tell,
		safe.Boundary(safe.BoundaryRules{Schema: s, Extract: true, Reasks: 1}),
		safe.Input(safe.Tools{"calc": s}),
	)
	_, err = chains.Run(t.Context(), run, "q")
	invalid, ok := errors.AsType[*safe.ValidationError](err)
	if !ok {
		t.Fatalf("got %v, want a ValidationError", err)
	}
	if n := len(invalid.Violations); n > safe.MaxViolations || invalid.More == 0 {
		t.Errorf("got %d violations and %d more, want at most %d and the rest counted", n, invalid.More, safe.MaxViolations)
	}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Error("run", "err", err, "cause", invalid)
	marshalled, _ := json.Marshal(invalid)
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%+v", invalid), log.String(), string(marshalled)} {
		say("denial", text)
	}
	for _, o := range observations(m.asked[1]) {
		say("what the model was told", o)
	}
	last := texts(m.asked[2])
	say("what the model was asked again", last[len(last)-1])

	if err := recorder.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for e, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		record, _ := json.Marshal(e.Record)
		say("records", string(record))
		for _, d := range e.Record.Decisions {
			say("decisions in records", d.Reason)
		}
	}

	for where, least := range map[string]int{
		"denial": 5, "observation": 1, "trail": 4, "what the model was told": 1,
		"what the model was asked again": 1, "records": 10, "decisions in records": 4,
	} {
		if n := len(said[where]); n < least {
			t.Errorf("%s: got %d texts, want %d or more: nothing is tested", where, n, least)
		}
		for _, text := range said[where] {
			if strings.Contains(text, secret) {
				t.Errorf("%s: got %.200s, want nothing of what was judged", where, text)
			}
			if len(text) > 8<<10 {
				t.Errorf("%s: got %d bytes, want at most 8 KiB", where, len(text))
			}
		}
	}
}
