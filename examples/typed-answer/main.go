// Typed-answer asks a model for a Go struct. An answer that is none, or makes no sense, is
// asked for again.
package main

import (
	"context"
	"fmt"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/adapters/langchaingo/langchaingotest"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/schema"
)

// A Ticket is what the model makes of a complaint.
type Ticket struct {
	Category string `json:"category" jsonschema:"billing, outage or other"`
	Urgency  int    `json:"urgency" jsonschema:"from 1, can wait, to 5, at once"`
}

func main() {
	// A script; yours may be openai.New(). Its first answer is prose.
	model := langchaingotest.NewModel(nil,
		langchaingotest.Say("That sounds urgent!"),
		langchaingotest.Say(`{"category": "billing", "urgency": 4}`),
		langchaingotest.Say("I will not say.").Always())

	ask := langchaingo.Ask(model, gates.Budget(gates.Limits{ModelCalls: 2, Tokens: 5_000}))
	rules := schema.BoundaryRules{Reasks: 1}
	for range 2 {
		ticket, err := schema.Run[Ticket](context.Background(), ask, schema.Prompt("Triage: I was charged twice in May!"), rules)
		fmt.Printf("%+v %v\n", ticket, err)
	}
}
