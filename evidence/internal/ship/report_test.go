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
// forgotten.
func TestTheBreakerIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		n := 0
		l.sink(func([][]byte) error {
			if n++; n%6 > 0 {
				return errSink
			}
			return nil
		})
		l.ship(func(c *ship.Config) { c.OpenFor = time.Second })
		for range 200 {
			l.add(1)
			time.Sleep(3 * time.Second)
		}
		l.sink(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		var changes uint64
		all := l.breakers()
		for _, b := range all {
			changes += b.Changes
			if b.Exporter != "default" || b.State == "open" && len(b.Error) == 0 {
				t.Errorf("got %+v", b)
			}
		}
		if len(all) < 9 || len(all) > 12 || changes < 40 || changes%2 != 0 {
			t.Errorf("got %d records of %d changes in ten minutes", len(all), changes)
		}
		if n := l.logged("breaker is "); n != len(all) {
			t.Errorf("the log says it %d times, and there are %d records", n, len(all))
		}
	})
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
