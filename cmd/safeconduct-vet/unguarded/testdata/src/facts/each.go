package main

import (
	"context"

	"example.com/safeconduct/adapters/langchaingo"
	"guard"
	"lib"

	"github.com/tmc/langchaingo/tools"
)

// Each argument that is not guarded is reported, and each kind of what it holds.
func each(ctx context.Context) {
	lib.Both(ctx, guard.Model(), guard.Model())
	lib.Both(ctx, lib.Raw(), guard.Model()) // want `lib.Both, which calls a.Call, goes around`
	lib.Both(ctx, guard.Model(), lib.Raw()) // want `lib.Both, which calls b.Call, goes around`
	lib.Both(ctx, lib.Raw(), lib.Raw())     // want `which calls a.Call, goes around` `which calls b.Call, goes around`

	safe, same := lib.Pair(lib.Raw())
	safe.Call(ctx, "")
	same.Call(ctx, "") // want `same.Call goes around the guards: its model comes from lib.Raw`

	calc := tools.Calculator{}
	whole := guard.Parts{Model: guard.Model(), Tool: langchaingo.Tool(calc)}
	half := guard.Parts{Model: guard.Model(), Tool: calc}
	none := guard.Parts{Model: lib.Raw(), Tool: calc}
	lib.Use(ctx, whole)
	lib.Use(ctx, half) // want `lib.Use, which calls p.Tool.Call, goes around the guards: its tool comes from`
	lib.Use(ctx, none) // want `its model comes from lib.Raw`
	use(ctx, whole)
	use(ctx, half) // want `use, which calls p.Tool.Call, goes around the guards: its tool comes from`
	use(ctx, none) // want `use, which calls p.Model.Call, goes around the guards: its model comes from lib.Raw`
	var k lib.Kit
	k.Parts = whole
	k.Parts = half // want `assigning Parts, which calls k.Parts.Tool.Call, goes around the guards: its tool comes from`
	k.Work(ctx)
}

func use(ctx context.Context, p guard.Parts) {
	p.Model.Call(ctx, "")
	p.Tool.Call(ctx, "")
}
