package main

func Example() {
	main()
	// Output:
	// refunded order 17
	// Denied (over_budget): limit tool_calls of the run: asked 1, left 0 of 1. Do not repeat this call: finish with what you have.
}
