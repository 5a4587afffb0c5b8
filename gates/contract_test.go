package gates_test

import (
	"context"
	"testing"
	"time"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// TestContractOfRules holds the gates that judge calls by rules against the
// contract of an interceptor.
func TestContractOfRules(t *testing.T) {
	all := []middleware.Call{
		kit.Tool("shell", `{"command":"ls"}`), kit.Plan(), kit.Model("hello"),
		kit.Chain("qa", map[string]any{"input": "hello"}), kit.Retriever("q"),
	}
	tests := map[string]func() middleware.Interceptor{
		"Loop": func() middleware.Interceptor {
			return gates.Loop(gates.LoopRules{Consecutive: 1000, Alternating: 500, Identical: 1000, Window: 1000, Denials: 1000})
		},
		"Deadline": func() middleware.Interceptor {
			return gates.Deadline(gates.DeadlineRules{Call: time.Hour, Run: time.Hour})
		},
		"Rate":                   func() middleware.Interceptor { return gates.Rate(gates.RateRules{Calls: 1000, Per: time.Second}) },
		"Rate, slow":             func() middleware.Interceptor { return gates.Rate(gates.RateRules{Calls: 3, Per: time.Hour}) },
		"Concurrency":            func() middleware.Interceptor { return gates.Concurrency(100, gates.DenyWhenFull) },
		"Concurrency, one":       func() middleware.Interceptor { return gates.Concurrency(1, gates.DenyWhenFull) },
		"Concurrency, one waits": func() middleware.Interceptor { return gates.Concurrency(1, gates.WaitWhenFull) },
		"Size":                   func() middleware.Interceptor { return gates.Size(gates.SizeRules{}) },
		"Size, small":            func() middleware.Interceptor { return gates.Size(gates.SizeRules{Input: 10, Output: 10, Depth: 1}) },
		"Arguments": func() middleware.Interceptor {
			return gates.Arguments(gates.ArgumentRules{"shell": {gates.Arg("command", gates.OneOf("ls"))}})
		},
		"Arguments, denied": func() middleware.Interceptor {
			return gates.Arguments(gates.ArgumentRules{"shell": {gates.Arg("command", gates.Not(gates.OneOf("ls")))}})
		},
		"Arguments, Check": func() middleware.Interceptor {
			return gates.Arguments(gates.ArgumentRules{"shell": {gates.Check(func(_ context.Context, _ middleware.Call, args map[string]any) error {
				return middleware.Deny("mine", "not this one")
			})}})
		},
		"Sources":        func() middleware.Interceptor { return gates.Sources(gates.SourceRules{}) },
		"Sources, drop":  func() middleware.Interceptor { return gates.Sources(gates.SourceRules{Drop: true}) },
		"Loop, defaults": func() middleware.Interceptor { return gates.Loop(gates.LoopRules{}) },
	}
	for name, gate := range tests {
		t.Run(name, func(t *testing.T) {
			if err := kit.TestInterceptor(gate, all...); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLayersOfRules checks what these gates say of themselves.
func TestLayersOfRules(t *testing.T) {
	for name, gate := range map[string]middleware.Interceptor{
		"loop":        gates.Loop(gates.LoopRules{}),
		"deadline":    gates.Deadline(gates.DeadlineRules{Call: time.Second}),
		"rate":        gates.Rate(gates.RateRules{Calls: 1, Per: time.Second}),
		"concurrency": gates.Concurrency(1, gates.WaitWhenFull),
		"size":        gates.Size(gates.SizeRules{}),
		"sources":     gates.Sources(gates.SourceRules{}),
		"arguments":   gates.Arguments(gates.ArgumentRules{"shell": {gates.Arg("command")}}),
	} {
		layers := middleware.Layers(gate)
		if len(layers) == 0 {
			t.Errorf("%s: got no layers", name)
		}
		for _, l := range layers {
			if l.Name != name || !l.Gate || l.ID == nil {
				t.Errorf("got layer %+v, want a gate %q with an ID", l, name)
			}
		}
		wantPanic(t, name, name+" stands twice in one order", func() { middleware.Wrap(kit.Echo, gate, gate) })
	}
}
