package ledgertest

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/segment"
	"example.com/safeconduct/evidence/internal/segmenttest"
)

// Key is a key that is the same in every test run.
func Key(seed byte) ed25519.PrivateKey {
	s := make([]byte, ed25519.SeedSize)
	s[0] = seed
	return ed25519.NewKeyFromSeed(s)
}

// Public returns the public half of a key.
func Public(key ed25519.PrivateKey) ed25519.PublicKey { return key.Public().(ed25519.PublicKey) }

// Dir returns where a ledger can be made.
func Dir(t testing.TB) string { return filepath.Join(t.TempDir(), "ledger") }

// Verify verifies a ledger, by the first test key where none is given.
func Verify(t testing.TB, dir string, keys ...ed25519.PublicKey) *evidence.Report {
	t.Helper()
	if len(keys) == 0 {
		keys = append(keys, Public(Key(1)))
	}
	report, err := evidence.Verify(dir, evidence.VerifyOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// WantIntact verifies a ledger of the first test key, which must be whole.
func WantIntact(t testing.TB, dir string) *evidence.Report {
	t.Helper()
	report := Verify(t, dir)
	if !report.Intact() {
		t.Fatalf("the ledger is damaged: %v %v", report.First, report.Damage)
	}
	return report
}

// Entries returns all records of a ledger.
func Entries(t testing.TB, dir string) []evidence.Entry {
	t.Helper()
	var all []evidence.Entry
	for e, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// Envelopes returns the envelopes of all records of a ledger.
func Envelopes(t testing.TB, dir string) [][]byte {
	var all [][]byte
	for _, e := range Entries(t, dir) {
		all = append(all, e.Envelope)
	}
	return all
}

// Rewrite replaces a ledger's segments by one with these envelopes, and its
// checkpoint by none.
func Rewrite(t testing.TB, dir string, envs ...[]byte) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "checkpoint")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment.Path(dir, 1), segmenttest.File(envs...), 0o600); err != nil {
		t.Fatal(err)
	}
}
