package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
)

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s store
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(s.take)})
		for range 3 {
			use(t, r, 5)
			began := time.Now()
			if err := r.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("Flush took %v: it waited for a batch to fill", took)
			}
			wantShipped(t, dir, &s)
		}

		// A sink that fails for a while is waited for, as long as ctx lets it.
		s.set(errSink)
		use(t, r, 5)
		go func() {
			time.Sleep(300 * time.Millisecond)
			s.set(nil)
		}()
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantShipped(t, dir, &s)
		s.set(errSink)
		use(t, r, 5)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var left *evidence.PendingError
		if err := r.Flush(ctx); !errors.As(err, &left) || !errors.Is(err, context.DeadlineExceeded) || left.NotDurable != 0 || left.Unshipped[0].Records != 20 {
			t.Errorf("got %v, want 20 records unshipped when the time is up", err)
		}

		// An open breaker is not waited for.
		time.Sleep(20 * time.Second)
		began := time.Now()
		if err := r.Flush(t.Context()); !errors.As(err, &left) || !errors.Is(err, errSink) || time.Since(began) > time.Second {
			t.Errorf("got %v after %v, want why the breaker is open at once", err, time.Since(began))
		}
		s.set(nil)
		time.Sleep(40 * time.Second)
		if err := r.Flush(t.Context()); err != nil {
			t.Errorf("after the sink came back: %v", err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Flush(t.Context()); err != nil {
			t.Errorf("after Close: %v", err)
		}
	})
}

// Flush says what a disk that fails does not take.
func TestFlushOnABrokenDisk(t *testing.T) {
	var f fault
	cfg := evidence.Config{ReadOnly: []string{"shell"}}
	r := openOn(t, ledgertest.Dir(t), cfg, evidence.Disk{Do: segmenttest.Faults{Sync: f.get}.Do})
	f.set(errors.New("EIO"))
	use(t, r, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var left *evidence.PendingError
	if err := r.Flush(ctx); !errors.As(err, &left) || left.NotDurable == 0 || !strings.Contains(err.Error(), "EIO") {
		t.Errorf("got %v, want records that are not durable", err)
	}
	f.set(nil)
	if err := r.Flush(ctx); err != nil {
		t.Errorf("after the disk came back: %v", err)
	}
}

// Of a thousand calls that are under way when the Recorder is closed, each record
// is shipped, or Close says that it is not.
func TestFault21CloseDuringCalls(t *testing.T) {
	for _, patience := range []time.Duration{0, 20 * time.Millisecond, time.Minute} {
		t.Run(fmt.Sprint(patience), func(t *testing.T) {
			dir := ledgertest.Dir(t)
			var s store
			r, err := evidence.Open(dir,
				evidence.Config{Key: ledgertest.Key(1), BestEffort: []string{"shell"}, Exporters: to(func(ctx context.Context, envs [][]byte) error {
					time.Sleep(time.Millisecond)
					if err := ctx.Err(); err != nil {
						return err
					}
					return s.take(ctx, envs)
				})})
			if err != nil {
				t.Fatal(err)
			}
			var calls sync.WaitGroup
			var made atomic.Int32
			half := make(chan struct{})
			for range 1000 {
				calls.Go(func() {
					_, _ = call(t, r, shell, say("ok"))
					if made.Add(1) == 500 {
						close(half)
					}
				})
			}
			<-half
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			err = r.Close(ctx)
			cancel()
			calls.Wait()
			// What it says is of the moment: wait until nothing moves any more.
			last := r.Close(t.Context())
			st := r.Stats()
			unshipped := uint64(0)
			var left *evidence.PendingError
			if errors.As(last, &left) {
				for _, u := range left.Unshipped {
					unshipped += u.Records
				}
			} else if last != nil {
				t.Fatalf("Close: got %v", last)
			}
			produced := len(ledgertest.Entries(t, dir))
			distinct := make(map[string]bool)
			for _, env := range s.got() {
				distinct[string(env)] = true
			}
			x := st.Exporters[0]
			wantExact(t, dir, x)
			if x.Lag != unshipped || uint64(len(distinct)) < x.Shipped || st.Waiting != 0 {
				t.Errorf("of %d records the sink has %d, %d are said to be left: %+v", produced, len(distinct), unshipped, st)
			}
			if patience == time.Minute && (err != nil || len(distinct) != produced) {
				t.Errorf("Close: got %v, and %d of %d records shipped", err, len(distinct), produced)
			}
			if patience == 0 && err == nil {
				t.Error("Close: got nil although there was no time")
			}
			if report := ledgertest.WantIntact(t, dir); report.Lost != 0 {
				t.Errorf("%d records are lost", report.Lost)
			}
		})
	}
}
