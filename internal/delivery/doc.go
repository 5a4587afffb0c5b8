// Package delivery is what it takes to deliver to something that may be away: a
// bound on each attempt, pauses that grow and are jittered, a bounded number of
// attempts, and a circuit breaker around all of them.
//
//	line := delivery.New(delivery.Config{})
//	err := line.Do(ctx, func(ctx context.Context) error { return post(ctx, body) })
//
// What an attempt returns says by its methods what is to be done, as net.Error
// does: see [IsPermanent], [IsUnauthorized], [RetryAfter], [Taken], [Refused]
// and [Missing]. [StatusError] has them for answers of HTTP. An error that has none of them is tried again.
package delivery
