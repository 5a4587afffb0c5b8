package ship_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/record"
)

// wantRefused checks that one record, if any, says that the ranges were refused.
func (l *ledger) wantRefused(class string, ranges ...record.Range) {
	l.t.Helper()
	all := l.refusals()
	if len(ranges) == 0 {
		if len(all) > 0 {
			l.t.Errorf("got refusals %+v, want none", all)
		}
		return
	}
	var count uint64
	for _, r := range ranges {
		count += r.To - r.From + 1
	}
	if len(all) != 1 || all[0].Count != count || all[0].Exporter != "default" || !slices.Equal(all[0].Error, []string{class}) ||
		!slices.Equal(all[0].Ranges, ranges) {
		l.t.Errorf("got refusals %+v, want one of %v", all, ranges)
	}
}

func refuse([][]byte) error { return &answer{final: true} }

// otherError is an error of another class.
type otherError struct{ answer }

// addOne appends a record and has it shipped.
func (l *ledger) addOne() {
	l.add(1)
	time.Sleep(time.Second)
	synctest.Wait()
}

// A refusal is recorded at once, and then at most one a minute, with all that came
// meanwhile.
func TestRefusalsAreRecordedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.sink(refuse)
		l.ship()
		l.addOne()
		if all := l.refusals(); len(all) != 1 || all[0].Count != 1 {
			t.Errorf("got refusals %+v, want the first at once", all)
		}
		for range 58 {
			l.addOne()
		}
		if all := l.refusals(); len(all) != 1 || l.x.Unrecorded() != 58 {
			t.Errorf("got refusals %+v, want one in a minute, and 58 to come", all)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if all := l.refusals(); len(all) != 2 || all[1].Count != 58 || len(all[1].Ranges) != 1 || l.x.Unrecorded() != 0 {
			t.Errorf("got refusals %+v, want two", all)
		}
		l.wantStats(0, 59, 0)
	})
}

// Refusals by errors of two classes are two, which do not wait for each other.
func TestEachClassHasItsRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		n := 0
		l.sink(func([][]byte) error {
			if n++; n%2 == 0 {
				return &otherError{answer{final: true}}
			}
			return &answer{final: true}
		})
		l.ship()
		l.addOne()
		l.addOne()
		l.addOne() // two classes wait now
		time.Sleep(2 * time.Second)
		synctest.Wait()
		all := l.refusals()
		if len(all) != 2 || slices.Equal(all[0].Error, all[1].Error) || l.x.Unrecorded() != 1 {
			t.Errorf("got refusals %+v, and %d to come", all, l.x.Unrecorded())
		}
	})
}

// Of several refusals one is recorded a second, or all at once where somebody waits.
func TestSeveralRefusals(t *testing.T) {
	for _, hurry := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger(t, 0)
			l.sink(refuse)
			l.set(errSink, nil)
			class := 'a'
			l.ship(func(c *ship.Config) {
				c.Classes = func(error) []string { class++; return []string{string(class)} }
			})
			for range 4 {
				l.addOne()
			}
			l.set(nil, nil)
			if hurry {
				l.x.RecordRefusalsNow()
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(l.refusals()); hurry && n != 4 || !hurry && n != 1 {
				t.Errorf("hurry %t: %d refusals are recorded after a second", hurry, n)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if n := len(l.refusals()); hurry && n != 4 || !hurry && n != 2 {
				t.Errorf("hurry %t: %d refusals are recorded after two seconds", hurry, n)
			}
		})
	}
}

// A refusal has at most 64 ranges: the next ones go into another.
func TestARefusalHasSoManyRanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.sink(func(envs [][]byte) error {
			if r, err := record.Parse(envs[0]); err == nil && r.Seq%2 == 0 {
				return &answer{final: true, refused: 1}
			} else if len(envs) > 1 {
				return &answer{taken: 1, refused: 1, final: true}
			}
			return nil
		})
		l.ship()
		l.add(256)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		all := l.refusals()
		if len(all) != 2 || len(all[0].Ranges) != 64 || len(all[1].Ranges) != 64 || l.x.Unrecorded() != 0 {
			t.Errorf("got %d refusals, and %d to come", len(all), l.x.Unrecorded())
		}
		l.wantStats(128, 128, 0)
	})
}

// A record about a refusal that cannot be had, or does not become durable, is tried
// again a second later.
func TestARefusalThatCannotBeRecorded(t *testing.T) {
	for name, tt := range map[string]struct{ fails, durable error }{
		"no room":     {errSink, nil},
		"not durable": {nil, errSink},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger(t, 0)
				l.sink(refuse)
				l.set(tt.fails, tt.durable)
				l.ship()
				l.add(1)
				time.Sleep(10*time.Second + 500*time.Millisecond)
				synctest.Wait()
				if n := len(l.refusals()); tt.fails == nil && (n < 10 || n > 11) {
					t.Errorf("it was tried %d times in ten seconds", n)
				}
				if n := l.x.Unrecorded(); n != 1 {
					t.Errorf("%d are still to be recorded, want 1", n)
				}
				l.set(nil, nil)
				before := len(l.refusals())
				time.Sleep(time.Second)
				synctest.Wait()
				if n := len(l.refusals()); n != before+1 || l.x.Unrecorded() != 0 {
					t.Errorf("it was recorded %d times, want once, and %d are left", n-before, l.x.Unrecorded())
				}
			})
		})
	}
}

// The next process records what the one before it could not.
func TestTheNextShipperRecordsRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.sink(refuse)
		l.set(errSink, nil)
		l.ship()
		l.add(5)
		time.Sleep(10 * time.Second)
		l.stop()
		l.wantRefused("")
		l.set(nil, nil)
		l.ship()
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantRefused("*ship_test.answer", record.Range{From: 2, To: 6, Writer: writer})
		l.wantStats(0, 5, 0)
	})
}

// While many refusals wait to be recorded nothing is shipped, but by a Shipper that
// is to finish, up to four times as many.
func TestManyRefusalsHoldUpTheShipping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		class := 0
		l.set(errSink, nil)
		l.ship(func(c *ship.Config) {
			c.Sink = func(context.Context, [][]byte) error { return &answer{final: true, refused: 1} }
			c.Classes = func(error) []string { class++; return []string{string(rune('a' + class))} }
		})
		for range 20 {
			l.addOne()
		}
		if n := l.x.Unrecorded(); n != 16 {
			t.Errorf("%d wait to be recorded, want 16", n)
		}
		l.wantStats(0, 16, 4)
		l.add(100)
		l.x.Finish()
		<-l.x.Done()
		if n := l.x.Unrecorded(); n < 64 {
			t.Errorf("%d wait to be recorded, want 64 at least", n)
		}
	})
}

// Records about the shipping are parked like others, and no record says so.
func TestRefusedRecordsAboutRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.sink(refuse)
		l.ship()
		l.append([]byte(`{"payload":"none"}`), about(2), envelope(3, true))
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantRefused("*ship_test.answer", record.Range{From: 3, To: 3, Writer: writer})
		l.wantStats(0, 3, 0)
	})
}

// Somebody who waits for the refusals to be recorded has that done without a rest.
func TestWaitRefusalsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.sink(refuse)
		l.ship()
		l.addOne()
		l.addOne()
		if l.x.Unrecorded() != 1 {
			t.Fatal("nothing waits to be recorded")
		}
		began := time.Now()
		fine := func() error { return nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if l.x.WaitRefusalsRecorded(ctx, fine); time.Since(began) != time.Second || l.x.Unrecorded() != 1 {
			t.Errorf("it took %v, and %d are left", time.Since(began), l.x.Unrecorded())
		}
		if l.x.WaitRefusalsRecorded(t.Context(), func() error { return errSink }); time.Since(began) != time.Second {
			t.Error("it waited although nothing can be recorded")
		}
		l.x.RecordRefusalsNow()
		if l.x.WaitRefusalsRecorded(t.Context(), fine); l.x.Unrecorded() != 0 || time.Since(began) != time.Second {
			t.Errorf("it took %v, and %d are left", time.Since(began), l.x.Unrecorded())
		}
		l.addOne()
		if l.x.Unrecorded() != 0 {
			t.Error("the next one had to wait")
		}

		// A Shipper that has ended records no more.
		l.set(errors.New("closed"), nil)
		l.addOne()
		l.stop()
		began = time.Now()
		if l.x.WaitRefusalsRecorded(t.Context(), fine); l.x.Unrecorded() != 1 || time.Since(began) != 0 {
			t.Errorf("it took %v, and %d are left", time.Since(began), l.x.Unrecorded())
		}
	})
}
