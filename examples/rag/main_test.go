package main

func Example() {
	main()
	// Output:
	// "Refunds take 5 days." <nil>
	// asked: Use the following pieces of context to answer the question at the end. If you don't know the answer, just say that you don't know, don't try to make up an answer.
	//
	// Refunds take 5 days.
	//
	// Question: How long do refunds take?
	// Helpful Answer:
	// "" main.store: denied by sources: document 2 of 2: "source" must be at or below "handbook" (policy)
}
