package main

func Example() {
	main()
	// Output:
	// "acme" 200 {"answer":"42"}
	// "acme" 429 limit model_calls of the tenant: asked 1, left 0 of 1
	// "globex" 200 {"answer":"42"}
	// "" 403 the limits are of the tenant, and the run does not name its tenant: middleware.WithIdentity names it, and Limits.Nameless says what holds without
}
