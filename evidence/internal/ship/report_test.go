package ship_test

import (
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/record"
)

// breakers returns what was recorded of the breaker.
func (l *ledger) breakers() (all []record.Breaker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range l.said {
		if b, ok := body.(record.Breaker); ok {
			all = append(all, b)
		}
	}
	return all
}

// Changes of the breaker are recorded and logged, at most once a minute, and none is
// forgotten, however long it takes to record one.
func TestTheBreakerIsRecorded(t *testing.T) {
	for _, slow := range []time.Duration{0, 150 * time.Second} {
		t.Run(slow.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t, 0)
				l.slow = slow
				n, changes := 0, uint64(0)
				l.sink(func([][]byte) error {
					switch n++; n % 6 {
					case 0:
						changes++ // it closes
						return &answer{taken: 1}
					case 5:
						changes++ // it opens
					}
					return errSink
				})
				l.ship(func(c *ship.Config) { c.OpenFor = time.Second })
				l.add(256)
				time.Sleep(10 * time.Minute)
				l.sink(func([][]byte) error { // closes it where it is open
					changes += changes % 2
					return nil
				})
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				all := l.breakers()
				var recorded uint64
				for _, b := range all {
					recorded += b.Changes
					if b.Exporter != "default" || b.State != "open" && b.State != "closed" || b.State == "open" && len(b.Error) == 0 {
						t.Errorf("got %+v", b)
					}
				}
				if recorded != changes || changes < 20 {
					t.Errorf("%d changes are recorded, want %d", recorded, changes)
				}
				if len(all) > 12 || len(all) != l.logged("breaker is ") {
					t.Errorf("got %d records in ten minutes, and %d lines of the log", len(all), l.logged("breaker is "))
				}
			})
		})
	}
}

// Once a minute the log says how it goes, where something goes, and as an error where
// somebody has to see to it.
func TestTheLogSaysHowItGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.ship()
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		if n := l.logged("msg=shipping"); n != 0 {
			t.Errorf("the log says %d times that nothing goes", n)
		}
		l.addOne()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := l.logged("msg=shipping"); n != 1 || l.logged("exporter=default shipped=1 parked=0 lag=0 lag_bytes=0 ") != 1 {
			t.Errorf("the log says %s", l.log.String())
		}
		l.sink(func([][]byte) error { return &answer{notAllowed: true, final: true} })
		l.addOne()
		if s := l.x.Stats(); !s.Unauthorized || s.Breaker != "open" || s.Attempts != 2 {
			t.Errorf("got stats %+v", s)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := l.logged("level=ERROR"); n < 10 || n > 12 || l.logged("turns its exporter away") != n {
			t.Errorf("the log says it as an error %d times", n)
		}
		if l.logged("unauthorized=true error=[*ship_test.answer]") < 10 {
			t.Errorf("the log says %s", l.log.String())
		}
		l.wantStats(1, 0, 1)
	})
}
