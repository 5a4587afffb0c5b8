package gates_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// ruled are all gates of rules, in an order as it would be used.
func ruled(inner ...middleware.Interceptor) []middleware.Interceptor {
	return append([]middleware.Interceptor{
		gates.Loop(gates.LoopRules{}), middleware.Tell, gates.Size(gates.SizeRules{}), gates.Tools("a"),
		gates.Arguments(gates.ArgumentRules{"a": {gates.OptionalArg("x")}}),
		gates.Deadline(gates.DeadlineRules{Call: 1 << 40}), gates.Rate(gates.RateRules{Calls: 1000, Per: 1}), gates.Concurrency(1, gates.DenyWhenFull),
	}, inner...)
}

// TestAPanicOfAGateDenies shows that a gate that panics denies, says nothing of
// the panic's value, and keeps its stack for the operator.
func TestAPanicOfAGateDenies(t *testing.T) {
	var spy kit.Spy
	gate := middleware.Before("mine", func(context.Context, middleware.Call) error { panic("secret") })
	var seen error
	_, _ = middleware.Wrap(spy.Handle, lenient(&seen), gate)(t.Context(), kit.Tool("a", "{}"))
	d := kit.WantDenied(t, seen, middleware.CodeIndeterminate)
	var p *middleware.PanicError
	if d.Gate != "mine" || strings.Contains(seen.Error(), "secret") || !errors.As(seen, &p) || len(p.Stack) == 0 || len(spy.Calls()) > 0 {
		t.Errorf("got %+v", d)
	}
}

// TestAPanicOfAToolIsItsError shows that the panic of a tool comes back as a
// typed error through all gates, and that they go on as if it had failed.
func TestAPanicOfAToolIsItsError(t *testing.T) {
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) { panic("secret") }, ruled()...)
	for range 3 {
		_, err := h(t.Context(), kit.Tool("a", "{}"))
		var p *middleware.PanicError
		if !errors.As(err, &p) || p.Call != "a" || p.Kind != middleware.KindTool || isDenial(err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}

// TestAToolThatEndsItsGoroutine shows that the gates give back what such a call
// held: the next one runs.
func TestAToolThatEndsItsGoroutine(t *testing.T) {
	ends := true
	h := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		if ends {
			runtime.Goexit()
		}
		return kit.Echo(ctx, call)
	}, ruled()...)
	returned := false
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = h(t.Context(), kit.Tool("a", "{}"))
		returned = true
	})
	wg.Wait()
	if returned {
		t.Error("the call returned")
	}
	ends = false
	if _, err := h(t.Context(), kit.Tool("a", "{}")); err != nil {
		t.Errorf("the next call: got %v", err)
	}
}

// TestWhatIsNotClearlyAllowedIsDenied shows that a gate which gives a denial
// without a code, an empty one, an error of its own, or an output beside its
// error denies.
func TestWhatIsNotClearlyAllowedIsDenied(t *testing.T) {
	var none *middleware.DeniedError
	both := middleware.Named("both", func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			res, _ := next(ctx, call)
			return res, errors.New("and yet")
		}
	})
	check := func(err error) middleware.Interceptor {
		return middleware.Before("mine", func(context.Context, middleware.Call) error { return err })
	}
	byRule := func(err error) middleware.Interceptor {
		return gates.Arguments(gates.ArgumentRules{"a": {gates.Check(func(context.Context, middleware.Call, map[string]any) error { return err })}})
	}
	for name, tt := range map[string]struct {
		gate middleware.Interceptor
		code middleware.Code
	}{
		"an error":                 {check(errors.New("x")), middleware.CodeIndeterminate},
		"a denial of no code":      {check(&middleware.DeniedError{}), middleware.CodePolicy},
		"a denial of unknown code": {check(&middleware.DeniedError{Code: "mine"}), "mine"},
		"a nil denial":             {check(none), middleware.CodeIndeterminate},
		"an output and an error":   {both, middleware.CodeIndeterminate},
		"a rule's error":           {byRule(errors.New("x")), middleware.CodeIndeterminate},
		"a rule's nil denial":      {byRule(none), middleware.CodeIndeterminate},
		"a rule's empty denial":    {byRule(&middleware.DeniedError{}), middleware.CodePolicy},
	} {
		res, err := middleware.Wrap(kit.Echo, tt.gate)(t.Context(), kit.Tool("a", "{}"))
		if !denied(err, tt.code) || res.Output != nil {
			t.Errorf("%s: got %v, %v, want a denial with code %s", name, res.Output, err, tt.code)
		}
	}
}

// TestAChainThatCallsItselfIsTooDeep shows that a chain which calls a tool which
// calls the chain is denied before the stack overflows, under all gates.
func TestAChainThatCallsItselfIsTooDeep(t *testing.T) {
	var chain, tool middleware.Handler
	depth, is := 0, ruled()
	is = append(is[:1:1], is[2:]...) // nobody is told: the denial comes out
	var deepest error
	tool = middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		return chain(ctx, kit.Chain("c", nil))
	}, is...)
	chain = middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		depth++
		_, err := tool(ctx, kit.Tool("a", `{"x":`+strings.Repeat(" ", depth)+quoteUTF8(strings.Repeat("y", depth))+"}"))
		if deepest == nil {
			deepest = err
		}
		return middleware.Result{Output: map[string]any{}}, err
	}, is...)
	_, err := chain(t.Context(), kit.Chain("c", nil))
	kit.WantDenied(t, err, middleware.CodeTooDeep)
	kit.WantDenied(t, deepest, middleware.CodeTooDeep)
	if depth != middleware.MaxDepth/2 {
		t.Errorf("got %d chains deep, want %d", depth, middleware.MaxDepth/2)
	}
}
