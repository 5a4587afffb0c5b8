package schema_test

import (
	"context"
	"strings"
	"testing"

	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/internal/sample"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
	"example.com/safeconduct/schema/internal/schematest"
)

// BenchmarkTargetValidate holds Validate to a fifteenth of what jsonschema takes
// with encoding/json.
func BenchmarkTargetValidate(b *testing.B) {
	for _, l := range sample.Loads() {
		b.Run(l.Name, func(b *testing.B) {
			s, raw, text := schema.MustCompile("bench", l.Schema), schematest.MustUpstream(b, l.Schema), []byte(l.Valid)
			validate := func() {
				if err := s.Validate(text); err != nil {
					b.Fatal(err)
				}
			}
			pair.WantAllocs(b, 0, validate)
			pair.Target(b, 1.0/15, func(n int) {
				for range n {
					if err := raw.Validate(schematest.Decode(b, l.Valid)); err != nil {
						b.Fatal(err)
					}
				}
			}, func(n int) {
				for range n {
					validate()
				}
			})
			b.ReportMetric(float64(len(text)), "bytes")
		})
	}
}

// BenchmarkTargetRefuse holds Validate of a wrong value to 1.3 times what
// jsonschema takes with encoding/json.
func BenchmarkTargetRefuse(b *testing.B) {
	for _, l := range sample.Loads() {
		b.Run(l.Name, func(b *testing.B) {
			s, raw, text := schema.MustCompile("bench", l.Schema), schematest.MustUpstream(b, l.Schema), []byte(l.Invalid)
			pair.Target(b, 1.3, func(n int) {
				for range n {
					if err := raw.Validate(schematest.Decode(b, l.Invalid)); err == nil {
						b.Fatal("got no error, want one")
					}
				}
			}, func(n int) {
				for range n {
					if err := s.Validate(text); err == nil {
						b.Fatal("got no error, want one")
					}
				}
			})
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, l := range sample.Loads() {
		b.Run(l.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schema.Compile("bench", []byte(l.Schema)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	for _, l := range sample.Loads() {
		b.Run(l.Name, func(b *testing.B) {
			s, text := schema.MustCompile("bench", l.Schema), []byte(l.Valid)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Validate(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A text that must be serialised again, and one that is as it should be.
func BenchmarkInput(b *testing.B) {
	l := sample.Payment()
	gate := schema.Input(schema.Tools{"pay": schema.MustCompile("bench", l.Schema)})
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, nil
	}, gate)
	for name, text := range map[string]string{"normal": l.Valid, "spaced": strings.ReplaceAll(l.Valid, `,"`, `, "`)} {
		b.Run(name, func(b *testing.B) {
			call := middleware.Call{Kind: middleware.KindTool, Name: "pay", Input: text}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h(context.Background(), call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWatch is one byte of a tool call that is judged while it arrives, in
// chunks of four.
func BenchmarkWatch(b *testing.B) {
	s := mustCompile(b, `{"type":"object","required":["to","amount"],"properties":{"to":{"type":"string","maxLength":64},"amount":{"type":"number","maximum":100},"note":{"type":"string"}},"additionalProperties":false}`)
	text := `{"to":"bob@example.com","amount":19.99,"note":"for the concert, with thanks"}`
	b.ReportAllocs()
	for range b.N / len(text) {
		if _, err := s.Early(text, []int{4}); err != nil {
			b.Fatal(err)
		}
	}
}
