package schema_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/safeconduct/middleware"
	"example.com/safeconduct/middleware/middlewaretest"
	"example.com/safeconduct/schema"
)

// What an order for a whole run says of itself.
func Example() {
	transfer := schema.MustCompile("transfer", `{
		"type": "object",
		"required": ["to", "amount"],
		"properties": {
			"to":     {"type": "string", "format": "email"},
			"amount": {"type": "number", "maximum": 100}
		},
		"additionalProperties": false
	}`)
	answer := schema.MustCompile("answer", `{"type": "object", "required": ["risk"]}`)

	fmt.Print(middleware.Onion(
		schema.Input(schema.Tools{"transfer": transfer}),
		schema.Output(answer),
	))
	// Output:
	//  1 schema.input, stream of plans passed through
	//  2 schema.output
}

func ExampleCompile() {
	s, err := schema.Compile("order", []byte(`{"type": "object", "required": ["id"]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Validate([]byte(`{"id": 7}`)))

	_, err = schema.Compile("order", []byte(`{"properties": {"id": {"$ref": "https://example.com/id.json"}}}`))
	fmt.Println(err)
	// Output:
	// <nil>
	// schema: order: at /properties/id/$ref: "https://example.com/id.json" leads out of the schema: Options.Resources of CompileWith can hold what it names
}

func ExampleCompileWith() {
	order, err := schema.CompileWith("order", []byte(`{"properties": {"to": {"$ref": "address.json"}}}`), schema.Options{
		Resources: map[string][]byte{"address.json": []byte(`{"required": ["city"]}`)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(order.Validate([]byte(`{"to": {"street": "Elm Street"}}`)))
	// Output: schema: order: /to must have the property "city"
}

func ExampleMustCompile() {
	var city = schema.MustCompile("city", `{"enum": ["Paris", "Rome"]}`)

	fmt.Println(city.Validate([]byte(`"Rome"`)))
	fmt.Println(city.Validate([]byte(`"Atlantis"`)))
	// Output:
	// <nil>
	// schema: city: the value must be one of "Paris", "Rome"
}

func ExampleSchema_Validate() {
	order := schema.MustCompile("order", `{
		"properties": {"items": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
		"additionalProperties": false
	}`)

	err := order.Validate([]byte(`{"items": [1, 0, "two"], "card": "4111-1111-1111-1111"}`))
	var invalid *schema.ValidationError
	if errors.As(err, &invalid) {
		for _, v := range invalid.Violations {
			fmt.Printf("%q %s: %s\n", v.Pointer, v.Keyword, v.Reason)
		}
	}
	fmt.Println(order.Validate([]byte(`{"items": [1], "Items": [0]}`)))
	// Output:
	// "" additionalProperties: must have no properties other than "items"
	// "/items/1" minimum: must be at least 1
	// "/items/2" type: must be an integer
	// schema: order: the value must not have properties whose names differ in case alone
}

func ExampleSchema_Normalize() {
	order := schema.MustCompile("order", `{"type": "object"}`)

	text, err := order.Normalize([]byte(`{ "price": 9.50,  "\u0069d": 7 }`))
	fmt.Printf("%s %v\n", text, err)
	// Output: {"price":9.50,"id":7} <nil>
}

func ExampleSchema_ValidateValue() {
	order := schema.MustCompile("order", `{"properties": {"id": {"minimum": 1}}}`)

	fmt.Println(order.ValidateValue(map[string]any{"id": 0}))
	// Output: schema: order: /id must be at least 1
}

func ExampleOutput() {
	answer := schema.MustCompile("answer", `{
		"type": "object",
		"required": ["risk"],
		"properties": {"risk": {"enum": ["low", "high"]}}
	}`)
	agent := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: map[string]any{"output": `{"risk": "rather low"}`}}, nil
	}, schema.Output(answer))

	_, err := agent(context.Background(), middleware.Call{Kind: middleware.KindChain, Name: "agent"})
	fmt.Println(err)
	// Output: agent: denied by schema.output: the output does not satisfy the schema answer: /risk must be one of "low", "high" (bad_output)
}

// The model says it in prose first, is asked again, and does better.
func ExampleBoundary() {
	score := schema.MustCompile("score", `{"type": "object", "properties": {"points": {"maximum": 10}}}`)
	answers := []string{"I would give it eleven points.", `{"points": 11}`, "Sorry! ```json\n{\"points\": 10}\n```"}
	model := middleware.Wrap(func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		messages := call.Input.(*middleware.ModelRequest).Messages
		text, _, _ := strings.Cut(messages[len(messages)-1].Parts[0].Text, " The schema: ")
		fmt.Println(text)
		answer := answers[0]
		answers = answers[1:]
		return middleware.Result{Output: &middleware.ModelResponse{Choices: []middleware.Choice{{Text: answer}}}}, nil
	}, schema.Boundary(schema.BoundaryRules{Schema: score, Extract: true, Reasks: 2}))

	res, err := model(context.Background(), middlewaretest.Model("How many points does it get?"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Output.(*middleware.ModelResponse).Choices[0].Text)
	// Output:
	// How many points does it get?
	// Your answer was refused: choice 1 does not satisfy the schema score: the value must be JSON: there is no JSON in the text. Answer again with nothing but JSON that satisfies the schema.
	// Your answer was refused: choice 1 does not satisfy the schema score: /points must be at most 10. Answer again with nothing but JSON that satisfies the schema.
	// {"points":10}
}

func ExampleInput() {
	gate := schema.Input(schema.Tools{
		"transfer": schema.MustCompile("transfer", `{"properties": {"amount": {"type": "number", "maximum": 100}}}`),
	})
	transfer := middleware.Wrap(func(_ context.Context, call middleware.Call) (middleware.Result, error) {
		fmt.Println("transfer", call.Input)
		return middleware.Result{Output: "done"}, nil
	}, gate)

	for _, arguments := range []string{`{"amount": 50}`, `{"amount": 5000}`, `{"amount": 50, "Amount": 5000}`} {
		if _, err := transfer(context.Background(), middleware.Call{Kind: middleware.KindTool, Name: "transfer", Input: arguments}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// transfer {"amount":50}
	// transfer: denied by schema.input: the input does not satisfy the schema transfer: /amount must be at most 100 (bad_input)
	// transfer: denied by schema.input: the input does not satisfy the schema transfer: the value must not have properties whose names differ in case alone (bad_input)
}

func ExampleFor() {
	type transfer struct {
		To     string    `json:"to" jsonschema:"an account"`
		Amount int8      `json:"amount"`
		On     time.Time `json:"on,omitzero"`
	}
	s, err := schema.For[transfer]()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", s.JSON())
	fmt.Println(s.Validate([]byte(`{"to": "bob", "amount": 128, "note": "x"}`)))
	// Output:
	// {"type":"object","properties":{"to":{"type":"string","description":"an account"},"amount":{"type":"integer","minimum":-128,"maximum":127},"on":{"type":"string","format":"date-time"}},"required":["to","amount"],"additionalProperties":false}
	// schema: transfer: the value must have no properties other than "amount", "on", "to"; /amount must be at most 127
}

func ExampleMustFor() {
	type verdict struct {
		Risk string `json:"risk"`
	}
	var verdictSchema = schema.MustFor[verdict]()

	fmt.Println(verdictSchema.Validate([]byte(`{"risk": 5}`)))
	// Output: schema: verdict: /risk must be a string
}

func ExampleDecode() {
	type verdict struct {
		Risk    string   `json:"risk"`
		Reasons []string `json:"reasons,omitempty"`
	}
	s := schema.MustFor[verdict]()

	v, err := schema.Decode[verdict](s, []byte(`{"risk": "low", "reasons": ["small"]}`))
	fmt.Println(v.Risk, v.Reasons, err)

	_, err = schema.Decode[verdict](s, []byte(`{"risk": "low", "Risk": "high"}`))
	fmt.Println(err)
	// Output:
	// low [small] <nil>
	// schema: verdict: the value must not have properties whose names differ in case alone
}

func ExampleSchema_Lint() {
	transfer := schema.MustCompile("transfer", `{
		"type": "object",
		"properties": {"amount": {"type": "number", "maxLength": 3}},
		"requierd": ["amount"]
	}`)
	for _, w := range transfer.Lint() {
		fmt.Println(w)
	}
	// Output:
	// /requierd is no keyword: required is one
	// /properties/amount/maxLength has no effect on the type that is declared
}

func ExampleSchema_JSON() {
	city := schema.MustCompile("city", `{"enum": ["Paris", "Rome"]}`)
	fmt.Printf("%s\n", city.JSON())
	// Output: {"enum": ["Paris", "Rome"]}
}
