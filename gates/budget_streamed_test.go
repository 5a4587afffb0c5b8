package gates_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
	kit "example.com/safeconduct/middleware/middlewaretest"
)

// A budget counts what is streamed, and waits for no consumer of it once the call's
// context has ended.
func TestABudgetDoesNotWaitForAStuckConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		stuck := make(chan struct{})
		call := kit.Model("q")
		call.Stream = func(context.Context, middleware.Chunk) error {
			<-stuck
			return nil
		}
		returned := make(chan error, 1)
		go func() {
			_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				go func() { _ = call.Stream(ctx, middleware.Chunk{Text: []byte("chunk")}) }()
				<-ctx.Done()
				return middleware.Result{}, ctx.Err()
			}, gates.Budget(gates.Limits{Tokens: 1_000_000}))(ctx, call)
			returned <- err
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		select {
		case err := <-returned:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
		default:
			t.Error("the call waits for its consumer")
		}
		close(stuck)
	})
}

// A chunk that is on its way when the call returns takes nothing of the limit: the
// call was settled without it.
func TestAChunkAfterTheCallIsNotCounted(t *testing.T) {
	for name, stored := range map[string]bool{"in process": false, "in a store": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { chunkAfterTheCall(t, stored) }) })
	}
}

func chunkAfterTheCall(t *testing.T, stored bool) {
	var o gates.BudgetOptions
	if stored {
		o.Store = gates.NewMemory()
	}
	gate := gates.BudgetWith(o, gates.Limits{Scope: gates.ScopeTenant, Tokens: 100, Estimate: 10})
	late := make(chan struct{})
	slow := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			to := call.Stream
			call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
				<-late
				return to(context.WithoutCancel(ctx), chunk)
			}
			return next(ctx, call)
		}
	}
	tenant := middleware.WithIdentity(t.Context(), middleware.Identity{Tenant: "a"})
	ctx, cancel := context.WithCancel(tenant)
	call := kit.Model("q")
	call.Stream = func(context.Context, middleware.Chunk) error { return nil }
	go func() {
		_, _ = middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			go func() { _ = call.Stream(ctx, middleware.Chunk{Text: []byte(strings.Repeat("x", 300))}) }()
			<-ctx.Done()
			return middleware.Result{Usage: &middleware.Usage{InputTokens: 1, OutputTokens: 1, TotalTokens: 2, Reported: true}}, ctx.Err()
		}, gate, slow)(ctx, call)
	}()
	synctest.Wait()
	cancel()
	synctest.Wait()
	close(late)
	synctest.Wait()
	if _, err := middleware.Wrap(kit.Answer("yes", 1, 79), gate)(tenant, maxTokens(kit.Model("q"), 79)); err != nil {
		t.Errorf("got %v, want room for what the first call did not take", err)
	}
}

func maxTokens(call middleware.Call, n int) middleware.Call {
	call.Input.(*middleware.ModelRequest).MaxTokens = n
	return call
}
