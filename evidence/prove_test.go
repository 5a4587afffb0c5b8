package evidence_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

// revealing writes a ledger that keeps contents, and returns the record of a
// tool's intent.
func revealing(t testing.TB) (dir string, intent *record.Record) {
	t.Helper()
	dir = ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{Ledger: "proofs", Payloads: &evidence.Payloads{Key: payloadKey}})
	if err := agent(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return dir, findRecord(t, dir, func(r *record.Record) bool { return r.Kind == record.KindIntent && r.Call.Kind == "tool" })
}

// findRecord returns the first record that is wanted.
func findRecord(t testing.TB, dir string, want func(r *record.Record) bool) *record.Record {
	t.Helper()
	for _, e := range ledgertest.Entries(t, dir) {
		if want(e.Record) {
			return e.Record
		}
	}
	t.Fatal("there is no such record")
	return nil
}

func TestReveal(t *testing.T) {
	dir, intent := revealing(t)
	opts := evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}}
	text, err := evidence.Reveal(dir, payloadKey(), intent.ID, record.ContentInput, record.ContentInput)
	if err != nil {
		t.Fatal(err)
	}
	got, err := evidence.VerifyProof(text, opts)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"19*23"`; string(got.Contents[record.ContentInput]) != want || len(got.Contents) != 1 {
		t.Errorf("got %s, want %s", got.Contents, want)
	}

	for _, tt := range []struct {
		name, id string
		key      []byte
		names    []string
		says     string
	}{
		{"no name", intent.ID, payloadKey(), nil, "no content is named"},
		{"what the record does not have", intent.ID, payloadKey(), []string{"output"}, `of the kind intent, has no "output"`},
		{"what no record has", intent.ID, payloadKey(), []string{"key"}, `has no "key"`},
		{"another key", intent.ID, make([]byte, 32), []string{"input"}, "this is not its key"},
		{"a short key", intent.ID, []byte{1}, []string{"input"}, "the key has 1 bytes, not 32"},
		{"no record", "x", payloadKey(), []string{"input"}, "no such record"},
	} {
		if _, err := evidence.Reveal(dir, tt.key, tt.id, tt.names...); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, want it to say %q", tt.name, err, tt.says)
		}
	}
}

func TestRevealOfWhatIsGone(t *testing.T) {
	dir, intent := revealing(t)
	if err := os.Remove(payloadFile(dir, intent.Input.Commitment)); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Reveal(dir, payloadKey(), intent.ID, "input"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: got %v, want %v", err, fs.ErrNotExist)
	}
	r := open(t, dir, evidence.Config{})
	if err := r.Erase(t.Context(), intent.Input.Commitment, "GDPR, Art. 17", "alice"); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := evidence.Reveal(dir, payloadKey(), intent.ID, "input")
	var erased *evidence.ErasedError
	if !errors.As(err, &erased) {
		t.Fatalf("got %v, want an ErasedError", err)
	}
	if erased.Authority != "alice" || erased.Reason != "GDPR, Art. 17" || erased.Name != "input" || erased.Commitment != intent.Input.Commitment ||
		erased.Time.IsZero() {
		t.Errorf("got %+v", erased)
	}
	// The record itself can be proved as before.
	if _, err := evidence.VerifyProof(mustProve(t, dir, intent.ID),
		evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}}); err != nil {
		t.Error(err)
	}
}

func TestProveRefuses(t *testing.T) {
	dir, intent := revealing(t)
	d, err := evidence.OpenPayload(dir, payloadKey(), intent.Input.Commitment)
	if err != nil {
		t.Fatal(err)
	}
	outcome := findRecord(t, dir, func(r *record.Record) bool { return r.Kind == record.KindOutcome })
	for name, f := range map[string]func() ([]byte, error){
		"a disclosure of another record": func() ([]byte, error) { return evidence.Prove(dir, outcome.ID, d) },
		"a disclosure of nothing":        func() ([]byte, error) { return evidence.Prove(dir, intent.ID, record.Disclosure{}) },
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), "disclosure") {
			t.Errorf("%s: got %v, want an error about it", name, err)
		}
	}
	if _, err := evidence.Prove(dir, "x\x1b"); !errors.Is(err, evidence.ErrNoRecord) || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("unknown: got %v, want %v", err, evidence.ErrNoRecord)
	}
	if _, err := evidence.Prove(ledgertest.Dir(t), intent.ID); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: got %v, want %v", err, fs.ErrNotExist)
	}

	// Records that come after the checkpoint, and a ledger that has none.
	checkpoint := filepath.Join(dir, "checkpoint")
	before, err := os.ReadFile(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	r := open(t, dir, evidence.Config{})
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := ledgertest.Entries(t, dir)
	last := all[len(all)-1].Record
	mustProve(t, dir, last.ID)
	putFile(t, checkpoint, before)
	if _, err := evidence.Prove(dir, last.ID); !errors.Is(err, evidence.ErrNotCovered) {
		t.Errorf("after the checkpoint: got %v, want %v", err, evidence.ErrNotCovered)
	}
	mustProve(t, dir, intent.ID)
	if err := os.Remove(checkpoint); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Prove(dir, intent.ID); !errors.Is(err, evidence.ErrNotCovered) {
		t.Errorf("no checkpoint: got %v, want %v", err, evidence.ErrNotCovered)
	}
	if _, err := evidence.ReadCheckpoint(dir); err == nil || !strings.Contains(err.Error(), "it has no checkpoint") {
		t.Errorf("no checkpoint: got %v", err)
	}
}

func putFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What is not as the checkpoint says proves nothing.
func TestProveOfDamaged(t *testing.T) {
	for name, damage := range map[string]func(dir string){
		"an edited record":     func(dir string) { ledgertest.Flip(t, segment.Path(dir, 1), 3000, 1) },
		"records removed":      func(dir string) { keepRecords(t, dir, 5) },
		"another's checkpoint": func(dir string) { putFile(t, filepath.Join(dir, "checkpoint"), checkpointOf(t, rotatedLedger(t, ""))) },
		"an edited checkpoint": func(dir string) { ledgertest.Flip(t, filepath.Join(dir, "checkpoint"), 10, 1) },
		"an edited signature": func(dir string) {
			ledgertest.Flip(t, filepath.Join(dir, "checkpoint"), int64(len(checkpointOf(t, dir)))-20, 1)
		},
		"no checkpoint":          func(dir string) { putFile(t, filepath.Join(dir, "checkpoint"), []byte("hello")) },
		"an endless checkpoint":  func(dir string) { putFile(t, filepath.Join(dir, "checkpoint"), make([]byte, 1<<20)) },
		"a session not its own ": func(dir string) { keepRecords(t, dir, -1) },
	} {
		dir, intent := revealing(t)
		damage(dir)
		if _, err := evidence.Prove(dir, intent.ID); !errors.Is(err, evidence.ErrDamaged) {
			t.Errorf("prove, %s: got %v, want %v", name, err, evidence.ErrDamaged)
		}
		if _, err := evidence.ReadCheckpoint(dir); !errors.Is(err, evidence.ErrDamaged) {
			t.Errorf("checkpoint, %s: got %v, want %v", name, err, evidence.ErrDamaged)
		}
		out := filepath.Join(t.TempDir(), "out")
		if _, err := evidence.ExportTiles(out, dir); !errors.Is(err, evidence.ErrDamaged) {
			t.Errorf("export, %s: got %v, want %v", name, err, evidence.ErrDamaged)
		}
		if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("export, %s: something was left behind", name)
		}
	}
}

// keepRecords keeps the first n records of a ledger, or all but the first if n is -1.
func keepRecords(t testing.TB, dir string, n int) {
	t.Helper()
	envs := ledgertest.Envelopes(t, dir)
	if n < 0 {
		envs, n = envs[1:], len(envs)-1
	}
	putFile(t, segment.Path(dir, 1), segmenttest.File(envs[:n]...))
}

func checkpointOf(t testing.TB, dir string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A proof does not need the tiles.
func TestProveWithoutTiles(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{ReadOnly: []string{"calculator", "shell"}})
	for range 40 {
		if err := agent(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "tile")); err != nil {
		t.Fatal(err)
	}
	all := ledgertest.Entries(t, dir)
	if len(all) < 300 {
		t.Fatalf("got %d records, want more than a tile of them", len(all))
	}
	for i := 0; i < len(all); i += 97 {
		if _, err := evidence.VerifyProof(mustProve(t, dir, all[i].Record.ID),
			evidence.VerifyOptions{Keys: []ed25519.PublicKey{ledgertest.Public(ledgertest.Key(1))}}); err != nil {
			t.Errorf("record %d: %v", i, err)
		}
	}
}

// A proof shows one record to somebody who has nothing but the root key.
func ExampleProve() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	var id string
	var input record.Disclosure
	recorder, err := evidence.Open(dir, evidence.Config{Ledger: "billing-agent", Disclose: func(d record.Disclosure) {
		if name, _, _ := d.Open(); name == record.ContentInput {
			id, input = d.Record, d
		}
	}})
	if err != nil {
		panic(err)
	}
	refund := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		return middleware.Result{Output: "ok"}, nil
	}, recorder.Intercept)
	if _, err := refund(ctx, middleware.Call{Kind: middleware.KindTool, Name: "refund", Input: "order 4711"}); err != nil {
		panic(err)
	}
	if err := recorder.Close(ctx); err != nil {
		panic(err)
	}

	proof, err := evidence.Prove(dir, id, input)
	if err != nil {
		panic(err)
	}
	proven, err := evidence.VerifyProof(proof, evidence.VerifyOptions{
		Keys: []ed25519.PublicKey{recorder.PublicKey()}, Ledger: "billing-agent",
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(proven.Record.Kind, proven.Record.Call.Name, string(proven.Contents["input"]))
	fmt.Println("record", proven.Index+1, "of", proven.Checkpoint.Records)
	// Output:
	// intent refund "order 4711"
	// record 3 of 5
}
