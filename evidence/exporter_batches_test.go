package evidence_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// A batch ends at 256 records, at 1 MiB, or 200 ms after a record came.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type batch struct {
			records int
			after   time.Duration
		}
		began := time.Now()
		var mu sync.Mutex
		var got []batch
		r := open(t, ledgertest.Dir(t), evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(_ context.Context, envs [][]byte) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, batch{len(envs), time.Since(began)})
			return nil
		})})
		batches := func() []batch {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(got)
		}
		time.Sleep(time.Second)
		if b := batches(); !slices.Equal(b, []batch{{1, 200 * time.Millisecond}}) {
			t.Errorf("got batches %v, want the first record after 200 ms", b)
		}
		use(t, r, 160) // 640 records, at once: they are written within milliseconds
		time.Sleep(100 * time.Millisecond)
		if b := batches(); len(b) != 3 || b[1].records != 256 || b[2].records != 256 {
			t.Errorf("after 100 ms: got batches %v, want two of 256", b)
		}
		time.Sleep(time.Second)
		if b := batches(); len(b) != 4 || b[3].records != 128 || b[3].after > 1300*time.Millisecond {
			t.Errorf("got batches %v, want the rest 200 ms after it came", b)
		}
		if n := stats(r); n.Lag != 0 || n.LagTime != 0 {
			t.Errorf("got stats %+v", n)
		}
	})
	dir := ledgertest.Dir(t)
	cfg := evidence.Config{Key: ledgertest.Key(1)}
	var largest int
	written := make(chan struct{})
	cfg.Exporters = to(func(_ context.Context, envs [][]byte) error {
		<-written
		n := 0
		for _, env := range envs {
			n += len(env)
		}
		largest = max(largest, n)
		return nil
	})
	r := open(t, dir, cfg)
	for range 200 {
		big(t, r)
	}
	for r.Stats().Waiting > 0 {
		time.Sleep(time.Millisecond)
	}
	close(written)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if largest < 1<<20 || largest > 1<<20+record.MaxEnvelope {
		t.Errorf("the largest batch had %d bytes, want 1 MiB and at most a record more", largest)
	}
}

// big leaves a record of about 24 KiB.
func big(t testing.TB, r *evidence.Recorder) {
	t.Helper()
	req := &middleware.ModelRequest{Model: "m"}
	for range 100 {
		req.Messages = append(req.Messages, middleware.Message{Role: strings.Repeat("r", 200)})
	}
	if _, err := call(t, r, middleware.Call{Kind: middleware.KindModel, Name: "m", Input: req}, say(&middleware.ModelResponse{})); err != nil {
		t.Fatal(err)
	}
}

// Where a sink does not need order, calls of it overlap, and the cursor waits at
// the first that has not returned.
func TestUnordered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s store
		var inside, most atomic.Int32
		release := make(chan struct{})
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"},
			Exporters: []evidence.Exporter{{Unordered: true, Timeout: time.Hour, Sink: func(ctx context.Context, envs [][]byte) error {
				most.Store(max(most.Load(), inside.Add(1)))
				defer inside.Add(-1)
				if rec, err := record.Parse(envs[0]); err != nil || rec.Seq == 1 {
					<-release
				}
				time.Sleep(time.Second)
				return s.take(ctx, envs)
			}}}})
		use(t, r, 1000) // 4001 records, 16 batches
		time.Sleep(30 * time.Second)
		synctest.Wait()
		st := stats(r)
		if most.Load() != 8 || st.Shipped != 0 || st.Lag != 4001 || st.LagTime != 30*time.Second {
			t.Errorf("got %d calls at a time, %+v, want 8, and all to lag", most.Load(), st)
		}
		if n := len(s.got()); n != 7*256 {
			t.Errorf("the sink has %d records beyond the cursor, want those of 7 calls", n)
		}
		close(release)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if st := stats(r); st.Shipped != 4001 || st.Lag != 0 || st.LagTime != 0 {
			t.Errorf("got stats %+v, want all shipped", st)
		}
		got, want := s.got(), ledgertest.Envelopes(t, dir)
		slices.SortFunc(got, bytes.Compare)
		slices.SortFunc(want, bytes.Compare)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("the sink got %d records, the ledger has %d, or they differ", len(got), len(want))
		}
	})
}

// A sink that asks for a rest gets it from all that may call it at a time.
func TestRetryAfterHoldsForEveryBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Duration
		began := time.Now()
		sink := func(context.Context, [][]byte) error {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(began))
			if len(at) == 1 {
				return &evidence.SinkError{Err: errSink, After: 20 * time.Second}
			}
			return nil
		}
		r := open(t, ledgertest.Dir(t), evidence.Config{
			ReadOnly:  []string{"shell"},
			Exporters: []evidence.Exporter{{Sink: sink, Unordered: true}},
		})
		for range 10 {
			use(t, r, 1)
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(at) < 2 || at[1]-at[0] < 20*time.Second {
			t.Errorf("got calls at %v, want 20s of rest after the first", at)
		}
	})
}

// A call that did not return keeps its memory to itself.
func TestFault5TheMemoryOfACallThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s store
		release := make(chan struct{})
		var calls atomic.Int32
		torn := make(chan bool, 1)
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"},
			Exporters: []evidence.Exporter{{Unordered: true, Concurrency: 2, Sink: func(ctx context.Context, envs [][]byte) error {
				if calls.Add(1) > 1 {
					return s.take(ctx, envs)
				}
				var before [][]byte
				for _, env := range envs {
					before = append(before, bytes.Clone(env))
				}
				<-release
				torn <- !slices.EqualFunc(before, envs, bytes.Equal)
				return nil
			}}}})
		for range 20 {
			use(t, r, 30)
			time.Sleep(2 * time.Second)
		}
		close(release)
		if <-torn {
			t.Error("what a call has was written over")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if st := stats(r); st.Lag != 0 || st.Retried != 1 || st.Failures != 1 {
			t.Errorf("got stats %+v, want one call made again", st)
		}
	})
}

// Exporters do not know of each other.
func TestExportersAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var up, other store
		down := store{fail: errSink}
		r, err := evidence.Open(dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: []evidence.Exporter{
			{Name: "up", Sink: up.take}, {Name: "down", Sink: down.take}, {Name: "other", Sink: other.take, Unordered: true},
		}})
		if err != nil {
			t.Fatal(err)
		}
		use(t, r, 100)
		time.Sleep(time.Minute)
		synctest.Wait()
		st := r.Stats().Exporters
		if len(st) != 3 || st[0].Lag != 0 || st[1].Shipped != 0 || st[2].Lag != 0 || st[0].Name != "up" || st[1].Name != "down" {
			t.Errorf("got stats %+v", st)
		}
		err = r.Close(t.Context())
		var left *evidence.PendingError
		if !errors.As(err, &left) || len(left.Unshipped) != 1 || left.Unshipped[0].Exporter != "down" ||
			left.Unshipped[0].Records != st[1].Lag || !errors.Is(err, errSink) || !strings.Contains(err.Error(), "402 not shipped by down") {
			t.Errorf("Close: got %v", err)
		}
		wantShipped(t, dir, &up)
		wantShipped(t, dir, &other)
	})
}

// A ledger that cannot be read any more is said, and waited for.
func TestExportOfADamagedLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		s := store{fail: errSink}
		var log bytes.Buffer
		r, err := evidence.Open(dir, evidence.Config{
			Key: ledgertest.Key(1), ReadOnly: []string{"shell"}, Exporters: to(s.take), Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		use(t, r, 200)
		time.Sleep(time.Minute)
		synctest.Wait()
		path := segment.Path(dir, 1)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		ledgertest.Flip(t, path, info.Size()/2, 1)
		var before uint64
		for _, err := range evidence.Read(dir) {
			if err != nil {
				break
			}
			before++
		}
		s.set(nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		st := stats(r)
		if st.Err == nil || !strings.Contains(st.Err.Error(), "segment 1") || st.Shipped != before || st.Lag == 0 || st.Breaker != "closed" {
			t.Errorf("got stats %+v, want the %d before the damage shipped", st, before)
		}
		if n := strings.Count(log.String(), "cannot read the ledger"); n < 1 || n > 12 {
			t.Errorf("the log says it %d times in five minutes", n)
		}
		ledgertest.Flip(t, path, info.Size()/2, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := stats(r); st.Lag != 0 || st.Err != nil {
			t.Errorf("got stats %+v after it was mended", st)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantShipped(t, dir, &s)
	})
}

// Lines of the log come at a bounded rate and hold no content.
func TestExporterLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := store{fail: errors.New("the secret")}
		r, err := evidence.Open(ledgertest.Dir(t), evidence.Config{
			ReadOnly: []string{"shell"}, Exporters: to(s.take), Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 150 {
			use(t, r, 1)
			time.Sleep(4 * time.Second)
		}
		s.set(nil)
		for range 150 {
			use(t, r, 1)
			time.Sleep(4 * time.Second)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), "secret") {
			t.Errorf("the log holds what a sink said: %s", log.String())
		}
		n := strings.Count(log.String(), "evidence: shipping")
		if n < 18 || n > 21 || !strings.Contains(log.String(), " lag_time=") || !strings.Contains(log.String(), "breaker=open error=[*errors.errorString]") {
			t.Errorf("got %d lines in 20 minutes: %s", n, log.String())
		}
		if n := strings.Count(log.String(), "breaker is "); n != 2 {
			t.Errorf("got %d lines about the breaker, want 2: %s", n, log.String())
		}
	})
}

func TestOpenPanicsOnAnExporterThatMakesNoSense(t *testing.T) {
	sink := new(store).take
	for name, exporters := range map[string][]evidence.Exporter{
		"no sink":     {{Name: "a"}},
		"same name":   {{Name: "a", Sink: sink}, {Name: "a", Sink: sink}},
		"no names":    {{Sink: sink}, {Sink: sink}},
		"upper case":  {{Name: "A", Sink: sink}},
		"a path":      {{Name: "../a", Sink: sink}},
		"a long name": {{Name: strings.Repeat("a", 65), Sink: sink}},
		"concurrency": {{Sink: sink, Concurrency: -1}},
		"timeout":     {{Sink: sink, Timeout: -1}},
		"backoff":     {{Sink: sink, MinBackoff: -1}},
		"largest":     {{Sink: sink, MaxBackoff: -1}},
		"attempts":    {{Sink: sink, Attempts: -1}},
		"open for":    {{Sink: sink, OpenFor: -1}},
	} {
		func() {
			defer func() {
				if v, _ := recover().(string); !strings.HasPrefix(v, "evidence: Open: ") {
					t.Errorf("%s: got panic %q, want one that names the package", name, v)
				}
			}()
			_, _ = evidence.Open(ledgertest.Dir(t), evidence.Config{Exporters: exporters})
		}()
	}
}
