package evidence_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
	"example.com/safeconduct/middleware"
)

var soak = flag.Int("soak", 0, "how many records the soak makes with faults on; 20,000 if 0")

// With every fault on, in turn and at random, as many records as one likes leave
// the heap and the goroutines as they were. The whole of it, a million records:
//
//	go test ./evidence -run TestFault58Soak -soak 1000000 -timeout 30m -v
func TestFault58Soak(t *testing.T) {
	n := *soak
	if n == 0 && raceEnabled {
		n = 8000
	} else if n == 0 {
		n = 20_000
	}
	dir := ledgertest.Dir(t)
	rng := rand.New(rand.NewPCG(5, 8))
	var mu sync.Mutex
	dice := func() int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(100)
	}
	faulty := func(ctx context.Context, calls *atomic.Int64, envs [][]byte) error {
		d := dice()
		if calls.Add(1) == 3 {
			d = 8 // whatever the dice say, each refuses something
		}
		switch {
		case d < 5:
			return errSink
		case d < 8:
			return &delivery.StatusError{Status: 429, After: time.Millisecond}
		case d < 11:
			return &delivery.StatusError{Status: 400}
		case d < 14:
			<-ctx.Done()
			return ctx.Err()
		case d < 17:
			panic("the sink")
		case d < 19:
			runtime.Goexit()
		case d < 25:
			return &evidence.SinkError{Err: errSink, Accepted: len(envs) / 2}
		case d < 28:
			return &evidence.SinkError{Err: errSink, Accepted: len(envs) / 2, Final: true, Rejected: 1}
		case d < 35:
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	var disk, first, second atomic.Int64
	ordered := func(ctx context.Context, envs [][]byte) error { return faulty(ctx, &first, envs) }
	unordered := func(ctx context.Context, envs [][]byte) error { return faulty(ctx, &second, envs) }
	cfg := evidence.Config{Key: ledgertest.Key(1), Signing: record.SignCheckpoints, ReadOnly: []string{"shell"}, Queue: 1 << 14, Exporters: []evidence.Exporter{
		{Name: "ordered", Sink: ordered, Timeout: 20 * time.Millisecond, MinBackoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond,
			OpenFor: 20 * time.Millisecond},
		{Name: "unordered", Sink: unordered, Unordered: true, Timeout: 20 * time.Millisecond, MinBackoff: time.Millisecond,
			MaxBackoff: 10 * time.Millisecond, OpenFor: 20 * time.Millisecond},
	}}
	faults := segmenttest.Faults{Sync: func() error {
		if disk.Add(1)%500 == 0 {
			return fmt.Errorf("EIO")
		}
		return nil
	}}
	goroutines := runtime.NumGoroutine()
	r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: faults.Do})
	if err != nil {
		t.Fatal(err)
	}
	h := middleware.Wrap(say("ok"), r.Intercept)
	produce := func(n int) {
		for range n / 4 {
			_, _ = h(t.Context(), shell)
			for r.Stats().Waiting > 1<<12 {
				time.Sleep(time.Millisecond) // the test is faster than a disk
			}
		}
	}
	produce(n / 10)
	before := heap()
	for range 9 {
		produce(n / 10)
	}
	after := heap()
	t.Logf("%d records: %.1f MB alive after a tenth of them, %.1f MB after all, %d goroutines", n, float64(before)/1e6, float64(after)/1e6,
		runtime.NumGoroutine())
	slack := uint64(32 << 20) // the buffers are not yet as large as they get
	if n >= 100_000 {
		slack = 8 << 20
	}
	if after > before+slack {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	if running := runtime.NumGoroutine(); running > goroutines+60 {
		t.Errorf("%d goroutines, %d before", running, goroutines)
	}
	for deadline := time.Now().Add(10 * time.Minute); r.Flush(t.Context()) != nil && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	for _, st := range r.Stats().Exporters {
		t.Logf("%+v", st)
		if st.Lag > 10 || st.Parked == 0 { // what is recorded of the breakers may just have come
			t.Errorf("got stats %+v, want no lag, and some parked", st)
		}
	}
	_ = r.Close(t.Context()) // a breaker may be open
	st := r.Stats()
	produced := uint64(0)
	for _, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		produced++
	}
	for _, x := range st.Exporters {
		if x.Shipped+x.Parked+x.Lag != produced {
			t.Errorf("%d shipped, %d parked, %d to go, and %d produced", x.Shipped, x.Parked, x.Lag, produced)
		}
	}
	if report := ledgertest.WantIntact(t, dir); report.Lost != st.Lost {
		t.Errorf("%d records lost, %d declared", st.Lost, report.Lost)
	}
}
