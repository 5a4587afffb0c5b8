package middleware_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"example.com/safeconduct/middleware"
)

// A caller may keep the chunks that a gate released, and add to them: each has
// memory of its own, as it has from clients that make each chunk anew.
func TestReleasedChunksMayBeKept(t *testing.T) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			const n = 400
			chunk := func(i int) string { return strings.Repeat(fmt.Sprintf("%04d ", i), 60) }
			var kept [][]byte
			call := tool("")
			call.Stream = func(_ context.Context, c middleware.Chunk) error {
				_ = append(c.Text, "more"...) // into the chunk that follows, were there room
				kept = append(kept, c.Text)
				return nil
			}
			_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				for i := range n {
					if err := call.Stream(ctx, middleware.Chunk{Text: []byte(chunk(i))}); err != nil {
						return middleware.Result{}, err
					}
				}
				return middleware.Result{Output: ""}, nil
			}, mode(middleware.After("gate", allowResult)))(t.Context(), call)
			if err != nil || len(kept) != n {
				t.Fatalf("got %d chunks, %v, want %d", len(kept), err, n)
			}
			for i, c := range kept {
				if string(c) != chunk(i) {
					t.Errorf("chunk %d became %q..., want %q...", i, c[:10], chunk(i)[:10])
				}
			}
		})
	}
}
