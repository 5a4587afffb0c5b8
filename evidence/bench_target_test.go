package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/gates"
	"example.com/safeconduct/internal/pair"
	"example.com/safeconduct/middleware"
)

// A freezer is a disk that stops: whatever is asked of it waits.
type freezer struct {
	mu   sync.Mutex
	thaw chan struct{} // nil: not frozen
}

func (f *freezer) set(frozen bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case frozen && f.thaw == nil:
		f.thaw = make(chan struct{})
	case !frozen && f.thaw != nil:
		close(f.thaw)
		f.thaw = nil
	}
}

func (f *freezer) do(op segmenttest.Op) error {
	f.mu.Lock()
	thaw := f.thaw
	f.mu.Unlock()
	if thaw != nil {
		<-thaw
	}
	return op.Do()
}

// begin opens a ledger. What it returns closes it.
func begin(b *testing.B, dir string, cfg evidence.Config) (*evidence.Recorder, func()) {
	return beginOn(b, dir, cfg, evidence.Disk{})
}

func beginOn(b *testing.B, dir string, cfg evidence.Config, disk evidence.Disk) (*evidence.Recorder, func()) {
	cfg.Key = ledgertest.Key(1)
	r, err := evidence.OpenOn(dir, cfg, disk)
	if err != nil {
		b.Fatal(err)
	}
	return r, func() {
		var left *evidence.PendingError
		if err := r.Close(context.Background()); err != nil && (!errors.As(err, &left) || left.NotDurable > 0) {
			b.Error(err)
		}
	}
}

// BenchmarkTargetEmit is what it costs the caller to leave an intent: at most
// 2 us at the median and 10 us at the 99th percentile, without allocation, at any
// rate, and the same while the disk is frozen. Reading the clock twice is in it.
func BenchmarkTargetEmit(b *testing.B) {
	b.Run("allocs", func(b *testing.B) {
		m := evidence.NewEmitter(nil, 2000)
		pair.WantAllocs(b, 0, func() {
			if err := m.Emit(); err != nil {
				b.Fatal(err)
			}
		})
		for b.Loop() {
			m.Drain()
			for range 1000 {
				_ = m.Emit()
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/op")
	})
	for _, frozen := range []bool{false, true} {
		for _, rate := range []int{100, 1000, 10000} {
			name := fmt.Sprintf("%d a second", rate)
			if frozen {
				name += ", disk frozen"
			}
			b.Run(name, func(b *testing.B) {
				var f freezer
				r, end := beginOn(b, ledgertest.Dir(b), evidence.Config{}, evidence.Disk{Do: f.do})
				defer end()
				m := evidence.NewEmitter(r, 0)
				f.set(frozen)
				defer f.set(false)
				var took tail
				before := takeReferences()
				for b.Loop() {
					took = paced(rate, 500+10*rate/4, func() { _ = m.Emit() }) // what is lost is counted
				}
				slow := slower(before.and(takeReferences()).sha256, goalSHA256)
				b.ReportMetric(max(float64(took.at(0.5))/2e3, float64(took.at(0.99))/10e3)/slow, "goal-x")
				b.ReportMetric(float64(took.at(0.5)), "p50-ns")
				b.ReportMetric(float64(took.at(0.99)), "p99-ns")
				b.Logf("%v; SHA-256 of 1 KiB %.2f times the goal's; %d lost", took, slow, r.Stats().Lost)
			})
		}
	}
}

// paced calls f n times, so many a second, and returns how long each call took.
func paced(rate, n int, f func()) tail {
	took := make(tail, n)
	next := time.Now()
	for i := range took {
		time.Sleep(time.Until(next)) // a pace, not a wait for anything
		next = next.Add(time.Second / time.Duration(rate))
		began := time.Now()
		f()
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took
}

// agentCalls returns a guarded and recorded call of a tool that does nothing: an
// intent and an outcome of about 1 KB.
func agentCalls(r *evidence.Recorder) middleware.Handler {
	var is []middleware.Interceptor
	if r != nil {
		is = append(is, r.Intercept)
	}
	const plenty = 1 << 60
	return middleware.Wrap(say("437"), append(is, gates.Ingress(gates.IngressRules{}), gates.Tools("calculator"), gates.Budget(
		gates.Limits{ToolCalls: plenty, Tokens: plenty},
		gates.Limits{Scope: gates.ScopeProcess, ToolCalls: plenty},
	))...)
}

var calculate = middleware.Call{Kind: middleware.KindTool, Name: "calculator", Input: "19*23"}

// scaled is a number of records that a quick run has less of.
func scaled(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// produce has n records made, as fast as they are written.
func produce(b *testing.B, r *evidence.Recorder, n int) {
	h := agentCalls(r)
	inRun(func(ctx context.Context) {
		ctx = middleware.WithIdentity(ctx, middleware.Identity{Session: "s-1", Subject: "alice", Tenant: "acme"})
		for i := range n / 2 {
			if _, err := h(ctx, calculate); err != nil {
				b.Fatal(err)
			}
			if i%100 == 0 {
				await(b, r, 4000)
			}
		}
	})
	await(b, r, 0)
	if lost := r.Stats().Lost; lost > 0 {
		b.Errorf("%d records were lost", lost)
	}
}

// await returns when no more than so many records wait.
func await(b *testing.B, r *evidence.Recorder, waiting int) {
	durable, since := uint64(0), time.Now()
	for {
		s := r.Stats()
		switch {
		case s.Waiting <= waiting:
			return
		case s.Durable > durable:
			durable, since = s.Durable, time.Now()
		case time.Since(since) > 30*time.Second:
			b.Fatalf("no record became durable for half a minute: %+v, %v", s, r.Err())
		}
		time.Sleep(time.Millisecond)
	}
}

// BenchmarkTargetSustained is how many records become durable in a second, made
// in the same process: 25,000 with a signature each, 60,000 where checkpoints are
// signed, on two processors.
func BenchmarkTargetSustained(b *testing.B) {
	for _, bb := range []struct {
		signing record.Signing
		goal    float64
		records int
	}{
		{record.SignRecords, 25_000, 200_000},
		{record.SignCheckpoints, 60_000, 400_000},
	} {
		b.Run(string(bb.signing), func(b *testing.B) {
			dir := ledgertest.Dir(b)
			r, end := begin(b, dir, evidence.Config{Signing: bb.signing, ReadOnly: []string{"calculator"}})
			defer end()
			produce(b, r, 2000) // warm
			before, syncs := takeReferences(), syncTime(b, dir)
			n, began := scaled(bb.records), cpu(b)
			b.ResetTimer()
			for range b.N {
				produce(b, r, n)
			}
			b.StopTimer()
			used, records := cpu(b)-began, float64(n*b.N)
			refs := before.and(takeReferences())
			slow := slower(refs.sha256, goalSHA256)
			if bb.signing == record.SignRecords {
				slow = slower(refs.sign, goalSign)
			}
			rate := records / b.Elapsed().Seconds()
			b.ReportMetric(bb.goal/slow/rate, "goal-x")
			b.ReportMetric(rate, "records/s")
			b.ReportMetric(float64(used.Nanoseconds())/records/1e3, "cpu-us/record")
			b.ReportMetric(used.Seconds()/b.Elapsed().Seconds(), "cores") // that others left
			b.Logf("payloads of %d B; sign %v, SHA-256 of 1 KiB %v, write and fdatasync of 400 KiB %v before and %v after",
				payloadSize(b, dir), refs.sign, refs.sha256, syncs, syncTime(b, dir))
		})
	}
}

// payloadSize returns the mean size of the first payloads of a ledger.
func payloadSize(b *testing.B, dir string) int {
	n, sum := 0, 0
	for e, err := range evidence.Read(dir) {
		if err != nil {
			b.Fatal(err)
		}
		sum += len(ledgertest.DecodePayload(b, e.Envelope))
		if n++; n == 1000 {
			break
		}
	}
	return sum / n
}

// BenchmarkTargetVerify is how fast a long ledger with signatures is verified: a
// million records in a minute, on two processors.
func BenchmarkTargetVerify(b *testing.B) {
	dir := ledgertest.Dir(b)
	r, end := begin(b, dir, evidence.Config{ReadOnly: []string{"calculator"}})
	produce(b, r, scaled(120_000))
	end()
	before := takeReferences()
	used := cpu(b)
	var records uint64
	b.ResetTimer()
	for b.Loop() {
		records += ledgertest.WantIntact(b, dir).Records
	}
	b.StopTimer()
	used = cpu(b) - used
	refs := before.and(takeReferences())
	rate := float64(records) / b.Elapsed().Seconds()
	b.ReportMetric(1e6/60/slower(refs.verify, goalVerify)/rate, "goal-x")
	b.ReportMetric(rate, "records/s")
	b.ReportMetric(float64(used.Nanoseconds())/float64(records)/1e3, "cpu-us/record")
	b.ReportMetric(used.Seconds()/b.Elapsed().Seconds(), "cores")
	b.Logf("Ed25519 verify %v", refs.verify)
}

// BenchmarkTargetMemory is how much is alive after a million records: at most 4 MB
// more than after the first tenth of them, which is what buffers come and go by
// and 4 bytes a record.
func BenchmarkTargetMemory(b *testing.B) {
	r, end := begin(b, ledgertest.Dir(b), evidence.Config{Signing: record.SignCheckpoints, ReadOnly: []string{"calculator"}})
	defer end()
	n := scaled(1_000_000)
	produce(b, r, n/10)
	before := heap()
	for b.Loop() {
		produce(b, r, n-n/10)
	}
	after := heap()
	b.ReportMetric(float64(after)/(float64(before)+4e6), "goal-x")
	b.ReportMetric(float64(after)/1e6, "MB")
	b.ReportMetric(float64(n)*0.9/b.Elapsed().Seconds(), "records/s")
	b.Logf("%.1f MB alive after %d records, %.1f MB after %d", float64(before)/1e6, n/10, float64(after)/1e6, n)
}
