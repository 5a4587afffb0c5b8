package langchaingo_test

import (
	"context"
	"testing"

	"github.com/tmc/langchaingo/tools"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/evidence"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// BenchmarkTool is one call of a tool that does nothing, within a run: bare,
// through ingress, allowlist and budget, and through a recorder besides.
func BenchmarkTool(b *testing.B) {
	const plenty = 1 << 60
	noop := &funcTool{"noop", func(context.Context, string) (string, error) { return "ok", nil }}
	guard := middleware.Compose(
		gates.Ingress(gates.IngressRules{}),
		gates.Tools("noop"),
		gates.Budget(gates.Limits{ToolCalls: plenty}, gates.Limits{Scope: gates.ScopeProcess, ToolCalls: plenty}),
	)
	recorder, err := evidence.Open(b.TempDir(), evidence.Config{ReadOnly: []string{"noop"}, Queue: 1 << 20})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := recorder.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	for _, tt := range []struct {
		name string
		tool tools.Tool
		is   []middleware.Interceptor
	}{
		{"bare", noop, nil},
		{"guarded", langchaingo.Tool(noop, guard), []middleware.Interceptor{guard}},
		{"recorded", langchaingo.Tool(noop, recorder.Intercept, guard), []middleware.Interceptor{recorder.Intercept, guard}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			use := func(ctx context.Context) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := tt.tool.Call(ctx, "input"); err != nil {
						b.Fatal(err)
					}
				}
			}
			if tt.is == nil {
				use(b.Context())
			} else if err := kit.InRun(use, tt.is...); err != nil {
				b.Fatal(err)
			}
		})
	}
}
