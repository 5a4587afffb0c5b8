package main

import (
	"example.com/safeconduct/adapters/langchaingo"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

// Each argument that is not guarded is reported, once.
func each() {
	raw, _ := openai.New()
	other, _ := openai.New()
	model := langchaingo.Model(raw)

	compare(model, langchaingo.Model(other))
	compare(raw, model)   // want `compare, which calls a.Call, goes around the guards: its model comes from openai.New \(line 11\)`
	compare(model, other) // want `compare, which calls b.Call, goes around the guards: its model comes from openai.New \(line 12\)`
	compare(raw, other)   // want `which calls a.Call, .* \(line 11\)` `which calls b.Call, .* \(line 12\)`
	compare(raw, raw)     // want `which calls a.Call, .* \(line 11\)` `which calls b.Call, .* \(line 11\)`
	either(raw)           // want `either, which calls m.Call, goes around`
	handOn(fourth)
	for _, f := range []func(a, b llms.Model){compare, backwards} {
		f(raw, other) // want `f, which calls a.Call, .* \(line 11\)` `f, which calls b.Call, .* \(line 12\)`
	}
}

// fourth is called by nobody here, but handed on.
func fourth(a, b llms.Model, n int) {
	if a == nil {
		a = b
	}
	a.Call(ctx, "") // want `a.Call goes around the guards: its model is a parameter of a func that is handed on`
}

func compare(a, b llms.Model) {
	a.Call(ctx, "")
	b.Call(ctx, "")
}

func backwards(b, a llms.Model) {
	b.GenerateContent(ctx, nil)
	a.GenerateContent(ctx, nil)
}

func either(m llms.Model) {
	m.Call(ctx, "")
	m.GenerateContent(ctx, nil)
}
