package middleware_test

import (
	"context"
	"fmt"
	"strings"

	"example.com/safeconduct/middleware"
)

// tell streams a secret in three chunks.
func tellSecret(ctx context.Context, call middleware.Call) (middleware.Result, error) {
	const answer = "The password is swordfish."
	for _, text := range []string{"The password", " is sword", "fish."} {
		if err := call.Stream(ctx, middleware.Chunk{Text: []byte(text)}); err != nil {
			return middleware.Result{}, err
		}
	}
	return middleware.Result{Output: answer}, nil
}

// noSecrets is a gate that judges what a call returns.
var noSecrets = middleware.After("no-secrets", func(_ context.Context, _ middleware.Call, res middleware.Result) error {
	if strings.Contains(res.Output.(string), "swordfish") {
		return middleware.Deny(middleware.CodePolicy, "the answer holds a secret")
	}
	return nil
})

// ask makes a streamed call and prints what its caller gets.
func askStream(gate middleware.Interceptor) {
	var trail middleware.Trail
	watch := func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			trail = middleware.TrailOf(ctx)
			return next(ctx, call)
		}
	}
	_, err := middleware.Wrap(tellSecret, watch, gate)(context.Background(), middleware.Call{
		Kind: middleware.KindTool, Name: "vault", Input: "",
		Stream: func(_ context.Context, chunk middleware.Chunk) error {
			fmt.Printf("chunk %q\n", chunk.Text)
			return nil
		},
	})
	fmt.Println(err)
	fmt.Println("released before the verdict:", trail.Released(), "bytes")
}

func ExampleBuffer() {
	askStream(middleware.Buffer(1<<20, noSecrets)) // as without Buffer, but for the bound
	// Output:
	// vault: denied by no-secrets: the answer holds a secret (policy)
	// released before the verdict: 0 bytes
}

func ExampleWindow() {
	askStream(middleware.Window(12, noSecrets))
	// Output:
	// chunk "The password"
	// vault: denied by no-secrets: the answer holds a secret (policy)
	// released before the verdict: 12 bytes
}

func ExamplePassThrough() {
	askStream(middleware.PassThrough(noSecrets))
	// Output:
	// chunk "The password"
	// chunk " is sword"
	// chunk "fish."
	// vault: denied by no-secrets: the answer holds a secret (policy)
	// released before the verdict: 26 bytes
}

// A gate that is written by hand holds streams too.
func ExampleGate_Hold() {
	gate := middleware.NewGate("polite")
	polite := func(next middleware.Handler) middleware.Handler {
		if next == nil {
			return gate.Layer().Handler()
		}
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			hold := gate.Hold(ctx, call)
			defer hold.Close()
			call.Stream = hold.Stream
			res, err := next(ctx, call)
			hold.Close()
			if refused := hold.Err(); refused != nil {
				return middleware.Result{Usage: res.Usage}, refused
			}
			if err != nil {
				return res, err
			}
			ruling := gate.Begin(ctx)
			if !strings.Contains(res.Output.(string), "please") {
				return middleware.Result{Usage: res.Usage}, ruling.Deny(ctx, call, middleware.Deny(middleware.CodeBadOutput, "not without a please"))
			}
			ruling.Allow()
			return res, hold.Release(ctx)
		}
	}
	askStream(polite)
	// Output:
	// vault: denied by polite: not without a please (bad_output)
	// released before the verdict: 0 bytes
}
