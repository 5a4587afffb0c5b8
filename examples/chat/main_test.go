package main

func Example() {
	main()
	// Output:
	// Good evening. <nil>
	//  langchaingotest.Model: denied by budget: limit tokens of the session: asked 186, left 185 of 200 (over_budget)
	//  langchaingotest.Model: denied by budget: limit tokens of the session: asked 186, left 185 of 200 (over_budget)
}
