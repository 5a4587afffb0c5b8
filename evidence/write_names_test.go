package evidence_test

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

const leaked = "AKIAIOSFODNN7EXAMPLE"

// leak runs a chain in which a model makes up names.
func leak(t testing.TB, cfg evidence.Config, made string) (dir string, records []*record.Record) {
	t.Helper()
	dir = ledgertest.Dir(t)
	r := open(t, dir, cfg)
	calls := []middleware.ToolCall{{Name: made}, {Name: "lookup"}, {Name: "Lookup"}, {Name: "Lookup", Registered: "lookup"},
		{Name: "lookup", Registered: "lookup"}}
	model := middleware.Wrap(say(&middleware.ModelResponse{Choices: []middleware.Choice{
		{StopReason: made, ToolCalls: calls}, {StopReason: "tool_calls"}, {StopReason: "FinishReasonStop"},
	}}), r.Intercept)
	plan := middleware.Wrap(say(&middleware.Plan{ToolCalls: calls}), r.Intercept)
	denied := middleware.Wrap(say(&middleware.Plan{ToolCalls: calls}), r.Intercept, middleware.Tell,
		middleware.After("tools", func(context.Context, middleware.Call, middleware.Result) error {
			return middleware.Deny(middleware.CodeToolNotAllowed, "there is no tool %q, nor\x1b[31m \u202e%s", made, "\xff")
		}))
	chain := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		_, _ = model(ctx, middleware.Call{Kind: middleware.KindModel, Name: "m", Input: &middleware.ModelRequest{Tools: []string{"lookup"}}})
		_, _ = plan(ctx, middleware.Call{Kind: middleware.KindPlan, Name: "p", Input: &middleware.PlanRequest{}})
		return denied(ctx, middleware.Call{Kind: middleware.KindPlan, Name: "p", Input: &middleware.PlanRequest{}})
	}, r.Intercept)
	_, _ = chain(t.Context(), middleware.Call{Kind: middleware.KindChain, Name: "c"})
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledgertest.WantIntact(t, dir)
	for _, e := range ledgertest.Entries(t, dir) {
		if e.Record.Outcome != nil {
			records = append(records, e.Record)
		}
	}
	return dir, records
}

func digest(s string) record.Hash { return sha256.Sum256([]byte(s)) }

// What a model makes up in the place of a name is cut, escaped, and has a digest;
// names that are registered or offered stand as they are.
func TestNamesThatAModelMadeUp(t *testing.T) {
	made := leaked + "\x1b[31m\u202e\xff\n" + strings.Repeat("é", 100)
	_, records := leak(t, evidence.Config{}, made)
	shown := leaked + `\x1b[31m\u202e\xff\n` + strings.Repeat("é", 17) + "…"
	upper := record.ToolCall{Name: "Lookup", Digest: digest("Lookup")}
	want := []record.ToolCall{{Name: shown, Digest: digest(made)}, {Name: "lookup"}, upper, upper, {Name: "lookup", Registered: "lookup"}}
	want[3].Registered = "lookup"
	choices := records[0].Response.Choices
	if got := choices[0].ToolCalls; !slices.Equal(got, want) {
		t.Errorf("response: got\n%+v, want\n%+v", got, want)
	}
	if choices[0].StopReason != shown || choices[0].StopReasonDigest != digest(made) {
		t.Errorf("got stop reason %q, %s, want %q, %s", choices[0].StopReason, choices[0].StopReasonDigest, shown, digest(made))
	}
	for i, reason := range []string{1: "tool_calls", 2: "FinishReasonStop"} {
		if c := choices[i]; i > 0 && (c.StopReason != reason || c.StopReasonDigest != record.Hash{}) {
			t.Errorf("got stop reason %q, %s, want %q alone", c.StopReason, c.StopReasonDigest, reason)
		}
	}
	want[1].Digest = digest("lookup") // a plan says itself what is registered
	if got := records[1].Plan.ToolCalls; !slices.Equal(got, want) {
		t.Errorf("plan: got\n%+v, want\n%+v", got, want)
	}
	for _, reason := range []string{records[2].Outcome.Reason, records[2].Decisions[0].Reason} {
		if !strings.HasPrefix(reason, `there is no tool "`+leaked) || !strings.HasSuffix(reason, `, nor\x1b[31m \u202e\xff`) {
			t.Errorf("got reason %q", reason)
		}
	}
}

// Where made-up names are left out, nothing of them is in any file.
func TestMadeUpNamesAreLeftOut(t *testing.T) {
	dir, records := leak(t, evidence.Config{OmitMadeUp: true}, leaked)
	choice := records[0].Response.Choices[0]
	if choice.StopReason != "" || choice.StopReasonDigest != digest(leaked) || choice.ToolCalls[0] != (record.ToolCall{Digest: digest(leaked)}) {
		t.Errorf("got %+v, want digests alone", choice)
	}
	if got := choice.ToolCalls[1]; got.Name != "lookup" {
		t.Errorf("got %+v, want the name of a tool that was offered", got)
	}
	if got := records[2].Outcome.Reason; got != `there is no tool "…", nor\x1b[31m \u202e\xff` {
		t.Errorf("got reason %q", got)
	}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, entry := range ledgertest.Entries(t, dir) {
			b = append(b, ledgertest.DecodePayload(t, entry.Envelope)...)
		}
		if strings.Contains(string(b), leaked) {
			t.Errorf("%s holds the name", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnquoted(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "no quotes": "no quotes", `a "b" c "d\"e" f`: `a "…" c "…" f`, `"open`: `"…"`, `"open\`: `"…"`, `"a\\" b`: `"…" b`, `""`: `"…"`,
	} {
		if got := evidence.Unquoted(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
