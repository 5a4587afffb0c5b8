package main

import (
	"context"
	"testing"

	"github.com/tmc/langchaingo/llms/openai"
)

func TestModel(t *testing.T) {
	raw, _ := openai.New()
	raw.Call(context.Background(), "") // want `raw.Call goes around`
}
