package evidence_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/middleware"
)

// inRun calls f within a run that nothing else records.
func inRun(f func(ctx context.Context)) {
	_, err := middleware.Wrap(func(ctx context.Context, _ middleware.Call) (middleware.Result, error) {
		f(ctx)
		return middleware.Result{}, nil
	}, changing(func() {}))(context.Background(), middleware.Call{Kind: middleware.KindChain, Name: "run"})
	if err != nil {
		panic(err)
	}
}

// benchmarkCalls measures calls in bursts and lets the recorder write between
// them: ns/op is what the caller pays, without the pauses.
func benchmarkCalls(b *testing.B, h middleware.Handler, c middleware.Call, r *evidence.Recorder) {
	const burst = 100
	var took time.Duration
	n := 0
	inRun(func(ctx context.Context) {
		for b.Loop() {
			began := time.Now()
			for range burst {
				if _, err := h(ctx, c); err != nil {
					b.Fatal(err)
				}
			}
			took += time.Since(began)
			n += burst
			for r != nil && r.Stats().Waiting > 0 {
				time.Sleep(100 * time.Microsecond)
			}
		}
	})
	b.ReportMetric(float64(took.Nanoseconds())/float64(n), "ns/op")
	if r != nil && r.Stats().Lost > 0 {
		b.Errorf("%d records were lost", r.Stats().Lost)
	}
}

// BenchmarkRecorder is what a guarded call costs its caller without a recorder,
// and with one that does not wait for the disk: an intent and an outcome.
func BenchmarkRecorder(b *testing.B) {
	allow := middleware.Before("allow", func(context.Context, middleware.Call) error { return nil })
	prompt := &middleware.ModelRequest{Tools: []string{"calculator"}}
	for range 20 {
		prompt.Messages = append(prompt.Messages, middleware.Message{Role: "human", Parts: []middleware.Part{{Text: strings.Repeat("x", 500)}}})
	}
	answer := &middleware.ModelResponse{Model: "m", Choices: []middleware.Choice{{Text: strings.Repeat("y", 500)}}}
	for _, bb := range []struct {
		name string
		call middleware.Call
		out  any
	}{
		{"tool", middleware.Call{Kind: middleware.KindTool, Name: "calculator", Input: "19*23"}, "437"},
		{"chain", middleware.Call{Kind: middleware.KindChain, Name: "c", Input: map[string]any{"input": "What?"}}, map[string]any{"output": "That."}},
		{"model 10 KB", middleware.Call{Kind: middleware.KindModel, Name: "m", Input: prompt}, answer},
	} {
		b.Run(bb.name+"/without", func(b *testing.B) {
			benchmarkCalls(b, middleware.Wrap(say(bb.out), allow), bb.call, nil)
		})
		b.Run(bb.name+"/with", func(b *testing.B) {
			r := open(b, ledgertest.Dir(b), evidence.Config{ReadOnly: []string{"calculator"}})
			benchmarkCalls(b, middleware.Wrap(say(bb.out), r.Intercept, allow), bb.call, r)
		})
	}
}

// BenchmarkDurable is a tool call that waits for its intent to be on disk, alone
// and beside others.
func BenchmarkDurable(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := open(b, ledgertest.Dir(b), evidence.Config{})
			h := middleware.Wrap(say("ok"), r.Intercept)
			b.SetParallelism(max(1, n/runtime.GOMAXPROCS(0)))
			b.RunParallel(func(pb *testing.PB) {
				inRun(func(ctx context.Context) {
					for n := 0; pb.Next(); n++ {
						if _, err := h(ctx, shell); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		})
	}
}

// BenchmarkWrite is what a record costs until it is durable: encode, commit to
// its content, chain, sign, frame, write and sync in batches.
func BenchmarkWrite(b *testing.B) {
	r := open(b, ledgertest.Dir(b), evidence.Config{ReadOnly: []string{"shell"}})
	h := middleware.Wrap(say("ok"), r.Intercept)
	inRun(func(ctx context.Context) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			_, _ = h(ctx, shell)
			for n%1000 == 0 && r.Stats().Waiting > 4000 {
				time.Sleep(time.Millisecond)
			}
		}
		for r.Stats().Waiting > 0 {
			time.Sleep(100 * time.Microsecond)
		}
	})
	b.ReportMetric(float64(r.Stats().Durable)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkSHA256 is a reference for the speed of the machine: 1 KiB, 0.68 us
// where goals are set.
func BenchmarkSHA256(b *testing.B) {
	data := make([]byte, 1024)
	for b.Loop() {
		_ = sha256.Sum256(data)
	}
}

// manyRecords makes a ledger of at least n records, as agents leave them.
func manyRecords(t testing.TB, n int) *ledgertest.Forger {
	f := ledgertest.NewForger(t)
	f.Open()
	for i := 0; len(f.Envs) < n; i++ {
		f.Agent(fmt.Sprint("run-", i))
	}
	return f
}

// BenchmarkVerify is a whole verification: signatures, records, tree, tiles.
func BenchmarkVerify(b *testing.B) {
	dir := ledgertest.Dir(b)
	l := manyRecords(b, 11_000).Ledger()
	l.Write(b, dir)
	l.WriteTiles(b, dir)
	var records uint64
	b.ReportAllocs()
	for b.Loop() {
		records += ledgertest.WantIntact(b, dir).Records
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkTargetVerifyRecord is the CPU time of a record in a verification, beside
// that of a signature. The goal is 22,000 records a second on two processors
// that verify a signature in 62 us.
func BenchmarkTargetVerifyRecord(b *testing.B) {
	dir := ledgertest.Dir(b)
	f := manyRecords(b, 1001)
	f.Ledger().Write(b, dir)
	key, msg := ledgertest.Key(1), make([]byte, 1024)
	sig := ed25519.Sign(key, msg)
	const goal = 2 * 1e6 / 22_000 / 62
	pair.Target(b, goal*float64(len(f.Envs)), func(n int) {
		for range n {
			_ = ed25519.Verify(ledgertest.Public(key), msg, sig)
		}
	}, func(n int) {
		for range n {
			ledgertest.WantIntact(b, dir)
		}
	})
}

// BenchmarkRead is BenchmarkVerify without signatures, tree and checks.
func BenchmarkRead(b *testing.B) {
	dir := ledgertest.Dir(b)
	manyRecords(b, 11_000).Ledger().Write(b, dir)
	records := 0
	b.ReportAllocs()
	for b.Loop() {
		records += len(ledgertest.Entries(b, dir))
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkSignature is a reference: what one signature of a record costs a
// verifier, at least.
func BenchmarkSignature(b *testing.B) {
	key, msg := ledgertest.Key(1), make([]byte, 1024)
	sig := ed25519.Sign(key, msg)
	for b.Loop() {
		if !ed25519.Verify(ledgertest.Public(key), msg, sig) {
			b.Fatal("not good")
		}
	}
}
