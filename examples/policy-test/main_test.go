package main

func Example() {
	main()
	// Output:
	//  1 tools, stream of plans passed through
	//  2 arguments, stream of plans passed through
}
