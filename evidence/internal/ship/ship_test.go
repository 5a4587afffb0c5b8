package ship_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/record"
)

// A batch goes when it has 256 records, or 200 ms after the first of them came.
func TestABatchGoesWhenItIsFullOrOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.ship()
		l.add(1)
		time.Sleep(199 * time.Millisecond)
		synctest.Wait()
		l.wantCalls()
		bytes := l.store.End().Offset - int64(len(segment.Header))
		if s := l.x.Stats(); s.LagTime != 199*time.Millisecond || s.Lag != 1 || s.LagBytes != bytes {
			t.Errorf("got stats %+v, want a lag of a record and 199 ms", s)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		l.wantCalls(1)
		l.add(256)
		synctest.Wait()
		l.wantCalls(1, 256)
		l.add(255)
		time.Sleep(199 * time.Millisecond)
		synctest.Wait()
		l.wantCalls(1, 256)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		l.wantCalls(1, 256, 255)
		l.wantAll()
		l.wantStats(512, 0, 0)
	})
}

// A batch goes at once when it has 1 MiB, which the record that reaches it may exceed.
func TestABatchGoesWhenItIsLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.ship()
		large := []byte(segment.Begins + strings.Repeat("A", 60_000) + `"}`)
		for range 17 {
			l.append(large)
		}
		synctest.Wait()
		l.wantCalls()
		l.append(large)
		synctest.Wait()
		l.wantCalls(18)
		exact := []byte(segment.Begins + strings.Repeat("A", 1<<14-len(segment.Begins)-len(`"}`)) + `"}`)
		l.append(slices.Repeat([][]byte{exact}, 65)...)
		synctest.Wait()
		l.wantCalls(18, 64)
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantCalls(18, 64, 1)
		framed := slices.Concat(exact[:20], exact[20+segment.FrameHeader:])
		l.append(slices.Repeat([][]byte{framed}, 64)...)
		synctest.Wait()
		l.wantCalls(18, 64, 1, 64) // 1 MiB with their frames
		l.wantAll()
	})
}

// Nothing is shipped beyond damage, wherever that is.
func TestDamageIsNotSkipped(t *testing.T) {
	for _, record := range []int{0, 1, 50} {
		synctest.Test(t, func(t *testing.T) {
			l := newLedger(t, 40_000)
			l.add(300)
			f, err := os.OpenFile(segment.Path(l.dir, 1), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			at := int64(len(segment.Header))
			for _, env := range l.envs[:record] {
				at += int64(segment.FrameHeader + len(env))
			}
			if _, err := f.WriteAt([]byte{0xff}, at+100); err != nil {
				t.Fatal(err)
			}
			l.ship()
			time.Sleep(time.Hour)
			synctest.Wait()
			l.wantStats(uint64(record), 0, uint64(300-record))
			if err := l.x.Stats().Err; err == nil || !strings.Contains(err.Error(), "segment 1") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Records that no signature covers do not go without the one that covers them.
func TestABatchEndsWithASignature(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.add(200)
		for seq := range record.MaxUnsigned {
			l.append(envelope(uint64(202+seq), false))
		}
		l.append(envelope(uint64(202+record.MaxUnsigned), true))
		for seq := range 600 { // which a ledger has of a forger alone
			l.append(envelope(uint64(1000+seq), false))
		}
		l.ship()
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantCalls(200+record.MaxUnsigned+1, 256+record.MaxUnsigned, 600-256-record.MaxUnsigned)
		l.wantAll()
	})
}

// What is in the ledger's files and not known to be durable is not shipped.
func TestWhatIsNotDurableIsNotShipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.add(3)
		first := l.store.End()
		l.ship()
		time.Sleep(time.Second)
		frame := segment.AppendFrame(nil, envelope(5, true))
		if err := l.store.Append(slices.Concat(frame, frame)); err != nil {
			t.Fatal(err)
		}
		first.Offset += int64(len(frame))
		l.x.Extend(first, 1, int64(len(frame)))
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantCalls(3, 1)
		l.x.Extend(l.store.End(), 1, int64(len(frame)))
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantCalls(3, 1, 1)
		l.wantStats(5, 0, 0)
	})
}

// Once it is to finish a Shipper ships what there is without waiting for more, and
// ends.
func TestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.ship()
		l.add(300)
		began := time.Now()
		l.x.Finish()
		l.x.Finish()
		<-l.x.Done()
		if took := time.Since(began); took != 0 {
			t.Errorf("it took %v", took)
		}
		l.wantAll()
		l.wantStats(300, 0, 0)
	})
}

// A Shipper that is to finish waits for no breaker that is open, and no ledger that
// cannot be read.
func TestFinishIsNotHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.sink(func([][]byte) error { return errSink })
		l.ship(func(c *ship.Config) { c.OpenFor = time.Hour })
		l.add(1)
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := l.x.Stats(); s.Breaker != "open" || !errors.Is(s.Err, errSink) || s.Attempts != 5 || s.Failures != 5 || s.Retried != 4 {
			t.Errorf("got stats %+v, want the breaker open after five calls", s)
		}
		began := time.Now()
		if l.x.WaitShipped(t.Context(), 1) {
			t.Error("it is said to be shipped")
		}
		l.x.Finish()
		<-l.x.Done()
		if took := time.Since(began); took != 0 {
			t.Errorf("the breaker held it up for %v", took)
		}
		l.sink(nil)
		l.hide()
		l.open()
		go l.x.Run()
		l.x.Finish()
		<-l.x.Done()
		s := l.x.Stats()
		if s.Err == nil || strings.Contains(s.Err.Error(), l.dir) || !strings.Contains(s.Err.Error(), "segment 1") || s.Lag != 1 {
			t.Errorf("got stats %+v", s)
		}
		if l.logged("cannot read the ledger") != 1 {
			t.Errorf("the log says %s", l.log.String())
		}
	})
}

// A ledger that cannot be read is looked at again after the longest pause.
func TestALedgerThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.add(1)
		back := l.hide()
		l.ship()
		time.Sleep(91 * time.Second)
		synctest.Wait()
		if n := l.logged("cannot read the ledger"); n != 4 || l.x.Stats().Err == nil {
			t.Errorf("the log says it %d times in a minute and a half, stats %+v", n, l.x.Stats())
		}
		back()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		l.wantAll()
		if err := l.x.Stats().Err; err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// A ledger that is shorter than it was is not read any further.
func TestALedgerThatWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.add(3)
		if err := os.Truncate(segment.Path(l.dir, 1), int64(len(segment.Header))); err != nil {
			t.Fatal(err)
		}
		l.ship()
		time.Sleep(time.Second)
		synctest.Wait()
		if err := l.x.Stats().Err; err == nil || err.Error() != "it is shorter than it was" {
			t.Errorf("got %v", err)
		}
		l.wantStats(0, 0, 3)
	})
}

// There is no Shipper of a ledger that lacks a segment.
func TestALedgerThatLacksASegment(t *testing.T) {
	l := newLedger(t, 40_000)
	l.add(300)
	l.hide()
	cfg := ship.Config{Name: "default", Dir: l.dir, Ledger: "prod", Concurrency: 1}
	if _, err := ship.New(cfg, key, l.store.End(), 300); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
}

// Somebody who waits for records has them shipped at once.
func TestShipNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.ship()
		l.add(3)
		began := time.Now()
		l.x.ShipNow(3)
		if !l.x.WaitShipped(t.Context(), 3) || time.Since(began) != 0 {
			t.Errorf("it took %v", time.Since(began))
		}
		l.wantCalls(3)

		// Nobody waits for the next ones.
		l.add(1)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if l.x.WaitShipped(ctx, 4) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("it was shipped, or took %v", time.Since(began))
		}
		l.stop()
		if l.x.WaitShipped(t.Context(), 4) {
			t.Error("it is said to be shipped after the end")
		}
	})
}

// Calls of an unordered sink overlap, and the cursor waits for the first of them.
func TestTheCursorWaitsForTheFirstBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		first := make(chan struct{})
		began := time.Now()
		l.add(256 * 4)
		l.ship(func(c *ship.Config) {
			c.Unordered, c.Concurrency = true, 3
			c.Sink = func(ctx context.Context, envs [][]byte) error {
				if bytes.Equal(envs[0], l.envs[0]) {
					select {
					case <-first:
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return l.take(ctx, envs)
			}
		})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		l.wantCalls(256, 256)
		l.wantStats(0, 0, 1024)
		if lag := l.x.Stats().LagTime; lag != time.Since(began) {
			t.Errorf("got a lag of %v", lag)
		}
		close(first)
		synctest.Wait()
		l.wantStats(1024, 0, 0)
	})
}
