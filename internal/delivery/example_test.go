package delivery_test

import (
	"context"
	"fmt"
	"time"

	"example.com/safeconduct/internal/delivery"
)

func ExampleNew() {
	line := delivery.New(delivery.Config{MinBackoff: time.Millisecond})
	n := 0
	err := line.Do(context.Background(), func(context.Context) error {
		if n++; n < 3 {
			return &delivery.StatusError{Status: 503}
		}
		return nil
	})
	fmt.Println(n, "attempts:", err)

	err = line.Do(context.Background(), func(context.Context) error {
		return &delivery.StatusError{Status: 400}
	})
	fmt.Println(err)
	// Output:
	// 3 attempts: <nil>
	// the answer was 400 Bad Request
}
