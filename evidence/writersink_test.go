package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/evidencetest"
	"example.com/safeconduct/evidence/record"
)

// A tape is a writer that can fail after so many bytes.
type tape struct {
	mu    sync.Mutex
	data  []byte
	room  int  // bytes; negative without a bound
	quiet bool // fails without an error
}

var errTape = errors.New("the tape is full")

func (w *tape) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(b)
	if w.room >= 0 {
		n = min(n, w.room)
		w.room -= n
	}
	w.data = append(w.data, b[:n]...)
	if n < len(b) && !w.quiet {
		return n, errTape
	}
	return n, nil
}

func (w *tape) fail(room int) {
	w.mu.Lock()
	w.room = room
	w.mu.Unlock()
}

// lines returns the whole lines.
func (w *tape) lines() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := bytes.Split(w.data, []byte("\n"))
	return slices.Clone(all[:len(all)-1])
}

func TestWriterSink(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		t.Run(fmt.Sprint("quiet ", quiet), func(t *testing.T) {
			evidencetest.TestSink(t, func(*testing.T, ed25519.PublicKey) evidencetest.Subject {
				w := &tape{room: -1, quiet: quiet}
				return evidencetest.Subject{
					Sink: evidence.WriterSink(w), Stored: w.lines, Unordered: true,
					Break: func(n int) { w.fail(n * 1000) }, // about as long as a line, so that it breaks within one
				}
			})
		})
	}
}

// Wherever a Write ends, lines are whole in the end and none is there twice.
func TestWriterSinkBrokenAtEachByte(t *testing.T) {
	records, _ := evidencetest.Records(t, 3)
	want := bytes.Join(append(slices.Clone(records), nil), []byte("\n"))
	for first := range want {
		for _, second := range []int{0, 1, 700, 1500} {
			w := &tape{room: first}
			sink := evidence.WriterSink(w)
			rest := records
			for _, room := range []int{first, second, -1} {
				w.fail(room)
				err := sink(t.Context(), rest)
				var e *evidence.SinkError
				switch {
				case errors.As(err, &e):
					rest = rest[e.Taken():]
				case err != nil && !errors.Is(err, errTape):
					t.Fatalf("got %v", err)
				case err == nil:
					rest = nil
				}
				if err == nil || len(rest) == 0 {
					break
				}
			}
			if len(rest) > 0 {
				if err := sink(t.Context(), rest); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(w.data, want) {
				t.Fatalf("broken at byte %d, then after %d: got %d bytes, want %d, or they differ", first, second, len(w.data), len(want))
			}
		}
	}
}

func TestWriterSinkOfNothing(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a nil writer is taken")
		}
	}()
	evidence.WriterSink(nil)
}

// What was written is recognised up to a bound.
func TestWriterSinkForgets(t *testing.T) {
	records, _ := evidencetest.Records(t, 1)
	var w bytes.Buffer
	sink := evidence.WriterSink(&w)
	line := func(i int) []byte { return fmt.Appendf(nil, "%s %d", records[0], i) }
	const bound = 8192
	for i := range bound + 10 {
		if err := sink(t.Context(), [][]byte{line(i)}); err != nil {
			t.Fatal(err)
		}
	}
	before := w.Len()
	for _, i := range []int{bound + 9, 10} {
		if err := sink(t.Context(), [][]byte{line(i)}); err != nil || w.Len() != before {
			t.Errorf("line %d is written again: %v", i, err)
		}
	}
	if err := sink(t.Context(), [][]byte{line(9)}); err != nil || w.Len() == before {
		t.Errorf("line 9 is recognised beyond the bound: %v", err)
	}
}

func ExampleWriterSink() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	var out bytes.Buffer
	recorder, err := evidence.Open(dir, evidence.Config{
		Exporters: []evidence.Exporter{{Name: "stream", Sink: evidence.WriterSink(&out)}},
	})
	if err != nil {
		panic(err)
	}
	exampleCall(recorder)
	for {
		line, err := out.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		r, err := record.Parse(bytes.TrimSuffix(line, []byte("\n")))
		fmt.Println(r.Kind, err)
	}
	// Output:
	// key.session <nil>
	// run.start <nil>
	// intent <nil>
	// outcome <nil>
	// run.end <nil>
}
