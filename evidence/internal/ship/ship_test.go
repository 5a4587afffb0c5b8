package ship_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
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
		l.wantAll()
	})
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
		l.ship()
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantCalls(200 + record.MaxUnsigned + 1)
		l.wantAll()
	})
}

// The next process goes on where the cursor is, in whichever segment that is.
func TestASecondShipperGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 40_000)
		l.ship()
		for range 5 {
			l.add(150)
			time.Sleep(time.Second)
			l.wantStats(uint64(len(l.envs)), 0, 0)
			l.stop()
			l.ship()
		}
		if l.store.End().Segment < 4 {
			t.Errorf("the ledger has %d segments", l.store.End().Segment)
		}
		l.wantAll()
		if l.logged("") == 0 || l.logged("begins anew") > 0 {
			t.Errorf("the log says %s", l.log.String())
		}
	})
}

// The cursor is kept about once a second, and so often that a crash has a sink get
// no more than so many records again.
func TestHowOftenTheCursorIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		kept := 0
		l.disk.Rename = func(from, to string) error {
			kept++
			return segment.RealDisk().Rename(from, to)
		}
		l.ship()
		time.Sleep(time.Second)
		for range 100 { // ten seconds
			l.add(1)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if kept < 9 || kept > 12 {
			t.Errorf("the cursor was kept %d times in ten seconds", kept)
		}
		before := kept
		l.add(3 * 16 * 256) // at once
		synctest.Wait()
		if n := kept - before; n < 3 || n > 4 {
			t.Errorf("the cursor was kept %d times for three times 4096 records", n)
		}
	})
}

// While the cursor cannot be kept it is tried once a second, and said once.
func TestACursorThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		tried := 0
		var mended atomic.Bool
		l.disk.Create = func(path string) (*os.File, error) {
			if mended.Load() {
				return segment.RealDisk().Create(path)
			}
			tried++
			return nil, syscall.EIO
		}
		l.ship()
		l.add(1)
		time.Sleep(10*time.Second + 300*time.Millisecond)
		synctest.Wait()
		if tried < 10 || tried > 11 || l.logged("cannot be kept") != 1 {
			t.Errorf("it was tried %d times, and said %d times", tried, l.logged("cannot be kept"))
		}
		if err := l.x.Stats().CursorErr; !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "exporter default: cursor") {
			t.Errorf("got %v", err)
		}
		mended.Store(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if err := l.x.Stats().CursorErr; err != nil {
			t.Errorf("got %v after the disk came back", err)
		}
		l.wantStats(1, 0, 0)
	})
}

// The directory of the cursors is durable before one is in it.
func TestTheDirectoryOfTheCursorsIsMadeDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		var synced []string
		l.disk.SyncDir = func(dir string) error {
			synced = append(synced, dir)
			return syscall.EIO
		}
		l.ship()
		l.add(1)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if !slices.Equal(synced, []string{l.dir}) || !errors.Is(l.x.Stats().CursorErr, syscall.EIO) {
			t.Errorf("synced %q, got %v", synced, l.x.Stats().CursorErr)
		}
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
		path := segment.Path(l.dir, 1)
		if err := os.Rename(path, path+"x"); err != nil {
			t.Fatal(err)
		}
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
		path := segment.Path(l.dir, 1)
		if err := os.Rename(path, path+"x"); err != nil {
			t.Fatal(err)
		}
		l.ship()
		time.Sleep(91 * time.Second)
		synctest.Wait()
		if n := l.logged("cannot read the ledger"); n != 4 || l.x.Stats().Err == nil {
			t.Errorf("the log says it %d times in a minute and a half, stats %+v", n, l.x.Stats())
		}
		if err := os.Rename(path+"x", path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		l.wantAll()
		if err := l.x.Stats().Err; err != nil {
			t.Errorf("got %v", err)
		}
	})
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

// A cursor that is not as it must be counts as none, and somebody hears of it.
func TestACursorThatIsNone(t *testing.T) {
	replace := func(old, new string) func(line []byte) ([]byte, []byte) {
		return func(line []byte) ([]byte, []byte) { return bytes.Replace(line, []byte(old), []byte(new), 1), key }
	}
	for name, edit := range map[string]func(line []byte) (_, key []byte){
		"another key":      func(line []byte) ([]byte, []byte) { return line, []byte("another") },
		"another exporter": replace(`"default"`, `"other"`),
		"another ledger":   replace(`"prod"`, `"test"`),
		"not a hash":       replace(`"last":"`, `"last":"00`),
		"another record": func(line []byte) ([]byte, []byte) {
			at := bytes.Index(line, []byte(`"last":"`)) + len(`"last":"`)
			line[at] = "10"[line[at]&1] // another digit
			return line, key
		},
		"beyond the end":    replace(`"shipped":10`, `"shipped":11`),
		"a later segment":   replace(`"segment":1`, `"segment":2`),
		"no segment":        replace(`"segment":1`, `"segment":0`),
		"a later place":     replace(`"offset":`, `"offset":1`),
		"within a frame":    replace(`"lastAt":`, `"lastAt":1`),
		"less than nothing": replace(`"bytes":`, `"bytes":-`),
		"no refusal":        replace(`"segment"`, `"refused":[null],"segment"`),
		"another's refusal": replace(`"segment"`, `"refused":[`+
			`{"count":1,"exporter":"other","ranges":[{"from":2,"to":2,"writer":"`+writer+`"}]}],"segment"`),
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, 0)
			l.add(10)
			l.open()
			go l.x.Run()
			l.x.Finish()
			<-l.x.Done()
			b, err := os.ReadFile(l.cursor())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(l.cursor(), sealCursor(edit(bytes.Split(b, []byte("\n"))[1])), 0o600); err != nil {
				t.Fatal(err)
			}
			l.open()
			defer l.x.Stop()
			l.wantStats(0, 0, 10)
			if l.logged("begins anew") != 1 {
				t.Errorf("the log says %s", l.log.String())
			}
		})
	}
}

// A cursor that went back to the beginning is one, as good as none.
func TestACursorAtTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLedger(t, 0)
		l.ship()
		l.add(10)
		time.Sleep(10 * time.Second)
		l.sink(func([][]byte) error { return errSink })
		if err := ship.Resend(l.dir, "default"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		l.wantStats(0, 0, 10)
		l.stop()
		l.sink(nil)
		l.ship()
		time.Sleep(time.Second)
		synctest.Wait()
		l.wantStats(10, 0, 0)
		if l.logged("begins anew") > 0 {
			t.Errorf("the log says %s", l.log.String())
		}
	})
}

// What is shipped with another key of the cursor is found with it.
func TestSetKey(t *testing.T) {
	l := newLedger(t, 0)
	l.add(10)
	l.open()
	l.x.SetKey([]byte("another"))
	go l.x.Run()
	l.x.Finish()
	<-l.x.Done()
	l.open()
	l.wantStats(0, 0, 10)
	l.x.Stop()
	cfg := ship.Config{Name: "default", Dir: l.dir, Ledger: "prod", Concurrency: 1}
	x, err := ship.New(cfg, []byte("another"), l.store.End(), 10)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Stop()
	if s := x.Stats(); s.Shipped != 10 || s.Lag != 0 {
		t.Errorf("got stats %+v", s)
	}
}

func TestCursorKey(t *testing.T) {
	derive := func(ledger, signature string) []byte {
		t.Helper()
		k, err := ship.CursorKey(ledger, func(message []byte) ([]byte, error) {
			return append(message, signature...), nil
		})
		if err != nil || len(k) != 32 {
			t.Fatalf("got %x, %v", k, err)
		}
		return k
	}
	sum := hmac.New(sha256.New, make([]byte, 32)) // HKDF as RFC 5869 has it, without a salt
	sum.Write([]byte("safeconduct cursor v2 key for ax"))
	sum = hmac.New(sha256.New, sum.Sum(nil))
	sum.Write([]byte("safeconduct cursor v2\n\x01"))
	if got := derive("a", "x"); !bytes.Equal(got, sum.Sum(nil)) {
		t.Errorf("got %x, want %x", got, sum.Sum(nil))
	}
	keys := [][]byte{derive("a", "x"), derive("b", "x"), derive("a", "y")}
	for i, k := range keys {
		if slices.ContainsFunc(keys[i+1:], func(other []byte) bool { return bytes.Equal(k, other) }) {
			t.Errorf("two keys are the same")
		}
	}
	if !bytes.Equal(keys[0], derive("a", "x")) {
		t.Error("the same signature gives two keys")
	}
	if _, err := ship.CursorKey("a", func([]byte) ([]byte, error) { return nil, errSink }); !errors.Is(err, errSink) {
		t.Errorf("got %v", err)
	}
}
