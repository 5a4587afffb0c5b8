package schema_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

// returns is a Handler that succeeds with an Output.
func returns(output any) middleware.Handler {
	return func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: output, Usage: &middleware.Usage{OutputTokens: 7}}, nil
	}
}

// run calls h as an adapter would, in a run of its own, under the interceptors.
func run(h middleware.Handler, call middleware.Call, is ...middleware.Interceptor) (middleware.Result, error) {
	return middleware.Wrap(h, is...)(context.Background(), call)
}

// wantDenied fails unless err is the gate's denial with the code and a reason that
// begins with want, and returns it.
func wantDenied(t *testing.T, what string, err error, gate string, code middleware.Code, want string) *middleware.DeniedError {
	t.Helper()
	var d *middleware.DeniedError
	if !errors.As(err, &d) {
		t.Errorf("%s: got %v, want a denial by %s", what, err, gate)
		return nil
	}
	if d.Gate != gate || d.Code != code || !strings.HasPrefix(d.Reason, want) {
		t.Errorf("%s:\ngot  %s (%s): %s\nwant %s (%s): %s", what, d.Gate, d.Code, d.Reason, gate, code, want)
	}
	return d
}
