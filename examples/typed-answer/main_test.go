package main

func Example() {
	main()
	// Output:
	// {Category:billing Urgency:4} <nil>
	// {Category: Urgency:0} langchaingotest.Model: denied by schema.output: choice 1 does not satisfy the schema Ticket: the value must be JSON (byte 0) (bad_output)
}
