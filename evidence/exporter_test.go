package evidence_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
)

// A store is a sink that keeps what it gets and fails when it is told to.
type store struct {
	mu   sync.Mutex
	envs [][]byte
	fail error
}

func (s *store) set(err error) {
	s.mu.Lock()
	s.fail = err
	s.mu.Unlock()
}

func (s *store) take(_ context.Context, envs [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, env := range envs {
		s.envs = append(s.envs, bytes.Clone(env)) // their memory is used again
	}
	return nil
}

func (s *store) got() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.envs)
}

// to is the exporter of a sink.
func to(sink evidence.Sink) []evidence.Exporter { return []evidence.Exporter{{Sink: sink}} }

// stats returns the counts of the one exporter.
func stats(r *evidence.Recorder) evidence.ExporterStats { return r.Stats().Exporters[0] }

var errSink = errors.New("sink is away")

// use makes calls that leave 4 records each.
func use(t *testing.T, r *evidence.Recorder, n int) {
	t.Helper()
	for range n {
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Fatal(err)
		}
	}
}

func wantShipped(t *testing.T, dir string, s *store) {
	t.Helper()
	want, got := ledgertest.Envelopes(t, dir), s.got()
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the sink got %d records, the ledger has %d, or they differ", len(got), len(want))
	}
}

func TestExport(t *testing.T) {
	dir := ledgertest.Dir(t)
	writeLedger(t, dir, evidence.Config{}) // what was there before is shipped too
	var s store
	r := open(t, dir, evidence.Config{Exporters: to(s.take), ReadOnly: []string{"shell"}})
	use(t, r, 300)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantShipped(t, dir, &s)
	st := stats(r)
	if st.Shipped != 11+1+1200 || st.Lag != 0 || st.Failures != 0 || st.Breaker != "closed" || st.Err != nil {
		t.Errorf("got stats %+v", st)
	}
	for _, env := range s.got() {
		if _, err := record.Parse(env); err != nil {
			t.Fatal(err)
		}
	}
}

// The exporter follows the ledger into a new segment.
func TestExportAcrossSegments(t *testing.T) {
	dir := ledgertest.Dir(t)
	var s store
	var f fault
	cfg := evidence.Config{Exporters: to(s.take)}
	r := openOn(t, dir, cfg, evidence.Disk{Do: segmenttest.Faults{Sync: f.get}.Do})
	for range 3 {
		use(t, r, 2)
		f.set(errors.New("EIO"))
		_, err := call(t, r, shell, say("ok"))
		wantUnavailable(t, err, evidence.ErrUnavailable)
		f.set(nil)
		use(t, r, 2)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := ledgertest.WantIntact(t, dir); report.Segments != 4 {
		t.Errorf("got %d segments, want 4", report.Segments)
	}
	wantShipped(t, dir, &s)
}

// While a sink is away for an hour nothing is lost and nobody waits.
func TestFault1SinkDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		s := store{fail: errSink}
		r := open(t, dir, evidence.Config{Exporters: to(s.take), ReadOnly: []string{"shell"}})
		began := time.Now()
		for range 60 {
			use(t, r, 5)
			time.Sleep(time.Minute)
		}
		if waited := time.Since(began); waited != time.Hour {
			t.Errorf("calls waited %v", waited-time.Hour)
		}
		synctest.Wait()
		st := stats(r)
		if st.Shipped != 0 || st.Lag != 1202 || st.Breaker == "closed" || !errors.Is(st.Err, errSink) {
			t.Errorf("got stats %+v, want all unshipped and the breaker open", st)
		}
		// Five attempts trip it, and then there is one each 30 seconds or so.
		if st.Attempts > 130 {
			t.Errorf("got %d attempts in an hour", st.Attempts)
		}
		s.set(nil)
		time.Sleep(32 * time.Second) // one probe
		synctest.Wait()
		if st := stats(r); st.Shipped != 1203 || st.Lag != 0 || st.Breaker != "closed" || st.Err != nil {
			t.Errorf("got stats %+v, want all shipped and the breaker closed", st)
		}
		wantShipped(t, dir, &s)
	})
}

// A sink that takes ten seconds for each batch makes nobody wait.
func TestFault2SinkSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s store
		r, err := evidence.Open(dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(ctx context.Context, envs [][]byte) error {
			select {
			case <-time.After(10 * time.Second):
				return s.take(ctx, envs)
			case <-ctx.Done():
				return ctx.Err()
			}
		})})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		use(t, r, 200)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("calls waited %v", waited)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		var left *evidence.PendingError
		if err := r.Close(ctx); !errors.As(err, &left) || !errors.Is(err, context.DeadlineExceeded) || left.NotDurable != 0 {
			t.Fatalf("Close: got %v, want what is left after 15 s", err)
		}
		if waited := time.Since(began); waited > 16*time.Second {
			t.Errorf("Close took %v, want 15 s", waited)
		}
		if got := len(s.got()); uint64(got) != 801-left.Unshipped[0].Records || got == 0 {
			t.Errorf("the sink has %d, Close says that %d of 801 are left", got, left.Unshipped[0].Records)
		}
		if err := r.Close(t.Context()); !errors.As(err, &left) {
			t.Errorf("second Close: got %v, want what is left", err)
		}
	})
}

// A sink that hangs, in a probe too, is left alone, is not
// called again meanwhile, and does not wedge the breaker.
func TestFault5SinkHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s store
		var hang atomic.Bool
		var inside atomic.Int32
		release := make(chan struct{})
		hang.Store(true)
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(ctx context.Context, envs [][]byte) error {
			if n := inside.Add(1); n > 1 {
				t.Error("the sink is called while it has not returned")
			}
			defer inside.Add(-1)
			if hang.Load() {
				<-release
			}
			return s.take(ctx, envs)
		})})
		use(t, r, 10)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if st := stats(r); st.Shipped != 0 || st.Breaker == "closed" || st.Failures < 5 {
			t.Errorf("got stats %+v, want the breaker open", st)
		}
		hang.Store(false)
		s.set(errSink) // what the call that hung says is too late
		close(release)
		synctest.Wait()
		s.set(nil)
		time.Sleep(32 * time.Second)
		synctest.Wait()
		if st := stats(r); st.Lag != 0 || st.Breaker != "closed" {
			t.Errorf("got stats %+v, want all shipped", st)
		}
		wantShipped(t, dir, &s)
	})
}

// A sink that panics is one that failed.
func TestFault6SinkPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s store
		var n atomic.Int32
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(ctx context.Context, envs [][]byte) error {
			switch n.Add(1) {
			case 1:
				panic(errSink)
			case 2:
				runtime.Goexit()
			}
			return s.take(ctx, envs)
		})})
		use(t, r, 1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if st := stats(r); st.Failures != 2 || st.Lag != 0 || st.Breaker != "closed" {
			t.Errorf("got stats %+v, want 2 failures and all shipped", st)
		}
		wantShipped(t, dir, &s)
	})
}

// An attempt that we break off ourselves is no failure of the sink.
func TestTrap28OwnCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		r, err := evidence.Open(dir, evidence.Config{Exporters: to(func(ctx context.Context, _ [][]byte) error {
			<-ctx.Done()
			return ctx.Err()
		})})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *evidence.PendingError
		if err := r.Close(ctx); !errors.As(err, &left) || left.Unshipped[0].Records != 1 {
			t.Errorf("Close: got %v, want 1 record unshipped", err)
		}
		synctest.Wait()
		if st := stats(r); st.Attempts != 1 || st.Failures != 0 || st.Breaker != "closed" {
			t.Errorf("got stats %+v, want no failure", st)
		}
	})
}

// Close does not wait for a breaker that is open.
func TestCloseWithOpenBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		s := store{fail: errSink}
		r, err := evidence.Open(dir, evidence.Config{Exporters: to(s.take)})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if st := stats(r); st.Breaker != "open" {
			t.Fatalf("got stats %+v, want the breaker open", st)
		}
		began := time.Now()
		var left *evidence.PendingError
		if err := r.Close(t.Context()); !errors.As(err, &left) || left.Unshipped[0].Records != 2 || !errors.Is(err, errSink) {
			t.Errorf("Close: got %v, want 1 record unshipped and why", err)
		}
		if waited := time.Since(began); waited > 2*time.Second {
			t.Errorf("Close took %v", waited)
		}
	})
}

// Looking at the recorder from anywhere cannot deadlock with a breaker
// that changes its state.
func TestFault7StatsDuringStateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var r *evidence.Recorder
		ready := make(chan struct{})
		var n atomic.Int32
		r = open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(func(context.Context, [][]byte) error {
			<-ready
			_ = stats(r)
			if n.Add(1) <= 7 {
				return errSink
			}
			return nil
		})})
		close(ready)
		states := make(map[string]bool)
		for range 300 {
			states[stats(r).Breaker] = true
			time.Sleep(500 * time.Millisecond)
		}
		synctest.Wait()
		if st := stats(r); st.Breaker != "closed" || st.Lag != 0 || !states["open"] {
			t.Errorf("got stats %+v, states %v, want the breaker to have opened and closed", st, states)
		}
	})
}

// Vars are JSON, with classes in place of what errors say.
func TestVars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		secret := errors.New("the secret")
		s := store{fail: &url.Error{Op: "Post", URL: "https://collector.example/?key=secret", Err: secret}}
		r := open(t, ledgertest.Dir(t), evidence.Config{Exporters: to(s.take)})
		time.Sleep(time.Second)
		synctest.Wait()
		text := r.Vars().String()
		var got struct {
			Durable   uint64
			Exporters []struct {
				Name    string
				Lag     uint64
				Breaker string
				Error   []string
			}
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		x := got.Exporters
		if got.Durable != 1 || len(x) != 1 || x[0].Name != "default" || x[0].Lag != 1 || x[0].Breaker != "closed" ||
			!slices.Equal(x[0].Error, []string{"*url.Error", "*errors.errorString"}) || strings.Contains(text, "secret") {
			t.Errorf("got %s", text)
		}
		s.set(nil)
	})
}

// A logger is told of all that an exporter says of itself, and of the classes of
// errors alone.
func TestExporterStatsInALog(t *testing.T) {
	var said bytes.Buffer
	l := slog.New(slog.NewTextHandler(&said, nil))
	for _, tt := range []struct {
		s    evidence.ExporterStats
		want string
	}{
		{evidence.ExporterStats{
			Name: "a", Shipped: 1, Parked: 2, Lag: 3, LagBytes: 4, LagTime: 5, Attempts: 6, Failures: 7, Retried: 8, Breaker: "open",
			Unauthorized: true, Err: errors.New("hunter2"), CursorErr: fs.ErrExist,
		}, "x.exporter=a x.shipped=1 x.parked=2 x.lag=3 x.lag_bytes=4 x.lag_time=5ns x.attempts=6 x.failures=7 x.retried=8 x.breaker=open " +
			"x.unauthorized=true x.error=[*errors.errorString] x.cursor_error=[*errors.errorString]"},
		{evidence.ExporterStats{Name: "b", Breaker: "closed"}, "x.exporter=b x.shipped=0 x.parked=0 x.lag=0 x.lag_bytes=0 x.lag_time=0s " +
			"x.attempts=0 x.failures=0 x.retried=0 x.breaker=closed"},
	} {
		said.Reset()
		l.Info("m", "x", tt.s)
		if _, got, _ := strings.Cut(strings.TrimSpace(said.String()), "msg=m "); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}
