// Package delivery delivers to something that may be away, and keeps trying: with a
// bound on each attempt, pauses that grow and are jittered, a bounded number of
// attempts, and a circuit breaker around all of them.
//
//	line := delivery.New(delivery.Config{})
//	err := line.Do(ctx, func(ctx context.Context) error { return post(ctx, body) })
//
// The error of an attempt says by its methods what is to be done, as a net.Error
// does: see [IsPermanent], [IsUnauthorized], [RetryAfter], [Taken], [Refused] and
// [Missing]. [StatusError] has them for answers of HTTP. After an error that has none
// of them another attempt is made.
//
// How often, with what pauses and how long not at all is in retry.go.
package delivery
