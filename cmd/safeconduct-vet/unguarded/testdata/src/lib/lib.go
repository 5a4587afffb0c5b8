// Package lib hands guarded and unguarded models to other packages. It does not use // want package:"looked"
// safeconduct itself, but by package guard.
package lib

import (
	"context"

	"guard"

	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

var Model = guard.Model() // want Model:"guarded true"

func Guarded() llms.Model { return guard.Model() } // want Guarded:`returns map\[0:\[\]\]`

func Raw() llms.Model { m, _ := openai.New(); return m }

func Same(m llms.Model) llms.Model { return m } // want Same:`returns map\[0:\[0\]\]`

func Ask(ctx context.Context, m llms.Model) { m.Call(ctx, "") } // want Ask:"calls map.1:m.Call."

type Bot struct {
	Model llms.Model // want Model:"called .b.Model.Call"
}

func NewBot(m llms.Model) *Bot { return &Bot{m} } // want NewBot:"calls map.0:b.Model.Call."

func (b *Bot) Chat(ctx context.Context) { b.Model.Call(ctx, "") }

func (b *Bot) Use(ctx context.Context, m llms.Model) { m.Call(ctx, "") } // want Use:"calls map.2:m.Call."
