package evidence_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/internal/delivery"
)

// A sink that asks for a pause gets it, up to the longest.
func TestFault4RetryAfter(t *testing.T) {
	for _, tt := range []struct {
		value    string
		from, to time.Duration // of the pause
	}{
		{"7", 7 * time.Second, 7 * time.Second},
		{"Sat, 01 Jan 2000 00:00:20 GMT", 10 * time.Second, 20 * time.Second},
		{"1000000000", 30 * time.Second, 30 * time.Second},
		{"-1", 1, 500 * time.Millisecond},
		{"1e9", 1, 500 * time.Millisecond},
		{"soon", 1, 500 * time.Millisecond},
	} {
		for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
			t.Run(fmt.Sprint(status, " ", tt.value), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var at []time.Time
					r := open(t, ledgertest.Dir(t), evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(context.Context, [][]byte) error {
						if at = append(at, time.Now()); len(at) > 1 {
							return nil
						}
						return &delivery.StatusError{Status: status, After: delivery.ParseRetryAfter(tt.value, time.Now())}
					})})
					use(t, r, 1)
					time.Sleep(time.Minute)
					synctest.Wait()
					if len(at) != 2 {
						t.Fatalf("got %d calls, want 2", len(at))
					}
					if pause := at[1].Sub(at[0]); pause < tt.from || pause > tt.to {
						t.Errorf("the second call came after %v, want %v to %v", pause, tt.from, tt.to)
					}
				})
			})
		}
	}
}

// A breaker that opens and closes for 20 minutes is recorded once a minute, with none
// of its changes forgotten.
func TestFault8BreakerFlaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s store
		n := 0
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"},
			Exporters: []evidence.Exporter{{OpenFor: time.Second, Sink: func(ctx context.Context, envs [][]byte) error {
				if n++; n%6 != 0 {
					return errSink
				}
				return s.take(ctx, envs)
			}}}})
		for range 400 {
			use(t, r, 1)
			time.Sleep(3 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		var records, changes uint64
		var last time.Time
		for _, e := range ledgertest.Entries(t, dir) {
			b := e.Record.Breaker
			if b == nil {
				continue
			}
			records++
			changes += b.Changes
			if pause := e.Record.Time.Sub(last); pause < time.Minute {
				t.Errorf("two records within %v", pause)
			}
			last = e.Record.Time
		}
		if records < 10 || records > 22 || changes < 70 || changes%2 != 0 {
			t.Errorf("got %d records of %d changes", records, changes)
		}
		st := stats(r)
		wantExact(t, dir, st)
		t.Logf("%d records of %d changes, %+v", records, changes, st)
		n = 5 // the sink is up for the next call
		ledgertest.WantIntact(t, dir)
	})
}
