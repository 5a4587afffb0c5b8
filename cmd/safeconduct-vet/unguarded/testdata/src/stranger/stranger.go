// Package main does not use safeconduct.
package main

import (
	"context"

	"github.com/tmc/langchaingo/llms/openai"
)

func main() {
	raw, _ := openai.New()
	raw.Call(context.Background(), "")
	raw.Call(context.Background(), "") /* want `this silences nothing: neither the package nor its module uses safeconduct` */ //safeconduct:unguarded why
}
