// Package guard makes the guarded model of a program. // want package:"looked"
package guard

import (
	"example.com/safeconduct/adapters/langchaingo"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

func Model() llms.Model { // want Model:`returns map\[0:\[\]\]`
	m, _ := openai.New()
	return langchaingo.Model(m)
}
