package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"testing"

	"example.com/safeconduct/middleware"
)

// TestFault35EndlessStream: a stream without end is stopped, what it takes stays
// below a quarter more than what may be held, but for a few blocks, and nothing of it
// is released.
func TestFault35EndlessStream(t *testing.T) {
	const most, blocks = 1 << 20, 64 << 10
	for _, size := range []int{0, 1, 100, 1<<10 - 5, 1 << 10, 9_000, 16<<10 - 5, 100_000, most - 100} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			chunk := middleware.Chunk{Text: make([]byte, size)}
			before := memory()
			var after uint64
			to := &sink{}
			_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
				ended := false
				for n := 0; n < 3*most && !ended; n++ {
					if last := size == most-100 && n == 1 || (n+2)*(size+2) > most; last && after == 0 {
						after = memory() // with all held that may be
					}
					ended = call.Stream(ctx, chunk) != nil
				}
				if !ended {
					t.Error("the stream was not stopped")
				}
				return middleware.Result{Output: "all is well"}, nil
			}, middleware.Buffer(most, middleware.After("gate", allowResult)))(t.Context(), streamed(to))
			wantDenied(t, err, "gate", middleware.CodeBadOutput)
			if got := to.texts(); got != "" {
				t.Errorf("%d bytes were released", len(got))
			}
			if took := int64(after) - int64(before); took > most+most/4+blocks {
				t.Errorf("the stream took %d bytes, want at most %d", took, most+most/4+blocks)
			}
		})
	}
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A window stays a window, however long the stream is.
func TestWindowOfALongStream(t *testing.T) {
	const size = 100
	got, most := 0, 0
	call := tool("")
	call.Stream = func(_ context.Context, c middleware.Chunk) error {
		got += len(c.Text)
		return nil
	}
	_, err := middleware.Wrap(func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
		for sent := 7; sent < 2<<20; sent += 7 {
			if err := call.Stream(ctx, middleware.Chunk{Text: []byte("a token")}); err != nil {
				return middleware.Result{}, err
			}
			most = max(most, sent-got)
			if sent > size && sent-got < size {
				t.Fatalf("%d bytes are held, want at least %d", sent-got, size)
			}
		}
		return middleware.Result{Output: ""}, nil
	}, middleware.Window(size, middleware.After("gate", allowResult)))(t.Context(), call)
	if err != nil || most > size+7 {
		t.Errorf("got %v, with up to %d bytes held, want at most %d", err, most, size+7)
	}
}

// FuzzHold: whatever the chunks are and however much is held, what is released is
// what came, in order, and cut in the same places.
func FuzzHold(f *testing.F) {
	f.Add([]byte("\x03\x00\x80\xffabc"), 4)
	f.Add([]byte{0, 1, 2, 3, 200, 255, 255, 255, 7}, 0)
	f.Add([]byte{255, 254, 253, 255, 1, 255}, 70_000)
	f.Fuzz(func(t *testing.T, cuts []byte, window int) {
		var want []middleware.Chunk
		for i, c := range cuts[:min(len(cuts), 100)] {
			chunk := middleware.Chunk{Repeats: c&64 != 0}
			if c&1 != 0 {
				chunk.Text = make([]byte, int(c>>2)*(i%7)*(i%5)*40)
				for j := range chunk.Text {
					chunk.Text[j] = byte(i + j)
				}
			}
			if c&2 != 0 {
				chunk.Reasoning = bytes.Repeat([]byte{c}, int(c>>3))
			}
			if c&3 == 0 {
				chunk.ToolCall = bytes.Repeat([]byte{c}, int(c>>5))
			}
			want = append(want, chunk)
		}
		gate := middleware.After("gate", allowResult)
		if window > 0 {
			gate = middleware.Window(window, gate)
		}
		to := &sink{}
		if _, err := middleware.Wrap(client{chunks: want}.do, middleware.Buffer(1<<30, gate))(t.Context(), streamed(to)); err != nil {
			if window > 0 || !errors.As(err, new(*middleware.DeniedError)) {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(to.chunks, want) && len(want) > 0 {
			t.Errorf("got %d chunks, want %d, or they differ", len(to.chunks), len(want))
		}
	})
}
