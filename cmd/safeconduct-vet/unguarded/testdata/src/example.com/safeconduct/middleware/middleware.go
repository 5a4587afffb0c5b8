// Package middleware has the names of safeconduct's.
package middleware

import "context"

type (
	Call        struct{ Input any }
	Result      struct{ Output any }
	Handler     func(ctx context.Context, call Call) (Result, error)
	Interceptor func(next Handler) Handler
)

func Wrap(h Handler, is ...Interceptor) Handler { return h }

func Before(gate string, check func(context.Context, Call) error) Interceptor { return nil }
