package gates_test

import (
	"context"
	"errors"
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
