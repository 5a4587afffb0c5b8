package gates_test

import (
	"testing"

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
		"loop": gates.Loop(gates.LoopRules{}),
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
		if panicOf(func() { middleware.Wrap(kit.Echo, gate, gate) }) == nil {
			t.Errorf("%s: got no panic where it stands twice", name)
		}
	}
}
