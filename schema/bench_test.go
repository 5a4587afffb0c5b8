package schema_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// A load is a schema, an instance that satisfies it, and the same with an error.
type load struct{ name, schema, valid, invalid string }

// loads are a tool call of eight fields, forty nested fields, and a hundred
// objects.
func loads() []load {
	const call = `{
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
	const instance = `{"account":"DE89370400440532013000","amount":129.95,"currency":"EUR","reference":"Invoice 2024-0815 for advice","urgent":false,"copies":3,"tags":["travel","approved"],"note":"pay before the 5th"}`
	const wrong = `{"account":"DE89370400440532013000","amount":-1,"currency":"EUR","reference":"Invoice 2024-0815 for advice","urgent":false,"copies":3,"tags":["travel","approved"],"note":"pay before the 5th"}`

	const person = `{
		"type": "object",
		"required": ["name", "email", "address"],
		"properties": {
			"name": {"type": "string", "minLength": 1, "maxLength": 80},
			"email": {"type": "string", "format": "email"},
			"phone": {"type": "string", "pattern": "^\\+[0-9]{6,15}$"},
			"born": {"type": "string", "format": "date"},
			"member": {"type": "boolean"},
			"address": {
				"type": "object",
				"required": ["street", "city", "country"],
				"properties": {
					"street": {"type": "string"}, "number": {"type": "integer", "minimum": 1},
					"city": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9A-Z -]{3,10}$"},
					"country": {"enum": ["DE", "FR", "NL", "US"]}
				},
				"additionalProperties": false
			}
		},
		"additionalProperties": false
	}`
	const order = `{
		"type": "object",
		"required": ["id", "buyer", "seller", "lines", "total"],
		"properties": {
			"id": {"type": "string", "format": "uuid"},
			"placed": {"type": "string", "format": "date-time"},
			"buyer": {"$ref": "#/$defs/person"},
			"seller": {"$ref": "#/$defs/person"},
			"lines": {"type": "array", "minItems": 1, "maxItems": 20, "items": {
				"type": "object",
				"required": ["item", "count", "price"],
				"properties": {"item": {"type": "string"}, "count": {"type": "integer", "minimum": 1, "maximum": 1000}, "price": {"type": "number", "minimum": 0}, "discount": {"anyOf": [{"type": "number", "maximum": 1}, {"type": "null"}]}},
				"additionalProperties": false
			}},
			"total": {"type": "number", "minimum": 0},
			"note": {"type": ["string", "null"]}
		},
		"additionalProperties": false,
		"$defs": {"person": ` + person + `}
	}`
	const someone = `{"name":"Ada Lovelace","email":"ada@example.com","phone":"+4930123456","born":"1985-12-10","member":true,"address":{"street":"Unter den Linden","number":7,"city":"Berlin","zip":"10117","country":"DE"}}`
	const line = `{"item":"Paper, A4, 80 g, 500 sheets","count":12,"price":4.95,"discount":null}`
	const placed = `{"id":"7f2c1f0e-9a51-4d6c-8b1e-2f6f5d1c0a3b","placed":"2026-11-22T09:30:00Z","buyer":` + someone + `,"seller":` + someone + `,"lines":[` + line + `,` + line + `,` + line + `],"total":178.2,"note":"Leave it at the door"}`

	hundred := make([]string, 100)
	for i := range hundred {
		hundred[i] = strings.Replace(instance, "2024-0815", fmt.Sprintf("2024-%04d", i), 1)
	}
	list := "[" + strings.Join(hundred, ",") + "]"
	return []load{
		{"small", call, instance, wrong},
		{"medium", order, placed, strings.Replace(placed, `"count":12`, `"count":0`, 1)},
		{"large", `{"type":"array","items":` + call + `}`, list, strings.Replace(list, "129.95", "-1", 1)},
	}
}

// BenchmarkTargetValidate holds Validate to a fifteenth of what jsonschema takes
// with encoding/json.
func BenchmarkTargetValidate(b *testing.B) {
	for _, l := range loads() {
		b.Run(l.name, func(b *testing.B) {
			s, raw, text := schema.MustCompile("bench", l.schema), mustUpstream(b, l.schema), []byte(l.valid)
			validate := func() {
				if err := s.Validate(text); err != nil {
					b.Fatal(err)
				}
			}
			pair.WantAllocs(b, 0, validate)
			pair.Target(b, 1.0/15, func(n int) {
				for range n {
					if err := raw.Validate(decode(b, l.valid)); err != nil {
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
	for _, l := range loads() {
		b.Run(l.name, func(b *testing.B) {
			s, raw, text := schema.MustCompile("bench", l.schema), mustUpstream(b, l.schema), []byte(l.invalid)
			pair.Target(b, 1.3, func(n int) {
				for range n {
					if err := raw.Validate(decode(b, l.invalid)); err == nil {
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
	for _, l := range loads() {
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := schema.Compile("bench", []byte(l.schema)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkValidate(b *testing.B) {
	for _, l := range loads() {
		b.Run(l.name, func(b *testing.B) {
			s, text := schema.MustCompile("bench", l.schema), []byte(l.valid)
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
	l := loads()[0]
	gate := schema.Input(schema.Tools{"pay": schema.MustCompile("bench", l.schema)})
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{}, nil
	}, gate)
	for name, text := range map[string]string{"normal": l.valid, "spaced": strings.ReplaceAll(l.valid, `,"`, `, "`)} {
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
