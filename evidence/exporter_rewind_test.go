package evidence_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/replica"
	"example.com/safeconduct/internal/delivery"
)

// A token that is wrong for an hour costs nothing but the hour: no record is parked,
// somebody hears of it all the time, and then all arrives in order by itself.
func TestATokenThatIsWrongForAnHour(t *testing.T) {
	for name, turn := range map[string]error{
		"401":             &delivery.StatusError{Status: 401},
		"403":             &delivery.StatusError{Status: 403},
		"not over HTTP":   &evidence.SinkError{Err: errSink, NotAllowed: true},
		"with a patience": &evidence.SinkError{Err: &delivery.StatusError{Status: 401}, After: time.Second},
		"for good":        &evidence.SinkError{Err: &delivery.StatusError{Status: 403}, Final: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				var log bytes.Buffer
				c := newCollector()
				r := open(t, dir, evidence.Config{
					ReadOnly: []string{"shell"}, Exporters: to(c.take), Logger: slog.New(slog.NewTextHandler(&log, nil)),
				})
				use(t, r, 5)
				time.Sleep(time.Second)
				c.set(func(context.Context, int) error { return turn })
				before := stats(r).Attempts
				for range 60 {
					use(t, r, 1)
					time.Sleep(time.Minute)
				}
				synctest.Wait()
				st := stats(r)
				wantExact(t, dir, st)
				if st.Parked != 0 || !st.Unauthorized || st.Breaker != "open" || st.Shipped != 21 {
					t.Errorf("got stats %+v, want 21 shipped, none parked and the breaker open", st)
				}
				if n := st.Attempts - before; n > 121 {
					t.Errorf("got %d attempts in an hour: the breaker rests for 30 seconds", n)
				}
				if !strings.Contains(r.Vars().String(), `"unauthorized":true`) {
					t.Errorf("got %s", r.Vars())
				}
				if n := strings.Count(log.String(), "level=ERROR"); n < 50 || n > 62 ||
					strings.Count(log.String(), "turns its exporter away: see to the token") != n {
					t.Errorf("%d lines say it as an error", n)
				}
				c.set(func(context.Context, int) error { return nil })
				time.Sleep(32 * time.Second) // one probe
				synctest.Wait()
				st = stats(r)
				if st.Lag != 0 || st.Parked != 0 || st.Unauthorized || st.Breaker != "closed" {
					t.Errorf("got stats %+v, want all shipped", st)
				}
				time.Sleep(2 * time.Second)
				synctest.Wait()
				c.wantAll(t, dir)
				var states []string
				for _, e := range ledgertest.Entries(t, dir) {
					if e.Record.Refused != nil {
						t.Errorf("a record says that some were refused: %+v", e.Record.Refused)
					}
					if b := e.Record.Breaker; b != nil {
						states = append(states, b.State)
						if b.State == "open" && len(b.Error) == 0 {
							t.Errorf("a record does not say why: %+v", b)
						}
					}
				}
				if !slices.Equal(states, []string{"open", "closed"}) {
					t.Errorf("records say that the breaker was %q", states)
				}
				ledgertest.WantIntact(t, dir)
			})
		})
	}
}

// A forgetful is a sink that takes a ledger in its order, as a replica does, and can
// lose what it has.
type forgetful struct {
	store
	calls int
}

func (f *forgetful) take(_ context.Context, envs [][]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	if f.fail != nil {
		return f.fail
	}
	for i, env := range envs {
		r, err := record.Parse(env)
		if err != nil {
			return err
		}
		if held := uint64(len(f.envs)); r.Seq > held+1 {
			return &evidence.SinkError{Err: errSink, Accepted: i, Held: &held}
		} else if r.Seq == held+1 {
			f.envs = append(f.envs, bytes.Clone(env))
		}
	}
	return nil
}

// lose has it keep the first n records.
func (f *forgetful) lose(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.envs = f.envs[:n]
}

// An exporter goes back to what its sink misses, in any segment, and goes on.
func TestASinkThatMissesRecordsGetsThem(t *testing.T) {
	for _, keep := range []int{0, 1, 10, 40} {
		synctest.Test(t, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			var s forgetful
			cfg := evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(s.take)}
			r := openOn(t, dir, cfg, evidence.Disk{Segment: 16 << 10})
			use(t, r, 10)
			time.Sleep(time.Second)
			s.lose(keep)
			use(t, r, 1)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			st := stats(r)
			wantExact(t, dir, st)
			wantShipped(t, dir, &s.store)
			if st.Lag != 0 || st.LagBytes != 0 || st.Parked != 0 || st.Breaker != "closed" {
				t.Errorf("keeps %d: got stats %+v, want all shipped", keep, st)
			}
		})
	}
}

// What was parked comes again where the sink misses it, and counts as shipped then.
func TestParkedRecordsThatAreMissedComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := ledgertest.Dir(t)
		var s forgetful
		r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}, Exporters: to(s.take)})
		s.set(&evidence.SinkError{Err: errSink, Final: true})
		use(t, r, 10)
		time.Sleep(time.Second)
		synctest.Wait()
		if st := stats(r); st.Parked < 41 {
			t.Errorf("got stats %+v, want 41 parked", st)
		}
		s.set(nil)
		use(t, r, 1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		st := stats(r)
		wantExact(t, dir, st)
		wantShipped(t, dir, &s.store)
		if st.Parked != 0 || st.Lag != 0 {
			t.Errorf("got stats %+v, want none parked", st)
		}
	})
}

// openUnfinished opens a ledger that is closed at the end of the test, whatever its
// sink has not taken then.
func openUnfinished(t *testing.T, dir string, sink evidence.Sink) *evidence.Recorder {
	t.Helper()
	r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"shell"}, Exporters: to(sink)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var pending *evidence.PendingError
		if err := r.Close(context.Background()); err != nil && (!errors.As(err, &pending) || pending.NotDurable > 0) {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

// A sink that asks for what makes no sense gets the ledger again a few times an hour
// at most, and is left alone in between.
func TestASinkThatAlwaysMissesSomething(t *testing.T) {
	none, many := uint64(0), uint64(1<<40)
	for name, held := range map[string]*uint64{"the first record": &none, "what it never got": &many} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				var envs, calls atomic.Int64
				r := openUnfinished(t, dir, func(_ context.Context, batch [][]byte) error {
					calls.Add(1)
					if first, err := record.Parse(batch[0]); err == nil && first.Seq == 1 {
						envs.Add(int64(len(batch)))
						return nil
					}
					return &evidence.SinkError{Err: errSink, Held: held}
				})
				use(t, r, 100)
				for range 12 {
					use(t, r, 1)
					time.Sleep(5 * time.Minute)
				}
				synctest.Wait()
				st := stats(r)
				wantExact(t, dir, st)
				if n := calls.Load(); n > 300 {
					t.Errorf("got %d calls in an hour", n)
				}
				if n := envs.Load(); n > 10*449 {
					t.Errorf("it got %d records in an hour", n)
				}
				if st.Parked != 0 {
					t.Errorf("got stats %+v, want none parked", st)
				}
			})
		})
	}
}

// A replica that did not know of the next root key takes the rotation and all that
// follows, once it was opened with a policy that does.
func TestAReplicaThatLearnsOfAKeyTooLate(t *testing.T) {
	dir, elsewhere := ledgertest.Dir(t), ledgertest.Dir(t)
	var copied atomic.Pointer[replica.Replica]
	refused := make(chan struct{}, 100)
	learn := func(keys ...ed25519.PrivateKey) {
		if old := copied.Load(); old != nil {
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
		}
		var roots []ed25519.PublicKey
		for _, k := range keys {
			roots = append(roots, k.Public().(ed25519.PublicKey))
		}
		copied.Store(ledgertest.OpenReplica(t, elsewhere, replica.Config{Policy: ledgertest.Trusting("prod", roots...)}))
	}
	learn(ledgertest.Key(1))
	r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), Ledger: "prod", ReadOnly: []string{"shell"}, Exporters: []evidence.Exporter{{
		MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond, OpenFor: time.Millisecond,
		Sink: func(ctx context.Context, envs [][]byte) error {
			err := copied.Load().Take(ctx, envs)
			if delivery.IsPermanent(err) {
				refused <- struct{}{}
			}
			return err
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	use(t, r, 3)
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Rotate(t.Context(), ledgertest.Key(2)); err != nil {
		t.Fatal(err)
	}
	<-refused
	<-refused // it went back to it
	learn(ledgertest.Key(1), ledgertest.Key(2))
	use(t, r, 3)
	if err = r.Close(t.Context()); err != nil {
		// The exporter has gone back once in vain: the next process need not wait.
		if r, err = evidence.Open(dir, evidence.Config{Key: ledgertest.Key(2), Exporters: to(copied.Load().Take)}); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := ledgertest.Envelopes(t, elsewhere), ledgertest.Envelopes(t, dir); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the copy has %d records, the ledger %d, or they differ", len(got), len(want))
	}
}

// An exporter that went back to the beginning, and died there, still has to record what
// its sink had refused before.
func TestGoingBackForgetsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, left := ledgertest.Dir(t), ledgertest.Dir(t)
		var answer atomic.Pointer[evidence.SinkError]
		sink := func(context.Context, [][]byte) error { return answer.Load() }
		r := openUnfinished(t, dir, sink)
		answer.Store(&evidence.SinkError{Err: errSink, Final: true})
		for range 2 { // of the second ones no record says within the minute
			use(t, r, 10)
			time.Sleep(5 * time.Second)
		}
		answer.Store(&evidence.SinkError{Err: errSink, Held: new(uint64)})
		use(t, r, 1)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if err := os.CopyFS(left, os.DirFS(dir)); err != nil { // as a crash leaves it
			t.Fatal(err)
		}
		again := openUnfinished(t, left, sink)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if _, seqs := refusals(t, left); len(seqs) != 81 || stats(again).Lag == 0 {
			t.Errorf("records say that %d were refused, want 81; stats %+v", len(seqs), stats(again))
		}
	})
}

// What a sink refused is sent again when somebody asks for it, while the ledger is
// written and when it is opened.
func TestResend(t *testing.T) {
	for _, running := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			var s store
			s.set(&evidence.SinkError{Err: errSink, Final: true})
			cfg := evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"shell"}, Exporters: to(s.take)}
			r, err := evidence.Open(dir, cfg)
			if err != nil {
				t.Fatal(err)
			}
			use(t, r, 10)
			time.Sleep(5 * time.Second)
			s.set(nil)
			if !running {
				_ = r.Close(t.Context()) // what it says is not what this is about
			}
			if err := evidence.Resend(dir, "default"); err != nil {
				t.Fatal(err)
			}
			if !running {
				if r, err = evidence.Open(dir, cfg); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(61 * time.Second)
			synctest.Wait()
			st := stats(r)
			wantExact(t, dir, st)
			wantShipped(t, dir, &s)
			if st.Parked != 0 || st.Lag != 0 {
				t.Errorf("running %t: got stats %+v, want all shipped", running, st)
			}
			calls := st.Attempts
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			if st := stats(r); st.Attempts != calls {
				t.Errorf("running %t: it was asked once, and there were %d calls more", running, st.Attempts-calls)
			}
			if err := r.Close(t.Context()); err != nil {
				t.Error(err)
			}
			ledgertest.WantIntact(t, dir)
		})
	}
}

func TestResendOfWhatIsNotThere(t *testing.T) {
	dir := ledgertest.Dir(t)
	shipSome(t, dir, 1, evidence.Config{})
	for name, tt := range map[string]struct {
		dir, exporter string
		want          error
	}{
		"no exporter":  {dir, "other", fs.ErrNotExist},
		"no ledger":    {t.TempDir(), "default", evidence.ErrNotLedger},
		"no directory": {dir + "x", "default", fs.ErrNotExist},
	} {
		if err := evidence.Resend(tt.dir, tt.exporter); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
	if err := evidence.Resend(dir, "../default"); err == nil || !strings.Contains(err.Error(), "cannot be called") {
		t.Errorf("a path: got %v", err)
	}
	if found, err := os.ReadDir(dir + "/exporters"); err != nil || len(found) != 1 {
		t.Errorf("got files %v, %v", found, err)
	}
}

type (
	twice[A, B any] struct{}
	long1           = twice[int, int]
	long4           = twice[twice[long1, long1], twice[long1, long1]]
	long8           = twice[twice[twice[long4, long4], twice[long4, long4]], twice[twice[long4, long4], twice[long4, long4]]]
	// longError is an error whose type has a name of more than 32 KiB.
	longError[A any] struct{}
)

func (longError[A]) Error() string { return "a long story" }

// However long the type of a sink's error is called, records about it are as long as
// records can be.
func TestAnErrorOfALongType(t *testing.T) {
	long := longError[twice[long8, twice[long8, twice[twice[long8, long8], twice[long8, long8]]]]]{}
	for name, err := range map[string]error{
		"refused": &evidence.SinkError{Err: long, Final: true},
		"away":    long,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := ledgertest.Dir(t)
				r := openUnfinished(t, dir, func(context.Context, [][]byte) error { return err })
				use(t, r, 1)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if _, err := call(t, r, shell, say("ok")); err != nil {
					t.Error(err)
				}
				if err := r.Err(); err != nil {
					t.Error(err)
				}
				said := 0
				for _, e := range ledgertest.Entries(t, dir) {
					if e.Record.Refused != nil || e.Record.Breaker != nil {
						said++
					}
				}
				if said == 0 {
					t.Error("no record says anything")
				}
				ledgertest.WantIntact(t, dir)
			})
		})
	}
}
