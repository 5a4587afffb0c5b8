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
	// The answer is 8.
	//
	// chain Executor, guarded by
	//  1 tools, stream of plans passed through
	//  2 budget, stream passed through
}
