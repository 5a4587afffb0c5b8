// Package main is looked at with -list and -tests.
package main

import (
	"context"

	_ "example.com/safeconduct/middleware"
	"github.com/tmc/langchaingo/llms/openai"
)

func main() {
	raw, _ := openai.New()
	raw.Call(context.Background(), "") /* want `unguarded on purpose: a health check` */ //safeconduct:unguarded a health check
}
