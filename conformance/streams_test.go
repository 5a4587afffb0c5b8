package conformance_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/safeconduct/adapters/langchaingo"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/middleware"
)

// wantStreams is the number of streamed answers that are recorded in the module of
// langchaingo v0.1.14, and wantChunks how many chunks the longest of them have, by
// whose API they were recorded from.
var (
	wantStreams = map[string]int{"openai": 2, "googleai": 4, "ollama": 2, "anthropic": 1, "openrouter": 2, "perplexity": 2}
	wantChunks  = map[string]int{"openai": 84, "perplexity": 113}
)

// A streamMode is one way in which a gate treats a stream.
type streamMode struct {
	name string
	mode func(middleware.Interceptor) middleware.Interceptor

	// before returns how many of the chunks have left before the verdict.
	before func(chunks []string) int
}

var streamModes = []streamMode{
	{"buffer", func(i middleware.Interceptor) middleware.Interceptor { return i }, func([]string) int { return 0 }},
	{"window", func(i middleware.Interceptor) middleware.Interceptor { return middleware.Window(streamWindow, i) }, beyondWindow},
	{"pass-through", middleware.PassThrough, func(chunks []string) int { return len(chunks) }},
}

const streamWindow = 32

// beyondWindow returns how many chunks there are before the last bytes that a
// window holds.
func beyondWindow(chunks []string) int {
	held, n := 0, len(chunks)
	for n > 0 && held < streamWindow {
		n--
		held += len(chunks[n])
	}
	return n
}

// TestRecordedStreams replays every recorded stream through langchaingo's own
// client. What is allowed comes through each mode chunk by chunk and byte by byte,
// and through StrictSSE. Of what is denied, at the end or in the middle, nothing
// is released after the verdict.
func TestRecordedStreams(t *testing.T) {
	found, longest := map[string]int{}, map[string]int{}
	for _, r := range allRecorded(t) {
		status, _ := responseOf(t, r)
		p := providerOf(r)
		if p == nil || status != http.StatusOK || !slices.Contains(p.streams(r), true) {
			continue
		}
		bare := run(t, p, r, true)
		if bare.err != nil {
			t.Fatalf("%s: langchaingo's own client fails: %v", r.name, bare.err)
		}
		if len(bare.chunks) == 0 {
			continue // it was asked for a stream and answered without
		}
		found[p.name]++
		longest[p.name] = max(longest[p.name], len(bare.chunks))
		t.Run(r.name, func(t *testing.T) {
			// What the output boundary relies on, to judge an answer early.
			if got, want := strings.Join(bare.chunks, ""), bare.response.Choices[0].Content; got != want {
				t.Errorf("streamed %q, and answered %q", got, want)
			}
			for _, m := range streamModes {
				t.Run(m.name, func(t *testing.T) { checkMode(t, p, r, m, bare) })
			}
			t.Run("strict", func(t *testing.T) {
				got := runThrough(t, p, r, true, langchaingo.StrictSSE, output(nil))
				checkSame(t, got, bare)
			})
			t.Run("budget", func(t *testing.T) { checkBudget(t, p, r, bare) })
		})
	}
	if !maps.Equal(found, wantStreams) {
		t.Errorf("found %v streams, want %v", found, wantStreams)
	}
	for name, want := range wantChunks {
		if longest[name] != want {
			t.Errorf("%s: the longest stream has %d chunks, want %d", name, longest[name], want)
		}
	}
	t.Logf("streams %v, of which the longest have so many chunks: %v", found, longest)
}

// output returns a gate that judges what a model returns.
func output(err error) middleware.Interceptor {
	return middleware.After("output", func(context.Context, middleware.Call, middleware.Result) error { return err })
}

var errNo = middleware.Deny(middleware.CodeBadOutput, "not that")

func checkSame(t *testing.T, got, want outcome) {
	t.Helper()
	if got.err != nil {
		t.Fatalf("got %v", got.err)
	}
	if !slices.Equal(got.chunks, want.chunks) {
		t.Errorf("chunks: got %q, want %q", got.chunks, want.chunks)
	}
	if !reflect.DeepEqual(got.response, want.response) {
		t.Errorf("response: got %+v, want %+v", got.response, want.response)
	}
}

func checkMode(t *testing.T, p *provider, r recorded, m streamMode, bare outcome) {
	checkSame(t, run(t, p, r, true, m.mode(output(nil))), bare)

	denied := run(t, p, r, true, m.mode(output(errNo)))
	if !errors.As(denied.err, new(*middleware.DeniedError)) || denied.response != nil {
		t.Fatalf("denied: got %+v, %v", denied.response, denied.err)
	}
	if want := bare.chunks[:m.before(bare.chunks)]; !slices.Equal(denied.chunks, want) {
		t.Errorf("denied: got %d chunks, want the first %d", len(denied.chunks), len(want))
	}

	at := len(bare.chunks) / 2
	cut := run(t, p, r, true, m.mode(output(nil)), middleware.Named("censor", func(next middleware.Handler) middleware.Handler {
		return func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
			n, to := 0, call.Stream
			call.Stream = func(ctx context.Context, chunk middleware.Chunk) error {
				if n++; n > at {
					return middleware.Deny(middleware.CodePolicy, "no more of that")
				}
				return to(ctx, chunk)
			}
			return next(ctx, call)
		}
	}))
	var d *middleware.DeniedError
	if !errors.As(cut.err, &d) || d.Gate != "censor" || cut.response != nil {
		t.Fatalf("denied in the middle: got %+v, %v", cut.response, cut.err)
	}
	if want := bare.chunks[:m.before(bare.chunks[:at])]; !slices.Equal(cut.chunks, want) {
		t.Errorf("denied in the middle: got %d chunks, want the first %d", len(cut.chunks), len(want))
	}
}

// checkBudget has a budget end the stream in the middle.
func checkBudget(t *testing.T, p *provider, r recorded, bare outcome) {
	checkSame(t, run(t, p, r, true, gates.Budget(gates.Limits{Tokens: 1_000_000})), bare)
	bytes := len(strings.Join(bare.chunks, ""))
	if bytes < 100 {
		return // nothing to end
	}
	limit := int64(bytes / 16) // half of the tokens, where a bound is believed twice as much
	cut := run(t, p, r, true, gates.Budget(gates.Limits{OutputTokens: limit, Estimate: 1}))
	var d *middleware.DeniedError
	if !errors.As(cut.err, &d) || d.Code != middleware.CodeOverBudget {
		t.Fatalf("got %v, want a denial by the budget", cut.err)
	}
	got := strings.Join(cut.chunks, "")
	if !slices.Equal(cut.chunks, bare.chunks[:len(cut.chunks)]) || len(got) > int(8*limit) {
		t.Errorf("got %d bytes of %d, want at most %d, and those that came first", len(got), bytes, 8*limit)
	}
	if cut.response != nil {
		t.Errorf("got response %+v, want none", cut.response)
	}
}
