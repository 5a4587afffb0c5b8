package main

import (
	"os"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

// A value that can be this or that is guarded if both are, and of those that are not
// the first is named.
func every() {
	makers := map[string]func() llms.Model{}
	first := makers["a"]
	if len(os.Args) > 1 {
		first = safeModel
	}
	first().Call(ctx, "") // want `Call goes around the guards: its model comes from a func value`
	second := safeModel
	if len(os.Args) > 1 {
		second = makers["a"]
	}
	second().Call(ctx, "") // want `Call goes around the guards: its model comes from a func value`
	Maker().Call(ctx, "")  // want `Call goes around the guards: its model comes from a func value`

	one, _ := openai.New()
	two, _ := openai.New()
	three, _ := openai.New()
	for range 2 {
		p := &mixed{one}
		switch len(os.Args) {
		case 2:
			p = &mixed{two}
		case 3:
			p = &mixed{three}
		}
		p.model.Call(ctx, "") // want `comes from openai.New \(line 26\)`
		func() {
			p.model.Call(ctx, "") // want `comes from openai.New \(line 26\)`
		}()
	}
}

// Maker is for other packages to assign to.
var Maker func() llms.Model
