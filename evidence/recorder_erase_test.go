package evidence_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

const secret = "sk-live-4711-do-not-tell"

// oneCall returns a ledger with one call of a tool, and the content of its
// intent.
func oneCall(t testing.TB, cfg evidence.Config) (dir string, r *evidence.Recorder, input evidence.Entry) {
	t.Helper()
	dir = ledgertest.Dir(t)
	r = open(t, dir, cfg)
	c := shell
	c.Input = secret
	if _, err := call(t, r, c, say("done: "+secret)); err != nil {
		t.Fatal(err)
	}
	for _, e := range ledgertest.Entries(t, dir) {
		if e.Record.Kind == record.KindIntent {
			return dir, r, e
		}
	}
	t.Fatal("there is no intent")
	return "", nil, evidence.Entry{}
}

// A content that is kept can be opened, and proves its commitment; one that is
// erased cannot, the ledger says why, and verifies as before.
func TestErase(t *testing.T) {
	dir, r, intent := oneCall(t, evidence.Config{Payloads: &evidence.Payloads{Key: payloadKey}})
	commitment := intent.Record.Input.Commitment
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats := r.Stats(); stats.Kept != 2 || stats.Dropped != 0 {
		t.Errorf("got %+v, want 2 contents kept", stats)
	}
	d, err := evidence.OpenPayload(dir, payloadKey(), commitment)
	if err != nil {
		t.Fatal(err)
	}
	if name, value, err := d.Open(); err != nil || name != record.ContentInput || string(value) != `"`+secret+`"` || d.Record != intent.Record.ID {
		t.Errorf("got %s %s of %s, %v", name, value, d.Record, err)
	}
	before := ledgertest.WantIntact(t, dir)

	again := open(t, dir, evidence.Config{Payloads: &evidence.Payloads{Key: payloadKey}})
	if err := again.Erase(t.Context(), commitment, "asked for by the subject", "dpo@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := again.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.OpenPayload(dir, payloadKey(), commitment); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want one that wraps fs.ErrNotExist", err)
	}
	report := ledgertest.WantIntact(t, dir)
	if report.Erased != 1 || report.Records != before.Records+2 {
		t.Errorf("got %+v, want one content erased, and nothing else changed", report)
	}
	all := ledgertest.Entries(t, dir)
	last := all[len(all)-1].Record
	want := record.Erased{Authority: "dpo@example.com", Commitment: commitment, Reason: "asked for by the subject"}
	if last.Kind != record.KindErased || *last.Erased != want {
		t.Errorf("got %s %+v, want %+v", last.Kind, last.Erased, want)
	}
}

// Whoever erases needs no payload key, and need not have kept anything.
func TestEraseWithoutAStore(t *testing.T) {
	dir, r, intent := oneCall(t, evidence.Config{Payloads: &evidence.Payloads{Key: payloadKey}})
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	bare := open(t, dir, evidence.Config{})
	if err := bare.Erase(t.Context(), intent.Record.Input.Commitment, "why", "who"); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.OpenPayload(dir, payloadKey(), intent.Record.Input.Commitment); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want one that wraps fs.ErrNotExist", err)
	}
	if err := bare.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := bare.Erase(t.Context(), intent.Record.Input.Commitment, "why", "who"); !errors.Is(err, evidence.ErrUnavailable) ||
		!errors.Is(err, evidence.ErrClosed) {
		t.Errorf("after Close: got error %v, want one that wraps ErrUnavailable and ErrClosed", err)
	}

	dir, r, intent = oneCall(t, evidence.Config{})
	if err := r.Erase(t.Context(), intent.Record.Input.Commitment, "why", "who"); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := ledgertest.WantIntact(t, dir); report.Erased != 1 {
		t.Errorf("got %+v, want one content erased", report)
	}
}

func TestEraseRefuses(t *testing.T) {
	_, r, intent := oneCall(t, evidence.Config{})
	good := intent.Record.Input.Commitment
	for name, args := range map[string][3]string{
		"no commitment": {"", "why", "who"},
		"a path":        {"../../../../../../etc/passwd" + strings.Repeat("x", 15), "why", "who"},
		"too short":     {good[:42], "why", "who"},
		"no reason":     {good, "", "who"},
		"no authority":  {good, "why", ""},
		"long reason":   {good, strings.Repeat("x", 513), "who"},
		"not UTF-8":     {good, "why", "\xff"},
	} {
		if err := r.Erase(t.Context(), args[0], args[1], args[2]); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// What calls carry stands nowhere in the clear: not in the ledger, not in the
// payload store, not in the log; and nobody who guesses it can tell.
func TestSecretsAreNowhere(t *testing.T) {
	var said log
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{
		Payloads: &evidence.Payloads{Key: func() []byte { return key }},
		Logger:   slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	c := shell
	c.Input = secret
	for range 2 {
		_, _ = call(t, r, c, say(secret))
		_, _ = call(t, r, c, fail(errors.New(secret)))
		_, _ = call(t, r, c, func(context.Context, middleware.Call) (middleware.Result, error) {
			return middleware.Result{}, &middleware.DeniedError{Gate: "g", Code: "policy", Reason: "no", Err: errors.New(secret)}
		})
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, form := range []string{secret, "c2stbGl2ZS00NzEx", "4711-do"} {
			if strings.Contains(string(b), form) {
				t.Errorf("%s holds the secret", path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(said.String(), secret) {
		t.Errorf("the log holds the secret: %s", said.String())
	}
	seen := make(map[string]bool)
	for _, e := range ledgertest.Entries(t, dir) {
		if bytes.Contains(ledgertest.DecodePayload(t, e.Envelope), []byte(secret)) {
			t.Errorf("record %s holds the secret", e.Record.ID)
		}
		if in := e.Record.Input; in != nil {
			if seen[in.Commitment] {
				t.Error("the same input has the same commitment twice")
			}
			seen[in.Commitment] = true
		}
	}
}

// Records go on across segments, and a segment that is cut, lost or moved is
// found out.
func TestSegments(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := openOn(t, dir, evidence.Config{}, evidence.Disk{Segment: 4 << 10})
	for range 20 {
		if _, err := call(t, r, shell, say("ok")); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	report := ledgertest.WantIntact(t, dir)
	if report.Segments < 5 || report.Done != 20 {
		t.Fatalf("got %+v, want several segments", report)
	}
	for name, tt := range map[string]struct {
		spoil func(dir string) error
		want  record.Damage
	}{
		"removed":   {func(dir string) error { return os.Remove(segment.Path(dir, 3)) }, record.DamageRemoved},
		"cut":       {func(dir string) error { return os.Truncate(segment.Path(dir, 3), 1000) }, record.DamageTruncated},
		"emptied":   {func(dir string) error { return os.Truncate(segment.Path(dir, 3), 0) }, record.DamageTruncated},
		"last one":  {func(dir string) error { return os.Remove(segment.Path(dir, uint64(report.Segments))) }, record.DamageRolledBack},
		"exchanged": {exchange, record.DamageReordered},
	} {
		spoiled := ledgertest.Dir(t)
		if err := os.CopyFS(spoiled, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := tt.spoil(spoiled); err != nil {
			t.Fatal(err)
		}
		got := ledgertest.Verify(t, spoiled)
		if got.First == nil || got.First.Damage != tt.want {
			t.Errorf("%s: got %v, want %s", name, got.First, tt.want)
		}
		if _, err := evidence.Open(spoiled, evidence.Config{Key: ledgertest.Key(1)}); !errors.Is(err, evidence.ErrDamaged) {
			t.Errorf("%s: Open: got error %v, want one that wraps ErrDamaged", name, err)
		}
	}
}

func exchange(dir string) error {
	a, b, c := segment.Path(dir, 2), segment.Path(dir, 3), filepath.Join(dir, "c")
	return errors.Join(os.Rename(a, c), os.Rename(b, a), os.Rename(c, b))
}
