package main

import (
	"context"
	"os"
)

func Example() {
	if err := run(context.Background(), os.Stdout); err != nil {
		os.Stdout.WriteString(err.Error())
	}
	// Output:
	// The answer is 8.
	//
	// chain Executor, guarded by
	//  1 tools
	//  2 budget
}
