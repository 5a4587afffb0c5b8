// Policy-test has a policy, and in its test a table of what it decides.
package main

import (
	"fmt"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// policy is what guards the agents of a shop.
func policy() middleware.Interceptor {
	return middleware.Compose(
		gates.Tools("search", "refund"),
		gates.Arguments(gates.ArgumentRules{"refund": {
			gates.Arg("order", gates.Prefix("A-")),
			gates.Arg("euros", gates.Between(0, 100)),
		}}),
	)
}

func main() { fmt.Print(middleware.Onion(policy())) }
