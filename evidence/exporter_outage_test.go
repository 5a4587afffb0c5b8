package evidence_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
	"example.com/safeconduct/middleware"
)

// A collector is a sink as it should be: it counts each record once, keeps what it
// has by ID, and notices what is out of order. It has weather.
type collector struct {
	weather atomic.Pointer[func(ctx context.Context, n int) error] // what n calls before meet

	mu       sync.Mutex
	calls    int
	records  map[string]uint64 // by ID: how often it came
	last     map[string]uint64 // by writer: the last new seq
	disorder int
}

func newCollector() *collector {
	return &collector{records: make(map[string]uint64), last: make(map[string]uint64)}
}

func (c *collector) set(weather func(ctx context.Context, n int) error) { c.weather.Store(&weather) }

func (c *collector) take(ctx context.Context, envs [][]byte) error {
	c.mu.Lock()
	n := c.calls
	c.calls++
	c.mu.Unlock()
	if w := c.weather.Load(); w != nil {
		if err := (*w)(ctx, n); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, env := range envs {
		r, err := record.Parse(env)
		if err != nil {
			return err
		}
		if c.records[r.ID]++; c.records[r.ID] > 1 {
			continue
		}
		if r.Seq != c.last[r.Writer]+1 {
			c.disorder++
		}
		c.last[r.Writer] = r.Seq
	}
	return nil
}

// wantAll checks that the collector has each record of the ledger, and each
// writer's in order.
func (c *collector) wantAll(t *testing.T, dir string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	produced := make(map[string]bool)
	for _, e := range ledgertest.Entries(t, dir) {
		produced[e.Record.ID] = true
		if c.records[e.Record.ID] == 0 {
			t.Fatalf("record %d of the ledger did not arrive", e.Record.Seq)
		}
	}
	if len(c.records) != len(produced) || c.disorder > 0 {
		t.Errorf("%d records arrived and %d were produced, %d out of order", len(c.records), len(produced), c.disorder)
	}
}

// The weather of the outage: what each part is called, how long it is, and what
// the sink does meanwhile.
type outage struct {
	name string
	long time.Duration
	sink func(ctx context.Context, n int) error
}

func outages(second time.Duration) []outage {
	pause := func(ctx context.Context, d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return []outage{
		{"down", 3600 * second, func(context.Context, int) error { return errSink }},
		{"slow", 300 * second, func(ctx context.Context, _ int) error { return pause(ctx, 10*second) }},
		{"429", 300 * second, func(context.Context, int) error { return &delivery.StatusError{Status: 429, After: 7 * second} }},
		{"hung", 300 * second, func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }},
		{"flapping", 300 * second, func(_ context.Context, n int) error {
			if n%3 != 0 {
				return &delivery.StatusError{Status: 503}
			}
			return nil
		}},
		{"up", 300 * second, func(context.Context, int) error { return nil }},
	}
}

// An hour's outage and what comes after it cost no call any time and lose no
// record. In fake time a call that waited for anything would take some.
func TestOutage(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		t.Run(fmt.Sprint("unordered ", unordered), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				c := newCollector()
				r := open(t, dir,
					evidence.Config{ReadOnly: []string{"shell"}, Exporters: []evidence.Exporter{{Name: "collector", Sink: c.take, Unordered: unordered}}})
				calls := 10_000
				if testing.Short() || raceEnabled || unordered {
					calls = 600
				}
				parts := outages(time.Second)
				before := heap()
				for _, part := range parts {
					c.set(part.sink)
					n := calls / len(parts)
					for range n {
						began := time.Now()
						if _, err := call(t, r, shell, say("ok")); err != nil {
							t.Fatal(err)
						}
						if took := time.Since(began); took != 0 {
							t.Errorf("%s: a call took %v", part.name, took)
						}
						time.Sleep(part.long / time.Duration(n))
					}
					synctest.Wait()
					st := stats(r)
					wantExact(t, dir, st)
					t.Logf("%s: %+v", part.name, st)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				// The collector remembers what it has: 100 bytes or so a record.
				if after := heap(); after > before+uint64(calls)*4*400+8<<20 {
					t.Errorf("the heap grew from %d to %d bytes", before, after)
				}
				st := stats(r)
				if st.Lag != 0 || st.Parked != 0 || st.Breaker != "closed" || st.Err != nil {
					t.Errorf("got stats %+v, want all shipped", st)
				}
				if unordered {
					c.disorder = 0
				}
				c.wantAll(t, dir)
				if n := runtime.NumGoroutine(); n > 40 {
					t.Errorf("%d goroutines", n)
				}
				if report := ledgertest.WantIntact(t, dir); report.Lost != 0 || report.Unknown != 0 {
					t.Errorf("%d records lost, %d calls unknown", report.Lost, report.Unknown)
				}
			})
		})
	}
}

// The same in real time, a thousand times as fast.
func TestOutageInRealTime(t *testing.T) {
	dir := ledgertest.Dir(t)
	c := newCollector()
	const second = time.Millisecond
	r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Queue: 1 << 17, Exporters: []evidence.Exporter{{
		Name: "collector", Sink: c.take, Timeout: 30 * second, MinBackoff: second / 2, MaxBackoff: 30 * second, OpenFor: 30 * second,
	}}})
	calls := 10_000
	if testing.Short() || raceEnabled {
		calls = 2000
	}
	parts := outages(second)
	for _, part := range parts {
		c.set(part.sink)
		n := calls / len(parts)
		began := time.Now()
		for i := range n {
			if _, err := call(t, r, shell, say("ok")); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Until(began.Add(part.long * time.Duration(i+1) / time.Duration(n))))
		}
	}
	for deadline := time.Now().Add(time.Minute); r.Flush(t.Context()) != nil && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond) // the breaker is open
	}
	st := stats(r)
	if st.Lag != 0 || st.Parked != 0 {
		t.Errorf("got stats %+v, want all shipped", st)
	}
	wantExact(t, dir, st)
	c.wantAll(t, dir)
	ledgertest.WantIntact(t, dir)
	t.Logf("%+v", st)
}

// What the parent tells the process that ships and is killed.
const shipTo = "SAFECONDUCT_SHIP_TO"

// fileSink is a sink that outlives the process: a file with a line for each record.
// It loses nothing that it said it took, and cuts off a line that a process died
// in.
func fileSink(dir string, flaky bool) evidence.Sink {
	path := filepath.Join(dir, "lines")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = f.Truncate(int64(bytes.LastIndexByte(b, '\n') + 1))
	}
	if err != nil {
		panic(err)
	}
	n := 0
	return func(_ context.Context, envs [][]byte) error {
		if n++; flaky && n%3 == 0 {
			return errSink
		}
		_, err := f.Write(append(bytes.Join(envs, []byte("\n")), '\n'))
		return err
	}
}

// ship is a process that records and ships calls until it is killed.
func ship() {
	cfg := evidence.Config{
		Key: ledgertest.Key(1), Ledger: "crash", ReadOnly: []string{"shell"},
		Exporters: []evidence.Exporter{{Sink: fileSink(os.Getenv(shipTo), true), MinBackoff: time.Millisecond, OpenFor: 10 * time.Millisecond}},
	}
	r, err := evidence.OpenOn(os.Getenv(crashDir), cfg, evidence.Disk{Segment: 64 << 10})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(3)
	}
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "ok"}, nil
	}, r.Intercept)
	fmt.Println("reached 0 0") // from here on it may die
	for {
		_, _ = h(context.Background(), shell)
		time.Sleep(100 * time.Microsecond)
	}
}

// A process that ships is killed at random, again and again. The one after it goes
// on where the cursor is: every record arrives, a few of them twice, and none that
// is not in the ledger.
func TestKilledWhileShipping(t *testing.T) {
	t.Parallel()
	rounds := 8
	if testing.Short() {
		rounds = 4
	}
	dir, to := ledgertest.Dir(t), t.TempDir()
	for range rounds {
		runCrash(t, dir, time.Duration(rand.Int64N(int64(800*time.Millisecond))), shipTo+"="+to)
	}
	r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), Exporters: []evidence.Exporter{{Sink: fileSink(to, false)}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantExact(t, dir, stats(r))
	ledgertest.WantIntact(t, dir)
	b, err := os.ReadFile(filepath.Join(to, "lines"))
	if err != nil {
		t.Fatal(err)
	}
	arrived, again, last := make(map[string]int), 0, make(map[string]uint64)
	for line := range strings.Lines(string(b)) {
		env := strings.TrimSuffix(line, "\n")
		if arrived[env]++; arrived[env] > 1 {
			again++
			continue
		}
		rec, err := record.Parse([]byte(env))
		if err != nil {
			t.Fatalf("a line that is no record: %v", err)
		}
		if rec.Seq != last[rec.Writer]+1 {
			t.Errorf("seq %d arrived after %d", rec.Seq, last[rec.Writer])
		}
		last[rec.Writer] = rec.Seq
	}
	produced := make(map[string]bool)
	for _, env := range ledgertest.Envelopes(t, dir) {
		produced[string(env)] = true
		if arrived[string(env)] == 0 {
			t.Error("a record of the ledger did not arrive")
		}
	}
	for env := range maps.Keys(arrived) {
		if !produced[env] {
			t.Error("a record arrived that is not in the ledger")
		}
	}
	// What comes again is what arrived since the cursor was last kept, at most
	// 4096 records and a batch before the end of each process.
	t.Logf("%d processes, %d records, %d of them came again", rounds+1, len(produced), again)
	if again > (rounds+1)*(4096+2*256) {
		t.Errorf("%d of %d records came again: the cursor is of no use", again, len(produced))
	}
}
