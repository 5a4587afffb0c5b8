package evidence_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/middleware"
)

// BenchmarkTargetTail is how long guarded and recorded calls take that 10,000
// runs make, 10,000 a second: 50 us at the 99.9th percentile, with a disk that
// works, one that is frozen, and a sink that hangs. The memory does not grow.
func BenchmarkTargetTail(b *testing.B) {
	hang := func(ctx context.Context, _ [][]byte) error { <-ctx.Done(); return ctx.Err() }
	for _, bb := range []struct {
		name   string
		frozen bool
		sink   evidence.Sink
		bare   bool
		gc     int
	}{
		{name: "disk works", gc: 100},
		{name: "disk frozen", gc: 100, frozen: true},
		{name: "sink hangs", gc: 100, sink: hang},
		{name: "without a recorder", gc: 100, bare: true},
		{name: "without garbage collection", gc: -1},
	} {
		b.Run(bb.name, func(b *testing.B) {
			const runs, period = 10_000, time.Second
			var f freezer
			cfg := evidence.Config{ReadOnly: []string{"calculator"}}
			if bb.sink != nil {
				cfg.Exporters = to(bb.sink)
			}
			r, end := beginOn(b, ledgertest.Dir(b), cfg, evidence.Disk{Do: f.do})
			defer func() {
				f.set(false)
				if bb.sink != nil {
					ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
					defer cancel()
					_ = r.Close(ctx) // what is not shipped is left behind
					return
				}
				end()
			}()
			h := agentCalls(r)
			if bb.bare {
				h = agentCalls(nil)
			}
			debug.SetGCPercent(bb.gc)
			defer debug.SetGCPercent(100)
			warm, span := 3*time.Second, 8*time.Second
			if testing.Short() {
				warm, span = time.Second, 2*time.Second
			}
			f.set(bb.frozen)
			o := offer(h, runs, period, warm, span)
			for b.Loop() { // once: that took long enough
			}
			slow := slower(takeReferences().sha256, goalSHA256)
			s := r.Stats()
			b.ReportMetric(float64(o.took.at(0.999))/50e3/slow, "goal-x")
			b.ReportMetric(float64(o.took.at(0.5)), "p50-ns")
			b.ReportMetric(float64(o.took.at(0.999)), "p99.9-ns")
			b.ReportMetric(float64(o.took[len(o.took)-1]), "max-ns")
			b.Logf("%v; %v; SHA-256 of 1 KiB %.2f times the goal's; %d durable, %d overflowed, %d lost", o.took, o, slow, s.Durable, s.Overflowed, s.Lost)
			if grown := int64(o.after) - int64(o.before); bb.gc > 0 && grown > int64(o.before)/10+8<<20 {
				b.Errorf("the heap grew from %d to %d bytes", o.before, o.after)
			}
			if longest := o.took[len(o.took)-1]; longest > time.Second {
				b.Errorf("a call took %v: it waited", longest)
			}
		})
	}
}

// An offered is what came of offering calls.
type offered struct {
	took          tail
	before, after uint64 // bytes alive
	gcs           uint32
	pause, assist time.Duration
}

func (o offered) String() string {
	return fmt.Sprintf("heap %.1f to %.1f MB, %d collections, %v stopped, %v of assists", float64(o.before)/1e6, float64(o.after)/1e6, o.gcs, o.pause, o.assist)
}

// offer has each of some runs make a call every period, and measures them for
// span after a time to get warm.
func offer(h middleware.Handler, runs int, period, warm, span time.Duration) (o offered) {
	var measuring, stop atomic.Bool
	var n atomic.Int64
	o.took = make(tail, int(2*span/period)*runs+runs)
	start := time.Now()
	var all sync.WaitGroup
	for i := range runs {
		all.Go(func() {
			next := start.Add(period * time.Duration(i) / time.Duration(runs))
			turn := func(ctx context.Context) {
				for range 1 + i%3 { // calls of a run, before another one begins
					time.Sleep(time.Until(next))
					if stop.Load() {
						return
					}
					began := time.Now()
					_, _ = h(ctx, calculate)
					if took := time.Since(began); measuring.Load() {
						if i := n.Add(1) - 1; int(i) < len(o.took) {
							o.took[i] = took
						}
					}
					next = next.Add(period)
				}
			}
			for !stop.Load() {
				inRun(turn)
			}
		})
	}
	time.Sleep(warm)
	assist := []metrics.Sample{{Name: "/cpu/classes/gc/mark/assist:cpu-seconds"}}
	var before, after runtime.MemStats
	o.before = heap()
	metrics.Read(assist)
	began := assist[0].Value.Float64()
	runtime.ReadMemStats(&before)
	measuring.Store(true)
	time.Sleep(span)
	measuring.Store(false)
	runtime.ReadMemStats(&after)
	o.after = heap()
	metrics.Read(assist)
	o.gcs, o.pause = after.NumGC-before.NumGC, time.Duration(after.PauseTotalNs-before.PauseTotalNs)
	o.assist = time.Duration((assist[0].Value.Float64() - began) * 1e9)
	stop.Store(true)
	all.Wait()
	o.took = o.took[:min(int(n.Load()), len(o.took))]
	slices.Sort(o.took)
	return o
}
