// Package main uses what other packages of a program give it.
package main

import (
	"context"

	_ "example.com/safeconduct/middleware"
	"guard"
	"lib"
)

func main() {
	ctx := context.Background()
	guard.Model().Call(ctx, "")
	lib.Guarded().Call(ctx, "")
	lib.Raw().Call(ctx, "") // want `Call goes around the guards: its model comes from lib.Raw`
	lib.Model.Call(ctx, "")
	lib.Same(guard.Model()).Call(ctx, "")
	lib.Same(lib.Raw()).Call(ctx, "") // want `Call goes around the guards: its model comes from lib.Raw`

	lib.Ask(ctx, guard.Model())
	lib.Ask(ctx, lib.Raw()) // want `lib.Ask, which calls m.Call, goes around`
	lib.NewBot(guard.Model()).Chat(ctx)
	lib.NewBot(lib.Raw()).Chat(ctx) // want `lib.NewBot, which calls b.Model.Call, goes around`
	b := lib.Bot{Model: guard.Model()}
	b.Model = lib.Raw() // want `assigning Model, which calls b.Model.Call, goes around`
	b.Use(ctx, guard.Model())
	b.Use(ctx, lib.Raw()) // want `b.Use, which calls m.Call, goes around`
}
