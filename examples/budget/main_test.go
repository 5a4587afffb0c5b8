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
	// without a limit: 0.358800 dollars
	//   stopped by: agent not finished before max iterations
	// with a budget of 10 cents: 0.080730 dollars
	//   stopped by: limit cost of the run: asked 21420, left 19270 of 100000 micro-dollars
	// saved: 0.278070 dollars
}
