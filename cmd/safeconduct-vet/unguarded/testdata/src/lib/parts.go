package lib

import (
	"context"

	"guard"

	"github.com/tmc/langchaingo/llms"
)

func Use(ctx context.Context, p guard.Parts) { // want Use:"calls map.1:p.Model.Call p.Tool.Call."
	p.Model.Call(ctx, "")
	p.Tool.Call(ctx, "")
}

func Both(ctx context.Context, a, b llms.Model) { // want Both:"calls map.1:a.Call 2:b.Call."
	a.Call(ctx, "")
	b.Call(ctx, "")
}

type Kit struct {
	Parts guard.Parts // want Parts:"called .k.Parts.Model.Call k.Parts.Tool.Call."
}

func (k *Kit) Work(ctx context.Context) {
	k.Parts.Model.Call(ctx, "")
	k.Parts.Tool.Call(ctx, "")
}

func Pair(m llms.Model) (safe, same llms.Model) { return guard.Model(), m } // want Pair:`returns map\[0:\[\] 1:\[0\]\]`
