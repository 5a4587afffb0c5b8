// Package main says of some calls that they are unguarded on purpose.
package main

import (
	"context"

	"example.com/safeconduct/adapters/langchaingo"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/llms/openai"
)

func main() {
	ctx := context.Background()
	raw, _ := openai.New()
	raw.Call(ctx, "") //safeconduct:unguarded a health check, without a user's text
	//safeconduct:unguarded the same, on the line above
	raw.Call(ctx, "")
	/* want `this silences nothing` */ //safeconduct:unguarded two lines above

	raw.Call(ctx, "") // want `raw.Call goes around`

	//safeconduct:unguarded over several lines
	llms.GenerateFromSinglePrompt(
		ctx,
		raw,
		"",
	)
	llms.
		GenerateFromSinglePrompt(ctx, raw, "") //safeconduct:unguarded at the name
	if out, err := raw.Call(ctx, ""); err == nil { //safeconduct:unguarded within a statement
		println(out)
	}
	raw.Call(ctx, "")                    /* want `raw.Call goes around` `say why` */                                                                         //safeconduct:unguarded
	raw.Call(ctx, "")                    /* want `raw.Call goes around` `there is no //safeconduct:ungarded; did you mean //safeconduct:unguarded REASON` */ //safeconduct:ungarded for a reason
	raw.Call(ctx, "")                    /* want `raw.Call goes around` `this is a comment and silences nothing` */                                          // safeconduct:unguarded for a reason
	raw.Call(ctx, "")                    /* want `raw.Call goes around` `this is a comment and silences nothing` */                                          /*safeconduct:unguarded for a reason*/
	langchaingo.Model(raw).Call(ctx, "") /* want `this silences nothing` */                                                                                  //safeconduct:unguarded it is guarded

	raw.Call(ctx, "") //safeconduct:unguarded a comment at the end is of its own line
	raw.Call(ctx, "") // want `raw.Call goes around`
	ask(ctx, raw)     //safeconduct:unguarded where it is handed on
}

// This is prose about
// safeconduct: it is no directive.
func ask(ctx context.Context, m llms.Model) { m.Call(ctx, "") }
