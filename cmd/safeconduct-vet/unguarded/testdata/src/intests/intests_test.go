package main

import (
	"context"
	"testing"

	"github.com/tmc/langchaingo/llms/openai"
)

var raw, _ = openai.New()

func TestModel(t *testing.T) {
	raw.Call(context.Background(), "")
	bot{raw}.ask()
}
