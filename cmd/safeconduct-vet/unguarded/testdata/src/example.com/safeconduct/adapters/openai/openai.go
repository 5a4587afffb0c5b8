// Package openai stands for an adapter that guards a client by an option.
package openai

import "github.com/openai/openai-go/v3/option"

func Middleware() option.RequestOption { return nil }
