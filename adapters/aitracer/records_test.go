package aitracer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/adapters/aitracer"
	"example.com/safeconduct/evidence/record"
)

// seal puts a record into an envelope that nobody signed.
func seal(t testing.TB, r record.Record) []byte {
	t.Helper()
	r.Version, r.Ledger, r.Writer = 1, "prod", "019d0c2e-5b1c-7ab2-8f36-6a1c8d0e4b21"
	if r.ID == "" {
		r.ID = fmt.Sprintf("019d0c2e-5b1f-7c39-9cc2-%012d", r.Seq)
	}
	r.Time = time.Date(2026, 3, 20, 14, 5, 41, 723_415_084, time.UTC).Add(time.Duration(r.Seq) * time.Millisecond)
	payload, err := json.Marshal(struct {
		Type          string         `json:"_type"`
		Predicate     *record.Record `json:"predicate"`
		PredicateType string         `json:"predicateType"`
	}{record.StatementType, &r, record.PredicateType})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := json.Marshal(struct {
		Payload     []byte     `json:"payload"`
		PayloadType string     `json:"payloadType"`
		Signatures  []struct{} `json:"signatures"`
	}{payload, record.PayloadType, []struct{}{}})
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

// commitment returns a text in the form of a commitment that shows what it is of.
func commitment(s string) string {
	return strings.NewReplacer(" ", "-", "+", "-").Replace(s) + strings.Repeat("A", 43-len(s))
}

// run is a run of an agent, as its ledger has it.
func run(t testing.TB) [][]byte {
	const id = "AGXW5INJQKQOVWIHOIHGUVTVY4"
	chain := &record.Call{ID: 1, Kind: "chain", Name: "finance-review"}
	plan := &record.Call{ID: 2, Kind: "plan", Name: "agent", Parent: 1}
	model := &record.Call{ID: 3, Kind: "model", Name: "openai.LLM", Parent: 2}
	shell := &record.Call{ID: 4, Kind: "tool", Name: "shell", Parent: 1}
	sum := &record.Call{ID: 5, Kind: "tool", Name: "calculator", Parent: 1}
	broken := &record.Call{ID: 6, Kind: "model", Name: "openai.LLM", Parent: 2}
	lost := &record.Call{ID: 7, Kind: "tool", Name: "search", Parent: 1}
	content := func(s string) *record.Content { return &record.Content{Commitment: commitment(s), Size: 1} }
	allow := record.Decision{Gate: "tools", Verdict: "allow", Elapsed: 1_000}

	var all [][]byte
	for i, r := range []record.Record{
		{Kind: record.KindSession, Session: &record.Session{Key: "k", Signing: record.SignRecords}},
		{Kind: record.KindStart, Run: id},
		{Kind: record.KindIntent, Run: id, Call: chain, Input: content("question")},
		{Kind: record.KindIntent, Run: id, Call: plan, Input: content("turn")},
		{Kind: record.KindIntent, Run: id, Call: model, Input: content("prompt"), Request: &record.Request{Model: "gpt-4o"}},
		{Kind: record.KindOutcome, Run: id, Call: model, Output: content("answer"),
			Outcome:  &record.Outcome{Result: record.ResultDone, Reached: true, Latency: 830 * time.Millisecond},
			Response: &record.Response{Choices: []record.Choice{{StopReason: "stop", Size: 3}}},
			Usage:    &record.Usage{Input: 420, Output: 155, Total: 575, Cost: 4200, Reported: true}},
		{Kind: record.KindOutcome, Run: id, Call: plan, Output: content("actions"),
			Outcome: &record.Outcome{Result: record.ResultDone, Reached: true, Latency: 831 * time.Millisecond}},
		{Kind: record.KindIntent, Run: id, Call: shell, Input: content("rm")},
		{Kind: record.KindOutcome, Run: id, Call: shell, Output: content("told"),
			Outcome: &record.Outcome{Result: record.ResultDenied, Gate: "tools", Code: "tool_not_allowed",
				Reason: "shell is not on the list", Told: true, Latency: 698_323},
			Decisions: []record.Decision{{Gate: "tools", Verdict: "deny", Code: "tool_not_allowed",
				Reason: "shell is not on the list", Elapsed: 6352}}},
		{Kind: record.KindIntent, Run: id, Call: sum, Input: content("2+2")},
		{Kind: record.KindOutcome, Run: id, Call: sum, Ran: content("2 + 2"), Output: content("4"),
			Outcome: &record.Outcome{Result: record.ResultDone, Reached: true, Latency: 3 * time.Millisecond},
			Decisions: []record.Decision{allow,
				{Gate: "spaces", Verdict: "transform", Elapsed: 2_000},
				{Gate: "strict", Verdict: "deny", Shadow: true, Code: "policy", Reason: "no sums", Elapsed: 3_000}}},
		{Kind: record.KindIntent, Run: id, Call: broken, Input: content("prompt 2")},
		{Kind: record.KindOutcome, Run: id, Call: broken,
			Outcome: &record.Outcome{Result: record.ResultFailed, Reached: true, Latency: time.Second, Error: []string{"*net.OpError", "*os.SyscallError"}},
			Usage:   &record.Usage{Input: 7}}, // an estimate
		{Kind: record.KindIntent, Run: id, Call: lost, Input: content("query")},
		{Kind: record.KindOutcome, Run: id, Call: chain, Output: content("final"),
			Outcome: &record.Outcome{Result: record.ResultCancelled, Reached: true, Latency: 2 * time.Second, Error: []string{"context.Canceled"}}},
		{Kind: record.KindEnd, Run: id},
	} {
		r.Seq = uint64(i + 1)
		all = append(all, seal(t, r))
	}
	return all
}

func redact(s string) string { return strings.ReplaceAll(s, "hunter2", "****") }

// tell supplies a content for each commitment.
func tell(_ context.Context, e aitracer.Event) (prompt, response string, ok bool) {
	if e.Ran != "" {
		e.Input = e.Ran
	}
	return "hunter2 in " + e.Input, "hunter2 out " + e.Output, true
}

// reseal replaces a part of a payload.
func reseal(t *testing.T, envelope []byte, from, to string) []byte {
	t.Helper()
	var e struct {
		Payload     []byte `json:"payload"`
		PayloadType string `json:"payloadType"`
	}
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(e.Payload), from) {
		t.Fatalf("%s is not in %s", from, e.Payload)
	}
	e.Payload = []byte(strings.Replace(string(e.Payload), from, to, 1))
	envelope, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}
