package gates_test

import (
	"slices"
	"testing"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// TestGatesSayWhatTheyAreFor: adapters refuse by it a gate that would see no call.
func TestGatesSayWhatTheyAreFor(t *testing.T) {
	toolCalls := []middleware.Kind{middleware.KindTool, middleware.KindPlan}
	outward := []middleware.Kind{middleware.KindTool, middleware.KindModel, middleware.KindRetriever}
	short := []gates.Rule{gates.Text(gates.Length(0, 9))}
	retrievals := []middleware.Kind{middleware.KindRetriever}
	metered := []middleware.Kind{middleware.KindModel}
	for _, tt := range []struct {
		name   string
		gate   middleware.Interceptor
		kinds  []middleware.Kind
		tools  []string
		perRun bool
	}{
		{"ingress", gates.Ingress(gates.IngressRules{}), nil, nil, false},
		{"tools", gates.Tools("rm"), toolCalls, nil, false},
		{"arguments", gates.Arguments(gates.ArgumentRules{"rm": short, "ls": short}), toolCalls, []string{"ls", "rm"}, false},
		{"loop", gates.Loop(gates.LoopRules{}), toolCalls, nil, true},
		{"sources", gates.Sources(gates.SourceRules{}), retrievals, nil, false},
		{"size", gates.Size(gates.SizeRules{}), nil, nil, false},
		{"deadline of calls", gates.Deadline(gates.DeadlineRules{Call: time.Second}), outward, nil, false},
		{"deadline of a run", gates.Deadline(gates.DeadlineRules{Call: time.Second, Run: time.Minute}), nil, nil, false},
		{"concurrency", gates.Concurrency(1, gates.DenyWhenFull), outward, nil, false},
		{"rate of a run", gates.Rate(gates.RateRules{Calls: 1, Per: time.Second}), outward, nil, true},
		{"rate of all", gates.Rate(gates.RateRules{Calls: 1, Per: time.Second, Scope: gates.ScopeProcess}), outward, nil, false},
		{"budget of tool calls", gates.Budget(gates.Limits{ToolCalls: 1}), toolCalls, nil, true},
		{"budget of model calls", gates.Budget(gates.Limits{ModelCalls: 1}), metered, nil, true},
		{"budget of tokens", gates.Budget(gates.Limits{Tokens: 1}), metered, nil, false},
		{"budget of a session", gates.Budget(gates.Limits{Scope: gates.ScopeSession, ModelCalls: 1, Cost: 1}), metered, nil, false},
		{"budget of both", gates.Budget(gates.Limits{Cost: 1}, gates.Limits{Scope: gates.ScopeProcess, ToolCalls: 1}),
			[]middleware.Kind{middleware.KindTool, middleware.KindPlan, middleware.KindModel}, nil, false},
		{"budget of time", gates.Budget(gates.Limits{WallTime: time.Second, ToolCalls: 1}), nil, nil, true},
	} {
		layers := middleware.Layers(tt.gate)
		if len(layers) != 1 {
			t.Errorf("%s: got layers %v", tt.name, layers)
			continue
		}
		l := layers[0]
		if !slices.Equal(l.Kinds, tt.kinds) || !slices.Equal(l.Tools, tt.tools) || l.PerRun != tt.perRun || !l.Gate || l.ID == nil {
			t.Errorf("%s: got %+v", tt.name, l)
		}
	}
}
