// Package main has tests that call a model, which are not looked at.
package main

import (
	"context"

	"example.com/safeconduct/adapters/langchaingo"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

type bot struct{ model llms.Model }

func (b bot) ask() { b.model.Call(context.Background(), "") }

func main() {
	raw, _ := openai.New()
	bot{langchaingo.Model(raw)}.ask()
}
