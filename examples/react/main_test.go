package main

func Example() {
	main()
	// Output:
	// ran: listed /tmp
	// ran: removed /tmp/old.log
	// Removed what I may remove. <nil>
}
