// Package main hands models on to funcs that call them.
package main

import (
	"context"

	"example.com/safeconduct/adapters/langchaingo"
	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
	"github.com/tmc/langchaingo/tools"
)

var ctx = context.Background()

func main() {
	raw, _ := openai.New()
	model := langchaingo.Model(raw)

	ask(model)
	ask(raw) // want `ask, which calls llms.GenerateFromSinglePrompt, goes around the guards: its model comes from openai.New \(line 17\); wrap it with langchaingo.Model`
	twice(model)
	twice(raw) // want `twice, which calls llms.GenerateFromSinglePrompt, goes around`
	all(langchaingo.Tools([]tools.Tool{tools.Calculator{}}))
	all([]tools.Tool{tools.Calculator{}}) // want `all, which calls t.Call, goes around`
	variadic(model, model)
	variadic(model, raw) // want `variadic, which calls m.Call, goes around`
	go ask(raw)          // want `ask, which calls`

	newBot(model).chat()
	newBot(raw).chat() // want `newBot, which calls b.model.Call, goes around`
	var b bot
	b.use(model)
	b.use(raw) // want `b.use, which calls m.Call, goes around`

	for _, f := range []func(llms.Model){first, second} {
		f(model)
		f(raw) // want `f, which calls m.Call, goes around`
	}
	var u user = &b
	u.use(raw) // want `u.use, which calls m.Call, goes around`
	keep(raw)
	handOn(third)
	handOn2(chains.Run) // want `chains.Run is handed on as a func`
	handOn2(func(ctx context.Context, c chains.Chain, in any, o ...chains.ChainCallOption) (string, error) {
		return chains.Run(ctx, langchaingo.Chain(c), in)
	})
}

func ask(m llms.Model) { llms.GenerateFromSinglePrompt(ctx, m, "") }

func twice(m llms.Model) { ask(m); ask(m) }

func all(ts []tools.Tool) {
	for _, t := range ts {
		t.Call(ctx, "")
	}
}

func variadic(ms ...llms.Model) {
	for _, m := range ms {
		m.Call(ctx, "")
	}
}

type bot struct{ model llms.Model }

func newBot(m llms.Model) *bot { return &bot{m} }

func (b *bot) chat() { b.model.Call(ctx, "") }

func (b *bot) use(m llms.Model) { m.Call(ctx, "") }

type user interface{ use(llms.Model) }

func first(m llms.Model)  { m.Call(ctx, "") }
func second(m llms.Model) { m.Call(ctx, "") }

// third is called by nobody here, but handed on.
func third(m llms.Model, n int) { m.Call(ctx, "") } // want `m.Call goes around the guards: its model is a parameter of a func that is handed on`

func handOn(any) {}

func handOn2(func(context.Context, chains.Chain, any, ...chains.ChainCallOption) (string, error)) {}

// keep makes no call.
func keep(m llms.Model) chains.Chain { return langchaingo.Chain(chains.NewLLMChain(m, "")) }
