package chain_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/safeconduct/evidence/internal/chain"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/tiles"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/osfile"
)

// sessionOf returns the session of a test key.
func sessionOf(key byte) *chain.Session {
	public := ledgertest.Public(ledgertest.Key(key))
	stated := &record.Session{Key: record.KeyID(public), Public: ledgertest.PKIX(public)}
	return chain.NewSession(&record.Record{Session: stated}, record.Hash{key})
}

// anchor returns a checkpoint of so many records that a test key signed.
func anchor(t *testing.T, size int64, key byte) *chain.Anchor {
	t.Helper()
	signed := ledgertest.SignCheckpoint(t, tiles.Checkpoint{Origin: "prod", Size: size, Root: tiles.Hash{1}}, ledgertest.Key(key))
	a, err := chain.ParseAnchor(signed, "the anchor")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A session signs the checkpoints from its first record to the one that ends it, and
// whoever has its key later signs none that is newer.
func TestSigner(t *testing.T) {
	a, b, again := sessionOf(11), sessionOf(12), sessionOf(11)
	sessions := chain.Sessions{{Session: a, First: 1}, {Session: b, First: 10}, {Session: again, First: 20}}
	for _, tt := range []struct {
		size int64
		key  byte
		want *chain.Session // nil: expired
	}{
		{1, 11, a}, {9, 11, a},
		{10, 11, a}, // with the record that ends it
		{11, 11, nil}, {19, 11, nil},
		{20, 11, again}, {1 << 40, 11, again}, // the key is in force again
		{1, 12, nil}, {9, 12, nil}, {10, 12, b}, {20, 12, b}, {21, 12, nil}, {1 << 40, 12, nil},
	} {
		got, err := sessions.Signer(anchor(t, tt.size, tt.key))
		var damage *record.Error
		expired := errors.As(err, &damage) && damage.Damage == record.DamageExpiredKey
		if got != tt.want || (got == nil) != expired || expired != (err != nil) {
			t.Errorf("key %d, %d records: got session %+v, error %v, want %+v", tt.key, tt.size, got, err, tt.want)
		}
	}
	if got, err := sessions.Signer(anchor(t, 5, 66)); !errors.Is(err, chain.ErrNoSession) || got != nil {
		t.Errorf("a stranger's: got session %v, error %v, want ErrNoSession", got, err)
	}
	if got, err := (chain.Sessions)(nil).Signer(anchor(t, 5, 11)); !errors.Is(err, chain.ErrNoSession) || got != nil {
		t.Errorf("no sessions: got session %v, error %v, want ErrNoSession", got, err)
	}
	edited := anchor(t, 5, 11)
	edited.Note = bytes.Replace(edited.Note, []byte("\n5\n"), []byte("\n6\n"), 1)
	var damage *record.Error
	if _, err := sessions.Signer(edited); !errors.As(err, &damage) || damage.Damage != record.DamageEdited ||
		!strings.Contains(damage.Detail, "the anchor") {
		t.Errorf("another text: got error %v, want edited", err)
	}
}

func TestSignedBy(t *testing.T) {
	sessions := []*chain.Session{sessionOf(11), sessionOf(12)}
	if got, err := anchor(t, 5, 12).SignedBy(sessions); err != nil || got != sessions[1] {
		t.Errorf("got session %+v, error %v, want the second", got, err)
	}
	if got, err := anchor(t, 5, 12).SignedBy(sessions[:1]); !errors.Is(err, chain.ErrNoSession) || got != nil {
		t.Errorf("got session %+v, error %v, want ErrNoSession", got, err)
	}
}

func TestParseAnchor(t *testing.T) {
	note := anchor(t, 5, 11).Note
	want := tiles.Checkpoint{Origin: "prod", Size: 5, Root: tiles.Hash{1}}
	if a, err := chain.ParseAnchor(note, "x"); err != nil || a.Checkpoint != want || a.Name != "x" || a.Own {
		t.Errorf("got %+v, error %v", a, err)
	}
	for name, signed := range map[string][]byte{
		"nothing":            nil,
		"no signature":       note[:bytes.Index(note, []byte("\n\n"))],
		"half a signature":   note[:len(note)-5],
		"not a checkpoint":   bytes.Replace(note, []byte("\n5\n"), []byte("\n05\n"), 1),
		"longer than it may": append(bytes.Clone(note), make([]byte, chain.MaxCheckpoint)...),
	} {
		if a, err := chain.ParseAnchor(signed, "x"); err == nil {
			t.Errorf("%s: got %+v, want an error", name, a)
		}
	}
}

// Errors of a checkpoint's file name it, and not where it is.
func TestReadCheckpoint(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, segment.CheckpointName)
	if got, err := chain.ReadCheckpoint(dir); !errors.Is(err, chain.ErrNoCheckpoint) || got != nil {
		t.Errorf("none: got %q, error %v, want ErrNoCheckpoint", got, err)
	}
	if _, err := chain.ReadSigned(path); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, chain.ErrNoCheckpoint) ||
		!strings.HasPrefix(err.Error(), "checkpoint: ") || strings.Contains(err.Error(), dir) {
		t.Errorf("none: got error %v, want one that names the file", err)
	}
	note := anchor(t, 5, 11).Note
	write := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(note)
	if got, err := chain.ReadCheckpoint(dir); err != nil || !bytes.Equal(got, note) {
		t.Errorf("got %q, error %v, want %q", got, err, note)
	}
	write(append(note, bytes.Repeat([]byte("x"), 2*chain.MaxCheckpoint)...))
	got, err := chain.ReadCheckpoint(dir)
	if err != nil || len(got) != chain.MaxCheckpoint+1 {
		t.Errorf("too long: got %d bytes, error %v, want %d", len(got), err, chain.MaxCheckpoint+1)
	}
	if a, err := chain.ParseAnchor(got, "x"); err == nil {
		t.Errorf("too long: got %+v, want none", a)
	}
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := chain.ReadCheckpoint(dir); !errors.Is(err, osfile.ErrNotRegular) || !strings.Contains(err.Error(), "move away") ||
		!strings.HasPrefix(err.Error(), "checkpoint: ") || strings.Contains(err.Error(), dir) {
		t.Errorf("a directory: got error %v, want ErrNotRegular", err)
	}
}
