package ship_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
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
		"counts that wrap": func(line []byte) ([]byte, []byte) {
			line = bytes.Replace(line, []byte(`"parked":0`), []byte(`"parked":11`), 1)
			return bytes.Replace(line, []byte(`"shipped":10`), []byte(`"shipped":18446744073709551615`), 1), key
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

// So does one whose record cannot be read.
func TestACursorWhoseRecordCannotBeRead(t *testing.T) {
	path := func(l *ledger) string { return segment.Path(l.dir, 1) }
	for name, spoil := range map[string]func(l *ledger) error{
		"no file":  func(l *ledger) error { l.hide(); return os.Mkdir(path(l), 0o700) },
		"cut file": func(l *ledger) error { return os.Truncate(path(l), 100) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(t, 0)
			l.add(10)
			l.open()
			go l.x.Run()
			l.x.Finish()
			<-l.x.Done()
			if err := spoil(l); err != nil {
				t.Fatal(err)
			}
			l.open()
			defer l.x.Stop()
			l.wantStats(0, 0, 10)
			if l.logged("begins anew") != 1 || l.logged(l.dir) > 0 {
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
		for range 2 { // the second time there is nothing to go back over
			if err := ship.Resend(l.dir, "default"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			l.wantStats(0, 0, 10)
		}
		if n := l.logged("sends records again"); n != 1 {
			t.Errorf("the log says %d times that records are sent again", n)
		}
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

// Whatever stands in the file, it is a cursor in its one form, sealed by the key, and
// of numbers that can be, or it is none.
func FuzzCursor(f *testing.F) {
	l := newLedger(f, 0)
	l.add(1)
	l.sink(func([][]byte) error { return &answer{final: true} })
	l.set(errSink, nil) // what is refused is in the cursor only
	l.open()
	go l.x.Run()
	l.x.Finish()
	<-l.x.Done()
	b, err := os.ReadFile(l.cursor())
	if err != nil {
		f.Fatal(err)
	}
	parse := func(b []byte) ([]byte, error) { return ship.ParseCursor(b, key) }
	if again, err := parse(b); err != nil || !bytes.Equal(again, b) || !bytes.Contains(b, []byte("refused")) {
		f.Fatalf("got %q, %v for %q", again, err, b)
	}
	f.Add(b)
	f.Add(bytes.Split(b, []byte("\n"))[1])
	f.Add([]byte("safeconduct cursor v2\n{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if again, err := parse(b); err == nil && !bytes.Equal(again, b) {
			t.Errorf("%q is taken for %q", b, again)
		}
		// What the key sealed is parsed too, and by no other key.
		line, _, _ := bytes.Cut(b, []byte("\n"))
		sealed := sealCursor(line, key)
		again, err := parse(sealed)
		if err != nil {
			return
		}
		if !bytes.Equal(again, sealed) {
			t.Errorf("%q is taken for %q", sealed, again)
		}
		var c struct {
			Segment               uint64
			Bytes, Offset, LastAt int64
			Shipped, Parked       uint64
			Ledger, Exporter      string
			Last                  record.Hash
			Refused               []struct{ Count uint64 }
		}
		err = json.Unmarshal(line, &c)
		if err != nil || c.Segment == 0 || c.Offset < 23 || c.Bytes < 0 || c.Shipped > 1<<53 || c.Parked > 1<<53 {
			t.Errorf("%q is taken: %v", line, err)
		}
		for _, r := range c.Refused {
			if r.Count == 0 {
				t.Errorf("%q is taken, and refuses nothing", line)
			}
		}
		if _, err := ship.ParseCursor(sealed, []byte("another")); err == nil {
			t.Errorf("%q is taken with another key", sealed)
		}
	})
}
