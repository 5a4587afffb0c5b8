package ship_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/ship"
)

// lacks answers that only the first n records are there, once.
func lacks(n uint64) func([][]byte) error { return once(&answer{held: &n}) }

// A sink that lacks records gets them at once, from the first one on that it lacks.
func TestASinkThatLacksRecords(t *testing.T) {
	for _, held := range []uint64{0, 1, 149, 150, 299} {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger(t, 40_000)
			l.ship()
			l.add(300)
			time.Sleep(10 * time.Second)
			synctest.Wait()
			l.got = l.got[:held]
			l.sink(lacks(held))
			l.add(1)
			time.Sleep(time.Second)
			synctest.Wait()
			l.wantAll()
			l.wantStats(301, 0, 0)
			if s := l.x.Stats(); s.Retried != 0 || l.logged("sends records again") != 1 {
				t.Errorf("held %d: got stats %+v", held, s)
			}
		})
	}
}

// A sink that has all that came to it, and says so, lacks nothing: its call failed.
// So it is with one that claims to have more, and with one that takes any order.
func TestASinkThatLacksNothing(t *testing.T) {
	for name, tt := range map[string]struct {
		held      uint64
		taken     int
		unordered bool
	}{
		"has all":       {10, 0, false},
		"has more":      {11, 0, false},
		"has very much": {1 << 60, 0, false},
		"took some":     {12, 2, false},
		"any order":     {3, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t, 0)
				l.ship(func(c *ship.Config) { c.Unordered = tt.unordered })
				l.add(10)
				time.Sleep(time.Second)
				synctest.Wait()
				l.sink(once(&answer{taken: tt.taken, held: &tt.held}))
				l.add(5)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				l.wantCalls(10, 5, 5-tt.taken)
				l.wantStats(15, 0, 0)
				if s := l.x.Stats(); s.Retried != 1 || !l.at[2].After(l.at[1]) || l.logged("sends records again") != 0 {
					t.Errorf("got stats %+v, want a call that failed, and another after a pause", s)
				}
			})
		})
	}
}

// A sink that always lacks something has the exporter go back at once, and then ever
// more rarely: after one minute, two, four and so on, up to an hour. Once it gets
// further that begins anew.
func TestGoingBackEverMoreRarely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		var again []time.Time
		lacksAll := func(envs [][]byte) error {
			if bytes.Equal(envs[0], l.envs[0]) {
				again = append(again, time.Now())
				return &answer{taken: 1, held: new(uint64)}
			}
			return &answer{held: new(uint64)}
		}
		wantRests := func(want ...time.Duration) {
			t.Helper()
			if len(again) <= len(want) {
				t.Fatalf("it went back %d times", len(again))
			}
			for i, minutes := range want {
				if rest := again[i+1].Sub(again[i]); rest < minutes*time.Minute || rest > minutes*time.Minute+30*time.Second {
					t.Errorf("rest %d was %v, want %d minutes and a little", i, rest, minutes)
				}
			}
		}
		l.sink(lacksAll)
		l.ship(func(c *ship.Config) { c.OpenFor = 10 * time.Second })
		l.add(2)
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		wantRests(0, 1, 2, 4, 8, 16, 32, 60, 60, 60)
		l.sink(nil)
		time.Sleep(time.Minute)
		l.addOne()
		l.wantStats(3, 0, 0)
		time.Sleep(time.Hour)
		again = nil
		l.sink(lacksAll)
		l.addOne()
		time.Sleep(8 * time.Minute)
		synctest.Wait()
		wantRests(1, 2, 4)
		l.sink(nil)
	})
}

// A cursor does not go back where the ledger cannot be read: the batch comes again.
func TestGoingBackInALedgerThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 40_000)
		l.ship()
		l.add(300)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if err := os.Truncate(segment.Path(l.dir, 1), 1000); err != nil {
			t.Fatal(err)
		}
		l.sink(lacks(90))
		l.addOne()
		l.wantStats(301, 0, 0)
		if l.logged("cannot go back") != 1 || l.logged("error=\"truncated: ") != 1 {
			t.Errorf("the log says %s", l.log.String())
		}
	})
}

// So it is where the ledger is shorter than it was.
func TestGoingBackInALedgerThatWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.ship()
		l.add(100)
		time.Sleep(time.Second)
		synctest.Wait()
		l.sink(func([][]byte) error {
			l.answer = nil
			if err := os.Truncate(segment.Path(l.dir, 1), int64(len(segment.Header)+segment.FrameHeader+len(l.envs[0]))); err != nil {
				t.Error(err)
			}
			held := uint64(50)
			return &answer{held: &held}
		})
		l.addOne()
		if l.logged("cannot go back") != 1 || l.logged("shorter than it was") == 0 || l.x.Stats().Shipped != 100 {
			t.Errorf("got stats %+v, the log says %s", l.x.Stats(), l.log.String())
		}
	})
}

// The next process goes on from where a sink had the one before it go back to.
func TestACursorThatWentBackIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 40_000)
		l.ship()
		l.add(300)
		time.Sleep(time.Second)
		synctest.Wait()
		l.sink(func([][]byte) error {
			l.answer = func([][]byte) error { return errSink }
			held := uint64(170)
			return &answer{held: &held}
		})
		l.addOne()
		l.stop()
		l.sink(nil)
		l.got = l.got[:170]
		l.ship()
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantAll()
		l.wantStats(301, 0, 0)
	})
}

// What is under way comes to its end before all is sent again.
func TestResendWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		if err := ship.Resend(l.dir, "default"); !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), l.dir) {
			t.Errorf("got %v for an exporter that shipped nothing", err)
		}
		release := make(chan struct{})
		l.ship(func(c *ship.Config) {
			c.Timeout = time.Hour
			c.Sink = func(ctx context.Context, envs [][]byte) error {
				if len(l.sizes()) == 1 {
					<-release
				}
				return l.take(ctx, envs)
			}
		})
		l.add(2)
		time.Sleep(10 * time.Second)
		l.add(3) // under way for long
		if err := ship.Resend(l.dir, "default"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		l.wantCalls(2)
		close(release)
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantCalls(2, 3, 5)
		l.wantStats(5, 0, 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		l.wantCalls(2, 3, 5)
	})
}

// A wish to send all again that cannot be taken up is not granted: it would be,
// over and over.
func TestResendThatCannotBeTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.disk.Remove = func(path string) error {
			if strings.HasSuffix(path, ".resend") {
				return syscall.EACCES
			}
			return segment.RealDisk().Remove(path)
		}
		l.ship()
		l.add(2)
		time.Sleep(10 * time.Second)
		if err := ship.Resend(l.dir, "default"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		l.wantCalls(2)
		if n := l.logged("cannot take up"); n != 3 {
			t.Errorf("the log says it %d times in three minutes", n)
		}
	})
}

func TestResendOfWhatIsNotThere(t *testing.T) {
	l := newLedger(t, 0)
	for name, tt := range map[string]struct{ dir, exporter, want string }{
		"no ledger": {t.TempDir(), "default", "is not a ledger"},
		"a path":    {l.dir, "../default", "cannot be called"},
	} {
		if err := ship.Resend(tt.dir, tt.exporter); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}
