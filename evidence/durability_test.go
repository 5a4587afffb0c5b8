package evidence_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// A fault is an error that can be switched on and off.
type fault struct{ err atomic.Pointer[error] }

func (f *fault) set(err error) {
	if err == nil {
		f.err.Store(nil)
		return
	}
	f.err.Store(&err)
}

func (f *fault) get() error {
	if p := f.err.Load(); p != nil {
		return *p
	}
	return nil
}

func wantUnavailable(t *testing.T, err, cause error) {
	t.Helper()
	var d *middleware.DeniedError
	if !errors.As(err, &d) || d.Code != middleware.CodeEvidence || d.Gate != "recorder" {
		t.Fatalf("got error %v, want a denial by the recorder with code %q", err, middleware.CodeEvidence)
	}
	if !errors.Is(err, evidence.ErrUnavailable) || !errors.Is(err, cause) {
		t.Errorf("got cause %v, want one that wraps ErrUnavailable and %v", d.Err, cause)
	}
}

// No tool with side effects runs while its intent cannot be made
// durable, and all goes on when it can.
func TestDiskFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		wire  func(f *fault) segmenttest.Faults
		after uint64 // the segment that records go to afterwards
	}{
		{"write ENOSPC", syscall.ENOSPC, func(f *fault) segmenttest.Faults {
			return segmenttest.Faults{Write: func(b []byte) (int, error) { return 0, f.get() }}
		}, 1},
		{"short write ENOSPC", syscall.ENOSPC, func(f *fault) segmenttest.Faults {
			return segmenttest.Faults{Write: func(b []byte) (int, error) { return len(b) / 2, f.get() }}
		}, 1},
		{"short write, truncate EIO", syscall.EIO, func(f *fault) segmenttest.Faults {
			return segmenttest.Faults{Write: func(b []byte) (int, error) { return len(b) / 2, f.get() }, Truncate: f.get}
		}, 1},
		{"sync EIO", syscall.EIO, func(f *fault) segmenttest.Faults { return segmenttest.Faults{Sync: f.get} }, 2},
		{"sync and create EIO", syscall.EIO, func(f *fault) segmenttest.Faults { return segmenttest.Faults{Sync: f.get, Create: f.get} }, 2},
		{"sync and truncate EIO", syscall.EIO, func(f *fault) segmenttest.Faults { return segmenttest.Faults{Sync: f.get, Truncate: f.get} }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			var f fault
			cfg := evidence.Config{ReadOnly: []string{"calculator"}, BestEffort: []string{"log"}}
			r := openOn(t, dir, cfg, evidence.Disk{Do: tt.wire(&f).Do})
			ran := 0
			tool := func(context.Context, middleware.Call) (middleware.Result, error) {
				ran++
				return middleware.Result{Output: "ok"}, nil
			}
			if _, err := call(t, r, shell, tool); err != nil || ran != 1 {
				t.Fatalf("before: got error %v, ran %d", err, ran)
			}
			f.set(tt.err)
			for range 3 {
				_, err := call(t, r, shell, tool)
				wantUnavailable(t, err, tt.err)
			}
			if ran != 1 {
				t.Errorf("the tool ran %d times, want 1", ran)
			}
			if err := r.Err(); !errors.Is(err, tt.err) {
				t.Errorf("Err: got %v, want %v", err, tt.err)
			}
			for _, name := range []string{"calculator", "log"} {
				c := shell
				c.Name = name
				if _, err := call(t, r, c, tool); err != nil {
					t.Errorf("%s: got error %v, want it to run", name, err)
				}
			}
			f.set(nil)
			if _, err := call(t, r, shell, tool); err != nil {
				t.Errorf("after: got error %v", err)
			}
			if err := r.Err(); err != nil {
				t.Errorf("after: Err: got %v", err)
			}
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			report := ledgertest.WantIntact(t, dir)
			if report.Runs != 7 || report.Done != 4 || report.Denied != 3 || report.Gaps != 0 || report.Unknown != 0 {
				t.Errorf("got report %+v, want 4 done and 3 denied and nothing lost", report)
			}
			all := ledgertest.Entries(t, dir)
			if got := all[len(all)-1].Segment; got != tt.after {
				t.Errorf("the last record is in segment %d, want %d", got, tt.after)
			}
			effects := make(map[record.Effects]int)
			for _, e := range all {
				effects[e.Record.Effects]++
			}
			if effects[record.EffectsDurable] != 5 || effects[record.EffectsReadOnly] != 1 || effects[record.EffectsBestEffort] != 1 {
				t.Errorf("got effects %v", effects)
			}
		})
	}
}

// Whichever operation of the disk fails or is cut short, nothing is lost, and no
// tool has run without an intent that was durable by then. A write that lies, and
// says that it was done when half of it was, is found out.
func TestNthOperationFails(t *testing.T) {
	for _, signing := range signings {
		for _, how := range []string{"fails", "short", "lies"} {
			t.Run(string(signing)+"/"+how, func(t *testing.T) {
				t.Parallel()
				n := 0
				for reached := true; reached; n++ {
					synctest.Test(t, func(t *testing.T) { reached = nthOperation(t, n, how, signing) })
					if t.Failed() {
						t.Fatalf("operation %d %s", n, how)
					}
				}
				if n < 20 {
					t.Errorf("%d operations", n)
				}
			})
		}
	}
}

func nthOperation(t *testing.T, n int, how string, signing record.Signing) (reached bool) {
	dir := ledgertest.Dir(t)
	var ops, armed, lied atomic.Int32
	cfg := evidence.Config{Signing: signing}
	do := func(op segmenttest.Op) error {
		if armed.Load() == 0 || int(ops.Add(1)) != n+1 {
			return op.Do()
		}
		switch {
		case how == "lies" && op.Part != nil:
			lied.Store(1)
			_ = op.Part(len(op.Bytes) / 2)
			return nil
		case how == "short" && op.Part != nil:
			return errors.Join(syscall.EIO, op.Part(len(op.Bytes)-1))
		}
		return syscall.EIO
	}
	r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do, Segment: 6 << 10})
	if err != nil {
		t.Fatal(err)
	}
	armed.Store(1)
	var denied int
	for range 4 {
		_, err := call(t, r, shell, func(context.Context, middleware.Call) (middleware.Result, error) {
			if report := ledgertest.Verify(t, dir, r.PublicKey()); lied.Load() == 0 && (!report.Intact() || report.Unknown != 1) {
				t.Errorf("the tool runs and its intent is not there: %+v %v", report, report.First)
			}
			return middleware.Result{}, nil
		})
		if err != nil && lied.Load() == 0 {
			wantUnavailable(t, err, syscall.EIO)
		}
		if err != nil {
			denied++
		}
		time.Sleep(10 * time.Second) // the outcome is written
	}
	closed := r.Close(t.Context())
	report := ledgertest.Verify(t, dir, r.PublicKey())
	whole := report.Intact() && report.Records == 17 && report.Lost == 0 && int(report.Denied) == denied && denied <= 1
	switch {
	case lied.Load() == 1 && report.Intact() && !whole:
		t.Errorf("a lie was not found out: %+v", report)
	case lied.Load() == 0 && (!whole || closed != nil):
		t.Errorf("got report %+v %v, %d denied, Close %v", report, report.First, denied, closed)
	}
	return int(ops.Load()) > n
}

// A log that was renamed or cut under the writer is not begun anew.
func TestLogTakenAway(t *testing.T) {
	for name, take := range map[string]func(path string) error{
		"renamed":   func(path string) error { return os.Rename(path, path+".1") },
		"removed":   os.Remove,
		"replaced":  func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
		"truncated": func(path string) error { return os.Truncate(path, 10) },
		"directory": func(path string) error {
			return os.Rename(filepath.Dir(path), filepath.Dir(path)+".1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r, err := evidence.Open(dir, evidence.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if err := take(segment.Path(dir, 1)); err != nil {
				t.Fatal(err)
			}
			_, err = call(t, r, shell, say("ok"))
			wantUnavailable(t, err, evidence.ErrUnavailable)
			var left *evidence.PendingError
			if err := r.Close(t.Context()); !errors.As(err, &left) || left.NotDurable != 4 {
				t.Errorf("Close: got %v, want 4 records not durable", err)
			}
		})
	}
}

// A disk that hangs keeps a tool waiting no longer than Patience, and other calls
// not at all.
func TestDiskHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		hang := make(chan struct{})
		var hung atomic.Bool
		cfg := evidence.Config{Patience: time.Minute, ReadOnly: []string{"calculator"}}
		faults := segmenttest.Faults{Sync: func() error {
			if hung.Load() {
				<-hang
			}
			return nil
		}}
		r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: faults.Do})
		if err != nil {
			t.Fatal(err)
		}
		hung.Store(true)
		began := time.Now()
		c := shell
		c.Name = "calculator"
		for range 100 {
			if _, err := call(t, r, c, say("ok")); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("calls that need not wait waited %v", waited)
		}
		_, err = call(t, r, shell, say("ok"))
		wantUnavailable(t, err, evidence.ErrUnavailable)
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("the tool waited %v, want 1m", waited)
		}

		// So does the end of its context, which is no denial.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := middleware.Wrap(say("ok"), r.Intercept)(ctx, shell); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got error %v, want the context's", err)
		}

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *evidence.PendingError
		err = r.Close(ctx)
		if !errors.As(err, &left) || left.NotDurable != 408 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: got %v, want 408 records not durable and a deadline exceeded", err)
		}
		hung.Store(false)
		close(hang)
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("second Close: got %v, want nil", err)
		}
		if report := ledgertest.Verify(t, dir, r.PublicKey()); !report.Intact() || report.Records != 409 {
			t.Errorf("got report %+v, want 409 records", report)
		}
	})
}

// What a failed sync may have left in a segment is cut off for good before the
// same records go to the next one.
func TestSuspectSegmentIsCutForGood(t *testing.T) {
	dir := ledgertest.Dir(t)
	var ops []string
	var fail bool
	cfg := evidence.Config{Key: ledgertest.Key(1)}
	do := func(op segmenttest.Op) error {
		if !strings.Contains(op.Path, "segments") {
			return op.Do()
		}
		ops = append(ops, op.Name+" "+filepath.Base(op.Path))
		if fail && op.Name == "sync" {
			fail = false
			return errors.Join(syscall.EIO, op.Do())
		}
		return op.Do()
	}
	r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do})
	if err != nil {
		t.Fatal(err)
	}
	ops, fail = nil, true
	_, _ = call(t, r, shell, say("ok"))
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "truncate 00000000000000000001.seg\nsync 00000000000000000001.seg\ncreate 00000000000000000002.seg\n"
	if all := strings.Join(ops, "\n"); !strings.Contains(all, want) {
		t.Errorf("got operations\n%s\nwant among them\n%s", all, want)
	}
	ledgertest.WantIntact(t, dir)
}
