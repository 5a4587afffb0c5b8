package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segmenttest"
)

func cursorFile(dir, exporter string) string {
	return filepath.Join(dir, "exporters", exporter+".cursor")
}

// shipSome has an exporter ship what calls leave, and returns what the sink got.
func shipSome(t *testing.T, dir string, calls int, cfg evidence.Config) [][]byte {
	t.Helper()
	return shipSomeOn(t, dir, calls, cfg, evidence.Disk{})
}

func shipSomeOn(t *testing.T, dir string, calls int, cfg evidence.Config, disk evidence.Disk) [][]byte {
	t.Helper()
	var s store
	cfg.Key, cfg.Exporters, cfg.ReadOnly = ledgertest.Key(1), to(s.take), []string{"shell"}
	r, err := evidence.OpenOn(dir, cfg, disk)
	if err != nil {
		t.Fatal(err)
	}
	use(t, r, calls)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	st := stats(r)
	wantExact(t, dir, st)
	if st.Lag != 0 || st.LagBytes != 0 {
		t.Errorf("got stats %+v, want no lag", st)
	}
	return s.got()
}

// A process goes on where the one before it stopped, in any segment.
func TestCursorOutlivesTheProcess(t *testing.T) {
	dir := ledgertest.Dir(t)
	var got [][]byte
	for i := range 10 {
		part := shipSomeOn(t, dir, i*3, evidence.Config{}, evidence.Disk{Segment: 16 << 10})
		if want := 1 + i*12; len(part) != want {
			t.Errorf("process %d shipped %d records, want %d", i, len(part), want)
		}
		got = append(got, part...)
	}
	if want := ledgertest.Envelopes(t, dir); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the sink got %d records, the ledger has %d, or they differ", len(got), len(want))
	}
	info, err := os.Stat(cursorFile(dir, "default"))
	if err != nil || !hasMode(info, 0o600) {
		t.Errorf("got a cursor with mode %v, %v", info.Mode(), err)
	}
}

// A cursor that is not one of the ledger counts as none: the sink gets all again,
// and somebody hears of it.
func TestCursorThatCannotBeUsed(t *testing.T) {
	write := func(edit func(b []byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			path := cursorFile(dir, "default")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, edit(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	// sealed edits the second line and makes the third fit, as one who has the key.
	sealed := func(old, new string) func(t *testing.T, dir string) {
		return write(func(b []byte) []byte {
			line := bytes.Split(b, []byte("\n"))[1]
			edited := bytes.Replace(line, []byte(old), []byte(new), 1)
			if bytes.Equal(edited, line) {
				t.Fatalf("%s holds no %s", line, old)
			}
			return evidence.SealCursor(edited, ledgertest.Key(1), "prod")
		})
	}
	foreign := ledgertest.Dir(t)
	shipSome(t, foreign, 30, evidence.Config{})
	older := ledgertest.Dir(t)
	shipSome(t, older, 1, evidence.Config{Ledger: "prod"})
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"empty":                 write(func([]byte) []byte { return nil }),
		"torn":                  write(func(b []byte) []byte { return b[:len(b)/2] }),
		"without its last byte": write(func(b []byte) []byte { return b[:len(b)-1] }),
		"with one more":         write(func(b []byte) []byte { return append(b, '\n') }),
		"a bit flipped":         write(func(b []byte) []byte { b[40] ^= 1; return b }),
		"another version":       write(func(b []byte) []byte { return bytes.Replace(b, []byte("v2"), []byte("v1"), 1) }),
		"with a plain checksum": write(func(b []byte) []byte {
			i := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1
			return fmt.Appendf(bytes.Clone(b[:i]), "%x\n", sha256.Sum256(b[:i]))
		}),
		"sealed with another key": write(func(b []byte) []byte {
			return evidence.SealCursor(bytes.Split(b, []byte("\n"))[1], ledgertest.Key(2), "prod")
		}),
		"zeros":                  write(func(b []byte) []byte { return make([]byte, len(b)) }),
		"huge":                   write(func([]byte) []byte { return make([]byte, 2<<20) }),
		"another ledger":         sealed(`"ledger":"prod"`, `"ledger":"test"`),
		"another exporter":       sealed(`"exporter":"default"`, `"exporter":"other"`),
		"another record":         sealed(`"last":"`, `"last":"00`),
		"within a frame":         sealed(`"lastAt":`, `"lastAt":1`),
		"another offset":         sealed(`"offset":`, `"offset":1`),
		"another segment":        sealed(`"segment":1`, `"segment":7`),
		"no segment":             sealed(`"segment":1`, `"segment":0`),
		"more than there is":     sealed(`"shipped":`, `"shipped":9`),
		"an unknown member":      sealed(`"bytes"`, `"x":1,"bytes"`),
		"a refusal of nothing":   sealed(`"segment"`, `"refused":[{"count":1,"exporter":"default"}],"segment"`),
		"a refusal that is null": sealed(`"segment"`, `"refused":[null],"segment"`),
		"that of another ledger": func(t *testing.T, dir string) {
			b, err := os.ReadFile(cursorFile(foreign, "default"))
			if err == nil {
				err = os.WriteFile(cursorFile(dir, "default"), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"a directory": func(t *testing.T, dir string) {
			if err := errors.Join(os.Remove(cursorFile(dir, "default")), os.Mkdir(cursorFile(dir, "default"), 0o700)); err != nil {
				t.Fatal(err)
			}
		},
		"the ledger is an older one": func(t *testing.T, dir string) {
			for _, name := range []string{"segments", "checkpoint", "tile"} {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.CopyFS(filepath.Join(dir, "segments"), os.DirFS(filepath.Join(older, "segments"))); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			if n := len(shipSome(t, dir, 20, evidence.Config{Ledger: "prod"})); n != 81 {
				t.Fatalf("shipped %d", n)
			}
			spoil(t, dir)
			var log bytes.Buffer
			got := shipSome2(t, dir, &log)
			if want := ledgertest.Envelopes(t, dir); !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("the sink got %d records, want all %d again", len(got), len(want))
			}
			if !strings.Contains(log.String(), "begins anew") {
				t.Errorf("the log says %q", log.String())
			}
		})
	}
}

// shipSome2 ships without a look at the cursor that is kept in the end.
func shipSome2(t *testing.T, dir string, log *bytes.Buffer) [][]byte {
	t.Helper()
	var s store
	r, err := evidence.Open(dir, evidence.Config{
		Key: ledgertest.Key(1), Exporters: to(s.take), ReadOnly: []string{"shell"},
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	use(t, r, 1)
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s.got()
}

// While the cursor cannot be kept the exporter ships all the same, and says so.
func TestCursorThatCannotBeKept(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "rename"} {
		t.Run(op, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			var s store
			var log bytes.Buffer
			cfg := evidence.Config{Key: ledgertest.Key(1), Exporters: to(s.take), ReadOnly: []string{"shell"}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
			do := func(o segmenttest.Op) error {
				if o.Name == op && strings.Contains(o.Path, "exporters") {
					return syscall.EIO
				}
				return o.Do()
			}
			r, err := evidence.OpenOn(dir, cfg, evidence.Disk{Do: do, Segment: 16 << 10})
			if err != nil {
				t.Fatal(err)
			}
			use(t, r, 10)
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantShipped(t, dir, &s)
			if st := stats(r); !errors.Is(st.CursorErr, syscall.EIO) || st.Lag != 0 {
				t.Errorf("got stats %+v, want EIO for the cursor", st)
			}
			if n := strings.Count(log.String(), "cannot be kept"); n != 1 {
				t.Errorf("the log says it %d times: %s", n, log.String())
			}
			if got := shipSome(t, dir, 0, evidence.Config{}); len(got) != 42 {
				t.Errorf("the next process ships %d records, want all 42 again", len(got))
			}
		})
	}
}

// forgedCursor is what anybody could make of a ledger who may write to its
// directory: a cursor that says that all was shipped, right in all but its seal.
func forgedCursor(t *testing.T, dir string, root ed25519.PrivateKey) []byte {
	t.Helper()
	envs := ledgertest.Envelopes(t, dir)
	end := int64(23)
	for _, env := range envs {
		end += int64(8 + len(env))
	}
	last := envs[len(envs)-1]
	leaf := sha256.Sum256(append([]byte{0}, last...))
	line := fmt.Appendf(nil, `{"bytes":%d,"exporter":"default","last":"%x","ledger":"prod","lastAt":%d,"offset":%d,"parked":0,"segment":1,"shipped":%d}`,
		end-23, leaf, end-int64(8+len(last)), end, len(envs))
	return evidence.SealCursor(line, root, "prod")
}

// A cursor that was made without the root key has an exporter skip nothing. One that
// is the same in all else, and was made with it, is one.
func TestAForgedCursorSkipsNoRecord(t *testing.T) {
	for name, tt := range map[string]struct {
		root ed25519.PrivateKey
		all  bool
	}{
		"made with the key":    {ledgertest.Key(1), false},
		"made without the key": {ledgertest.Key(9), true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), Ledger: "prod", ReadOnly: []string{"shell"}})
			if err != nil {
				t.Fatal(err)
			}
			use(t, r, 10)
			if err := r.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := len(ledgertest.Envelopes(t, dir))
			if err := errors.Join(
				os.Mkdir(filepath.Dir(cursorFile(dir, "default")), 0o700),
				os.WriteFile(cursorFile(dir, "default"), forgedCursor(t, dir, tt.root), 0o600),
			); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			got := shipSome2(t, dir, &log)
			want := ledgertest.Envelopes(t, dir)
			if !tt.all {
				want = want[before:]
			}
			if !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("the sink got %d records, want %d", len(got), len(want))
			}
			if said := strings.Contains(log.String(), "begins anew"); said != tt.all {
				t.Errorf("the log says %q", log.String())
			}
		})
	}
}

// A ledger that was put back to an older state and went on from there is not the one
// of the cursor, though its holder made both.
func TestACursorOfAnotherHistoryOfTheLedger(t *testing.T) {
	dir, older := ledgertest.Dir(t), ledgertest.Dir(t)
	shipSome(t, dir, 5, evidence.Config{Ledger: "prod"})
	if err := os.CopyFS(older, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	shipSome(t, dir, 5, evidence.Config{})
	cursor, err := os.ReadFile(cursorFile(dir, "default"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := evidence.Open(older, evidence.Config{Key: ledgertest.Key(1), ReadOnly: []string{"shell"}})
	if err != nil {
		t.Fatal(err)
	}
	use(t, r, 20)
	if err := errors.Join(r.Close(t.Context()), os.WriteFile(cursorFile(older, "default"), cursor, 0o600)); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	got := shipSome2(t, older, &log)
	if want := ledgertest.Envelopes(t, older); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the sink got %d records, want all %d", len(got), len(want))
	}
	if !strings.Contains(log.String(), "the record before it is another") {
		t.Errorf("the log says %q", log.String())
	}
}

// After a rotation the cursor is the next key's, and the sink gets nothing twice.
func TestTheCursorOutlivesARotation(t *testing.T) {
	dir := ledgertest.Dir(t)
	var s store
	r, err := evidence.Open(dir, evidence.Config{Key: ledgertest.Key(1), Exporters: to(s.take), ReadOnly: []string{"shell"}})
	if err != nil {
		t.Fatal(err)
	}
	use(t, r, 3)
	if err := errors.Join(r.Rotate(t.Context(), ledgertest.Key(2)), r.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if r, err = evidence.Open(dir, evidence.Config{Key: ledgertest.Key(2), Exporters: to(s.take), ReadOnly: []string{"shell"}}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantShipped(t, dir, &s)
}
