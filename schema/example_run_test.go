package schema_test

import (
	"context"
	"fmt"
	"strings"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema"
)

// What a model is told in its prompt, where nothing else does it.
func ExampleInstructions() {
	s := schema.MustCompile("mood", `{"enum": ["good", "bad"]}`)
	fmt.Println("How did the customer feel?", schema.Instructions(s))
	// Output: How did the customer feel? Answer with nothing but JSON, and no text or code block around it. It must satisfy this JSON Schema: {"enum":["good","bad"]}
}

// A Triage is what the program wants to know of a ticket.
type Triage struct {
	Category string `json:"category" jsonschema:"billing, bug or other"`
	Urgency  int    `json:"urgency" jsonschema:"from 1 to 5"`
}

// The first answer is prose, so the model is asked again. Ask of adapters/langchaingo
// makes an ask of a model of langchaingo.
func ExampleRun() {
	answers := []string{"This is about billing.", `{"category":"billing","urgency":4}`}
	model := func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		messages := call.Input.(*middleware.ModelRequest).Messages
		told, _, _ := strings.Cut(messages[len(messages)-1].Parts[0].Text, "Answer")
		fmt.Printf("%q\n", told)
		text := answers[0]
		answers = answers[1:]
		return middleware.Result{Output: &middleware.ModelResponse{Choices: []middleware.Choice{{Text: text}}}}, nil
	}
	ask := func(is ...middleware.Interceptor) middleware.Handler {
		return middleware.Wrap(model, append(is, gates.Budget(gates.Limits{ModelCalls: 3}))...)
	}
	triage, err := schema.Run[Triage](context.Background(), ask, schema.Prompt("I was charged twice!"), schema.BoundaryRules{Reasks: 2})
	fmt.Printf("%+v %v\n", triage, err)
	// Output:
	// "I was charged twice!\n\n"
	// "Your answer was refused: choice 1 does not satisfy the schema Triage: the value must be JSON (byte 0). "
	// {Category:billing Urgency:4} <nil>
}

func ExamplePrompt() {
	request := schema.Prompt("I was charged twice!")
	request.Temperature = 0.1
	fmt.Println(request.Messages[0].Role, request.Messages[0].Parts[0].Text)
	// Output: human I was charged twice!
}
