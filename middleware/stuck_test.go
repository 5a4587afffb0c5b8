package middleware_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"example.com/safeconduct/middleware"
)

// A consumer that does not take its chunk does not hold up a call whose context has
// ended and whose client has returned, and gets no chunk after.
func TestAStuckConsumerDoesNotHoldUpACallThatWasCancelled(t *testing.T) {
	gate := middleware.After("gate", allowResult)
	for name, is := range map[string][]middleware.Interceptor{
		"no gate":      {pass},
		"buffer":       {pass, gate},
		"window":       {middleware.Window(1, gate)},
		"pass-through": {middleware.PassThrough(gate)},
		"several":      {middleware.PassThrough(gate), middleware.Window(1, middleware.After("other", allowResult))},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				stuck := make(chan struct{})
				got := 0
				call := tool("")
				call.Stream = func(context.Context, middleware.Chunk) error {
					got++
					<-stuck
					return nil
				}
				var client error
				returned := make(chan error, 1)
				go func() {
					_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						go func() {
							for range 3 {
								client = errors.Join(client, call.Stream(context.Background(), middleware.Chunk{Text: []byte("chunk")}))
							}
						}()
						<-ctx.Done()
						return middleware.Result{}, ctx.Err()
					}, is...)(ctx, call)
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
				synctest.Wait()
				if got > 1 {
					t.Errorf("the consumer got %d chunks, want none after the call", got)
				}
				if name != "buffer" && client == nil {
					t.Error("the client was not told that the call has ended")
				}
			})
		})
	}
}

// A call whose context goes on waits for a chunk that is on its way out, and for no
// other: nothing leaves after it.
func TestACallWaitsForTheChunkThatLeaves(t *testing.T) {
	gate := middleware.After("gate", allowResult)
	for name, i := range map[string]middleware.Interceptor{"no gate": pass, "window": middleware.Window(1, gate),
		"pass-through": middleware.PassThrough(gate)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				leaves, goOn, taken := make(chan struct{}), make(chan struct{}), 0
				call := tool("")
				call.Stream = func(context.Context, middleware.Chunk) error {
					<-leaves
					taken++
					return nil
				}
				done := false
				go func() {
					_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
						for range 4 {
							go func() { _ = call.Stream(ctx, middleware.Chunk{Text: []byte("chunk")}) }()
						}
						<-goOn
						return middleware.Result{Output: ""}, nil
					}, i)(t.Context(), call)
					if err != nil {
						t.Error(err)
					}
					done = true
				}()
				synctest.Wait()
				close(goOn)
				synctest.Wait()
				if done {
					t.Error("the call has returned while a chunk is on its way out")
				}
				leaves <- struct{}{}
				synctest.Wait()
				if name != "window" && (!done || taken != 1) { // a window releases the rest as well
					t.Errorf("returned: %v, with %d chunks, want one", done, taken)
				}
				close(leaves)
				synctest.Wait()
				if !done {
					t.Error("the call has not returned")
				}
			})
		})
	}
}
