package schema_test

import (
	"context"
	"testing"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// A tool call of eight fields.
const (
	benchSchema = `{
		"type": "object",
		"required": ["account", "amount", "currency"],
		"properties": {
			"account":   {"type": "string", "minLength": 15, "maxLength": 34},
			"amount":    {"type": "number", "exclusiveMinimum": 0, "maximum": 10000},
			"currency":  {"enum": ["EUR", "USD", "GBP"]},
			"reference": {"type": "string", "maxLength": 140},
			"urgent":    {"type": "boolean"},
			"copies":    {"type": "integer", "minimum": 1},
			"tags":      {"type": "array", "items": {"type": "string"}, "maxItems": 5},
			"note":      {"type": "string"}
		},
		"additionalProperties": false
	}`
	benchInstance = `{"account":"DE89370400440532013000","amount":129.95,"currency":"EUR","reference":"Invoice 2024-0815 for advice","urgent":false,"copies":3,"tags":["travel","approved"],"note":"pay before the 5th"}`
)

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Compile("bench", []byte(benchSchema)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	s, instance := schema.MustCompile("bench", benchSchema), []byte(benchInstance)
	b.SetBytes(int64(len(instance)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(instance); err != nil {
			b.Fatal(err)
		}
	}
}

// What it takes to decode and validate with encoding/json and jsonschema alone.
func BenchmarkUpstream(b *testing.B) {
	s := mustUpstream(b, benchSchema)
	b.SetBytes(int64(len(benchInstance)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Validate(decode(b, benchInstance)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInput(b *testing.B) {
	gate := schema.Input(schema.Tools{"pay": schema.MustCompile("bench", benchSchema)})
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, nil
	}, gate)
	call := middleware.Call{Kind: middleware.KindTool, Name: "pay", Input: benchInstance}
	b.SetBytes(int64(len(benchInstance)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h(context.Background(), call); err != nil {
			b.Fatal(err)
		}
	}
}
