package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
)

// wantExact checks that nothing is lost: what is durable was shipped, is parked or
// lags behind.
func wantExact(t *testing.T, dir string, s evidence.ExporterStats) {
	t.Helper()
	produced := uint64(len(ledgertest.Entries(t, dir)))
	if sum := s.Shipped + s.Parked + s.Lag; sum != produced {
		t.Errorf("%d shipped, %d parked, %d to go make %d, and %d were produced", s.Shipped, s.Parked, s.Lag, sum, produced)
	}
}

// refusals returns what the ledger says of refusals, each record's as the numbers
// that it names.
func refusals(t *testing.T, dir string) (all []*record.Refusal, seqs []uint64) {
	t.Helper()
	for _, e := range ledgertest.Entries(t, dir) {
		f := e.Record.Refused
		if f == nil {
			continue
		}
		all = append(all, f)
		for _, r := range f.Ranges {
			for seq := r.From; seq <= r.To; seq++ {
				seqs = append(seqs, seq)
			}
		}
	}
	slices.Sort(seqs)
	return all, seqs
}

// What a sink refuses for good is parked and recorded, without a second call, and
// that the records about it are refused too is the end of it.
func TestFault3Refused(t *testing.T) {
	for status, want := range map[int]bool{
		400: true, 404: true, 413: true, 500: true, 501: true, 505: true,
		401: false, 403: false, 407: false, 408: false, 425: false, 429: false, 502: false, 503: false, 504: false,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				var down atomic.Bool
				down.Store(true)
				var s store
				r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(ctx context.Context, envs [][]byte) error {
					if down.Load() {
						return &delivery.StatusError{Status: status}
					}
					return s.take(ctx, envs)
				})})
				use(t, r, 10)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				st := stats(r)
				wantExact(t, dir, st)
				if !want {
					if st.Parked != 0 || st.Breaker == "closed" {
						t.Errorf("got stats %+v, want the breaker open and nothing parked", st)
					}
					down.Store(false)
					time.Sleep(time.Minute)
					return
				}
				// One record says that the 41 before it were refused.
				if st.Parked != 42 || st.Lag != 0 || st.Breaker != "closed" || st.Attempts > 3 || st.Retried != 0 {
					t.Errorf("got stats %+v, want 42 parked after at most 3 calls", st)
				}
				all, seqs := refusals(t, dir)
				if len(all) != 1 || all[0].Count != 41 || all[0].Exporter != "default" ||
					!slices.Equal(all[0].Error, []string{fmt.Sprintf("http.%d", status)}) {
					t.Errorf("got %d refusals, the first %+v", len(all), all[0])
				}
				if len(seqs) != 41 || seqs[0] != 1 || seqs[40] != 41 {
					t.Errorf("got refused records %v", seqs)
				}
				down.Store(false)
				use(t, r, 1)
				time.Sleep(time.Second)
				synctest.Wait()
				if st := stats(r); st.Shipped != 4 || st.Parked != 42 || st.Lag != 0 {
					t.Errorf("got stats %+v after the sink changed its mind", st)
				}
				if report := ledgertest.WantIntact(t, dir); report.Refused != 41 {
					t.Errorf("the report says that %d were refused", report.Refused)
				}
			})
		})
	}
}

// However many a sink refuses, there is a record of it a minute, or one for each
// 64 ranges, and each refused record stands in one.
func TestRefusalsAreRecordedAtABoundedRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var picky atomic.Bool // refuses every other call's record
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(_ context.Context, envs [][]byte) error {
			if !picky.Load() {
				return &evidence.SinkError{Err: errSink, Final: true}
			}
			for i, env := range envs {
				if rec, err := record.Parse(env); err == nil && rec.Seq%2 == 0 {
					return &evidence.SinkError{Err: errSink, Accepted: i, Final: true, Rejected: 1}
				}
			}
			return nil
		})})
		for range 600 { // ten minutes
			use(t, r, 1)
			time.Sleep(time.Second)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		all, seqs := refusals(t, dir)
		if len(all) < 10 || len(all) > 13 {
			t.Errorf("got %d records about refusals in ten minutes", len(all))
		}
		st := stats(r)
		wantExact(t, dir, st)
		if st.Parked != uint64(len(seqs)+len(all)) || st.Shipped != 0 {
			t.Errorf("got stats %+v, and %d recorded", st, len(seqs))
		}
		if len(seqs) != 2401 {
			t.Errorf("%d records are recorded as refused, want 2401", len(seqs))
		}

		// Now every other record.
		picky.Store(true)
		before := len(seqs)
		use(t, r, 1000)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		all, seqs = refusals(t, dir)
		st = stats(r)
		wantExact(t, dir, st)
		if st.Lag != 0 || len(seqs)-before < 1990 || len(seqs)-before > 2010 {
			t.Errorf("%d more records are recorded as refused, want 2000: %+v", len(seqs)-before, st)
		}
		for _, f := range all {
			if len(f.Ranges) > 64 {
				t.Errorf("a record with %d ranges", len(f.Ranges))
			}
		}
		if n := len(slices.Compact(slices.Clone(seqs))); n != len(seqs) {
			t.Errorf("%d records are recorded as refused twice", len(seqs)-n)
		}
		ledgertest.WantIntact(t, dir)
	})
}

// What is refused before Close is recorded by it, whatever the time of the last
// record about refusals.
func TestCloseRecordsWhatWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		refuse := func(_ context.Context, envs [][]byte) error { return &evidence.SinkError{Err: errSink, Final: true} }
		r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"shell"}, Exporters: to(refuse)})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			use(t, r, 1)
			time.Sleep(5 * time.Second)
		}
		if _, seqs := refusals(t, dir); len(seqs) == 13 {
			t.Error("nothing is left to be recorded")
		}
		began := time.Now()
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Close took %v", took)
		}
		if _, seqs := refusals(t, dir); len(seqs) != 13 {
			t.Errorf("got refusals of %v, want of 1 to 13", seqs)
		}
		wantExact(t, dir, stats(r))
		ledgertest.WantIntact(t, dir)
	})
}

// What is refused when the ledger is closed is recorded when it is opened again, and
// Close says so.
func TestRefusedAtClose(t *testing.T) {
	dir := ledgertest.Dir(t)
	refuse := func(context.Context, [][]byte) error { return &evidence.SinkError{Err: errSink, Final: true} }
	r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"shell"}, Exporters: to(refuse)})
	if err != nil {
		t.Fatal(err)
	}
	use(t, r, 1)
	var pending *evidence.PendingError
	if err := r.Close(t.Context()); !errors.As(err, &pending) || pending.Untold != 5 || pending.Unshipped != nil || pending.NotDurable != 0 {
		t.Errorf("got %v, want it to say that 5 were refused and no record says so", err)
	}
	if st := stats(r); st.Parked != 5 {
		t.Errorf("got stats %+v, want 5 parked", st)
	}
	if all, _ := refusals(t, dir); len(all) != 0 {
		t.Errorf("got %d refusals recorded after the end", len(all))
	}
	var s store
	r = open(t, dir, evidence.Config{Exporters: to(s.take)})
	for range 100 {
		if all, _ := refusals(t, dir); len(all) > 0 {
			break
		}
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all, seqs := refusals(t, dir)
	if len(all) != 1 || !slices.Equal(seqs, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("got %d refusals of %v", len(all), seqs)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := stats(r); st.Parked != 5 || st.Lag != 0 {
		t.Errorf("got stats %+v, want 5 parked", st)
	}
	ledgertest.WantIntact(t, dir)
}

// A sink that takes a part gets the rest, and that at once where it refused what
// was between.
func TestPartialDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s store
		calls := 0
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(ctx context.Context, envs [][]byte) error {
			n := min(3, len(envs))
			_ = s.take(ctx, envs[:n])
			if n == len(envs) {
				return nil
			}
			if calls++; calls%2 == 0 {
				return &evidence.SinkError{Err: errSink, Accepted: n, Final: true, Rejected: 1}
			}
			return fmt.Errorf("wrapped: %w", &evidence.SinkError{Err: errSink, Accepted: n})
		})})
		use(t, r, 25)
		time.Sleep(time.Minute)
		synctest.Wait()
		_, refused := refusals(t, dir)
		var want [][]byte
		for _, e := range ledgertest.Entries(t, dir) {
			if !slices.Contains(refused, e.Record.Seq) {
				want = append(want, e.Envelope)
			}
		}
		if got := s.got(); !slices.EqualFunc(got, want, slices.Equal[[]byte]) {
			t.Errorf("the sink has %d records, want the %d that it did not refuse, each once and in order", len(got), len(want))
		}
		st := stats(r)
		wantExact(t, dir, st)
		if st.Lag != 0 || st.Breaker != "closed" || st.Parked == 0 || st.Parked != uint64(len(refused)) {
			t.Errorf("got stats %+v and %d refused", st, len(refused))
		}
	})
}

// A sink's error can make no sense, and nothing is lost by it.
func TestNonsenseOfASink(t *testing.T) {
	for name, nonsense := range map[string]error{
		"more taken than sent":   &evidence.SinkError{Err: errSink, Accepted: math.MaxInt},
		"less than nothing":      &evidence.SinkError{Err: errSink, Accepted: -5, Rejected: -7, Final: true},
		"more refused than sent": &evidence.SinkError{Err: errSink, Accepted: 3, Rejected: math.MaxInt, Final: true},
		"waits for ever":         &evidence.SinkError{Err: errSink, After: 1 << 62},
		"nil in an interface":    (*evidence.SinkError)(nil),
		"wraps nothing":          fmt.Errorf("%w", (*evidence.SinkError)(nil)),
		"waits for less":         &evidence.SinkError{Err: errSink, After: -1 << 62},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				var n atomic.Int32
				r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(context.Context, [][]byte) error {
					if n.Add(1) > 1 {
						return nil
					}
					return nonsense
				})})
				use(t, r, 2)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				st := stats(r)
				wantExact(t, dir, st)
				if st.Lag != 0 {
					t.Errorf("got stats %+v, want nothing left", st)
				}
			})
		})
	}
}

func TestSinkError(t *testing.T) {
	for want, e := range map[string]*evidence.SinkError{
		"sink is away":                            {Err: errSink},
		"3 taken: sink is away":                   {Err: errSink, Accepted: 3},
		"3 taken, the rest refused: sink is away": {Err: errSink, Accepted: 3, Final: true},
		"3 taken, 1 refused: sink is away":        {Err: errSink, Accepted: 3, Rejected: 1, Final: true},
	} {
		if e.Error() != want || !errors.Is(e, errSink) || e.RetryAfter() != 0 {
			t.Errorf("got %q, want %q", e, want)
		}
	}
}

// A Close that waits for a record about a refusal, which a disk that does not answer
// holds up, keeps no other Close from giving up.
func TestCloseBesideAClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stuck atomic.Bool
		answers := make(chan struct{})
		cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"shell"}, Exporters: to(func(context.Context, [][]byte) error {
			stuck.Store(true)
			return &evidence.SinkError{Err: errSink, Final: true}
		})}
		do := func(op segmenttest.Op) error {
			if op.Name == "sync" && stuck.Load() {
				<-answers
			}
			return op.Do()
		}
		r, err := evidence.OpenOn(ledgertest.Dir(t), cfg, evidence.Disk{Do: do})
		if err != nil {
			t.Fatal(err)
		}
		use(t, r, 1)
		time.Sleep(time.Second)
		first := make(chan error, 1)
		go func() { first <- r.Close(context.Background()) }()
		time.Sleep(time.Second)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.AfterFunc(time.Hour, func() { close(answers) })
		err = r.Close(ctx)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 2*time.Second {
			t.Errorf("got %v after %v, want a deadline that passed", err, took)
		}
		if err := <-first; errors.Is(err, evidence.ErrClosed) {
			t.Error("the first Close did not close")
		}
	})
}
