// Package langchaingotest has doubles, which nothing guards.
package langchaingotest

import (
	"github.com/openai/openai-go/v3/option"
	"github.com/tmc/langchaingo/llms"
)

func NewModel() llms.Model { return nil }

func Option() option.RequestOption { return nil }
