package gates_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"

	"example.com/safeconduct/internal/missing"
)

// TestCorpusTools puts the published tool calls of the Berkeley function-calling
// leaderboard, and mutations of their tools' names, through the gate, as a call
// and as a plan. What is wrong with arguments is not for this gate to see.
func TestCorpusTools(t *testing.T) {
	dir := os.Getenv("SAFECONDUCT_CORPORA")
	if dir == "" {
		missing.Skip(t, "corpora", "SAFECONDUCT_CORPORA is unset")
	}
	f, err := os.Open(filepath.Join(dir, "bfcl", "tool_gate_cases.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c struct {
			Tool, Kind, Source string
			Registered         []string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		seen[c.Kind]++
		allow := c.Kind != "tool_name_case" && c.Kind != "tool_name_homoglyph" && c.Kind != "tool_name_zero_width"
		gate := gates.Tools(c.Registered...)
		_, call := middleware.Wrap(kit.Echo, gate)(t.Context(), kit.Tool(c.Tool, ""))
		ask := middleware.ToolCall{Name: c.Tool, Registered: c.Registered[0]} // as one that folds case finds it
		if allow {
			ask.Registered = c.Tool
		}
		_, plan := middleware.Wrap(kit.Planner(ask), gate)(t.Context(), kit.Plan())
		for how, err := range map[string]error{"call": call, "plan": plan} {
			if allow && err != nil || !allow && !denied(err, middleware.CodeToolNotAllowed) {
				t.Errorf("%s, %s of %q as a %s: got error %v", c.Source, c.Kind, c.Tool, how, err)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if seen["valid"] != 1738 || seen["tool_name_case"] != 1738 || seen["tool_name_homoglyph"] != 1725 || seen["tool_name_zero_width"] != 1738 {
		t.Errorf("got %v, want all cases", seen)
	}
}

// TestCorpusBudget replays the tool calls of a hundred real support runs under
// budgets of several sizes. How many runs and calls each stops was counted by
// hand.
func TestCorpusBudget(t *testing.T) {
	dir := os.Getenv("SAFECONDUCT_CORPORA")
	if dir == "" {
		missing.Skip(t, "corpora", "SAFECONDUCT_CORPORA is unset")
	}
	f, err := os.Open(filepath.Join(dir, "tau-bench", "airline_calls.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type run struct {
		Task  int `json:"task_id"`
		Trial int `json:"trial"`
	}
	calls := map[run][]middleware.Call{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c struct {
			run
			Name, Arguments string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		calls[c.run] = append(calls[c.run], kit.Tool(c.Name, c.Arguments))
	}
	for limit, want := range map[int64][2]int{5: {46, 228}, 10: {14, 71}, 20: {2, 10}} {
		gate := gates.Budget(gates.Limits{ToolCalls: limit})
		runs, stopped := 0, 0
		for _, batch := range calls {
			over := 0
			mustRun(t, func(ctx context.Context) {
				for _, call := range batch {
					if denied(do(ctx, gate, kit.Echo, call), middleware.CodeOverBudget) {
						over++
					}
				}
			})
			runs += min(over, 1)
			stopped += over
		}
		if got := [2]int{runs, stopped}; got != want {
			t.Errorf("limit %d: got %d runs and %d calls stopped, want %d and %d", limit, got[0], got[1], want[0], want[1])
		}
	}
}
