package evidence_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// A gap declares the records right before it: what would fit after a loss waits
// until the gap is there, or is lost too.
func TestNothingComesBetweenALossAndItsGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		hang := make(chan struct{})
		r := open(t, dir, evidence.Config{ReadOnly: []string{"read"}, Disclose: func(record.Disclosure) { <-hang }})
		read := middleware.Call{Kind: middleware.KindTool, Name: "read", Input: ""}
		_, _ = call(t, r, read, say("small"))
		time.Sleep(time.Second) // the writer takes its records, and hangs
		for range 5 {           // the last one finds no room
			if _, err := call(t, r, read, say(strings.Repeat("x", 15<<20))); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 { // for which there is
			if _, err := call(t, r, read, say("small")); err != nil {
				t.Fatal(err)
			}
		}
		close(hang)
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if report := ledgertest.WantIntact(t, dir); report.Gaps != 1 || report.Lost == 0 || report.Lost != r.Stats().Lost {
			t.Errorf("got report %+v, want one gap of %d records", report, r.Stats().Lost)
		}
	})
}

// A context that ends while a tool waits for its intent ends the call: that is no
// denial, which would stop the run.
func TestAWaitThatIsCancelledIsNoDenial(t *testing.T) {
	for _, full := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			hang := make(chan struct{})
			var hung atomic.Bool
			cfg := evidence.Config{Patience: time.Hour, Queue: 4, ReadOnly: []string{"read"}}
			cfg.Disclose = func(record.Disclosure) {
				if hung.Load() {
					<-hang
				}
			}
			dir := ledgertest.Dir(t)
			r := open(t, dir, cfg)
			hung.Store(true)
			if full {
				for range 5 {
					_, _ = call(t, r, middleware.Call{Kind: middleware.KindTool, Name: "read", Input: ""}, say("ok"))
					time.Sleep(time.Second)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			ran := false
			began := time.Now()
			_, err := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
				ran = true
				return middleware.Result{}, nil
			}, r.Intercept)(ctx, shell)
			var denied *middleware.DeniedError
			if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &denied) || ran || time.Since(began) != 3*time.Second {
				t.Errorf("queue full: %v: got %v after %v, the tool ran: %v; want the context's own error after 3s, and no call", full, err,
					time.Since(began), ran)
			}
			hung.Store(false)
			close(hang)
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			report := ledgertest.WantIntact(t, dir)
			if !full && report.Cancelled != 1 || report.Denied != 0 || report.Unknown > 0 {
				t.Errorf("queue full: %v: got report %+v, want a call that was cancelled", full, report)
			}
		})
	}
}

// What waits to be recorded keeps nothing alive that is not recorded: an image,
// say, that the framework holds in a value of its own.
func TestSnapshotsLetGoOfWhatIsTheFrameworks(t *testing.T) {
	image := new([1 << 20]byte)
	held := weak.Make(image)
	request := &middleware.ModelRequest{Messages: []middleware.Message{{Role: "human", Parts: []middleware.Part{{Size: 1 << 20, Native: image}}}}}
	snap := evidence.Snapshot(request)
	runtime.KeepAlive(request)
	runtime.GC() // neither image nor request is used any more
	if held.Value() != nil {
		t.Error("the snapshot of a request holds the framework's value")
	}
	runtime.KeepAlive(snap)
}
