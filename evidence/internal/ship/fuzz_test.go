package ship_test

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"example.com/safeconduct/evidence/internal/ship"
	"example.com/safeconduct/evidence/record"
)

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
