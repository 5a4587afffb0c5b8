package evidencetest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"path/filepath"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
)

// Records returns the first n signed records of a new ledger, as a sink gets them,
// and the root key that they lead to. They say that contents were erased; the
// first introduces the key that signs the others. It panics if n is less than 1.
func Records(t testing.TB, n int) (envelopes [][]byte, root ed25519.PublicKey) {
	t.Helper()
	if n < 1 {
		panic("evidencetest: Records: fewer than one")
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	recorder, err := evidence.Open(dir, evidence.Config{Ledger: "evidencetest"})
	if err != nil {
		t.Fatalf("evidencetest: %v", err)
	}
	var all sync.WaitGroup
	for i := range n - 1 {
		all.Go(func() {
			sum := sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
			commitment := base64.RawURLEncoding.EncodeToString(sum[:])
			if err := recorder.Erase(context.Background(), commitment, "a test", "evidencetest"); err != nil {
				t.Errorf("evidencetest: %v", err)
			}
		})
	}
	all.Wait()
	if err := recorder.Close(context.Background()); err != nil {
		t.Fatalf("evidencetest: %v", err)
	}
	for entry, err := range evidence.Read(dir) {
		if err != nil {
			t.Fatalf("evidencetest: %v", err)
		}
		envelopes = append(envelopes, bytes.Clone(entry.Envelope))
	}
	return envelopes, recorder.PublicKey()
}
