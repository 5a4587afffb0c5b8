package main

import (
	"context"
	"fmt"
	"os"
)

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// Nothing speaks against it, and it is seen as it comes
	//   | Sure! Pomeranians are a breed of dog that belong to the Canidae family and
	//   | the Canis genus. They are specifically classified as Canis lupus familiaris.
	//   | Pomeranians are a small breed of dog that are known for their fluffy coats,
	//   | perky ears, and lively personalities. They are a popular breed for
	//   | companionship and are often seen in various dog shows and competitions.
	//   84 of 84 chunks had come
	//
	// Refused when it was whole: none of it was released
	//   openai.LLM: denied by no-genus: nobody asked for the genus (policy)
	//   84 of 84 chunks had come
	//
	// The same, but all except the last 200 bytes is let go
	//   | Sure! Pomeranians are a breed of dog that belong to the Canidae family and
	//   | the Canis genus. They are specifically classified as Canis lupus familiaris.
	//   | Pomeranians
	//   openai.LLM: denied by no-genus: nobody asked for the genus (policy)
	//   84 of 84 chunks had come
	//
	// A budget of 40 tokens ends it in the middle
	//   | Sure! Pomeranians are a breed of dog that belong to the Canidae family and
	//   | the Canis genus. They are specifically classified as Canis lupus familiaris.
	//   | Pomeran
	//   openai.LLM: denied by budget: limit output_tokens of the run: asked 41, left 40 of 40 (over_budget)
	//   42 of 84 chunks had come
	//
	// It had to be JSON, and does not begin like that
	//   openai.LLM: denied by schema.output: what is streamed does not satisfy the schema taxonomy: the value must be JSON (byte 0) (bad_output)
	//   2 of 84 chunks had come
}
