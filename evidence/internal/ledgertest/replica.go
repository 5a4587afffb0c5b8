package ledgertest

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"slices"
	"testing"

	"example.com/safeconduct/evidence/replica"
	"example.com/safeconduct/evidence/trust"
)

// Trusting is a policy that trusts keys for a ledger.
func Trusting(ledger string, keys ...ed25519.PublicKey) *trust.Policy {
	p := trust.Ledger{Origin: ledger}
	for _, key := range keys {
		p.Roots = append(p.Roots, trust.Root{Key: key})
	}
	return &trust.Policy{Ledgers: []trust.Ledger{p}}
}

// OpenReplica opens a replica, by the first test key where nothing else is said, and
// closes it at the end.
func OpenReplica(t testing.TB, dir string, cfg replica.Config) *replica.Replica {
	t.Helper()
	if cfg.Ledger == "" {
		cfg.Ledger = "prod"
	}
	if cfg.Policy == nil {
		cfg.Policy = Trusting(cfg.Ledger, Public(Key(1)))
	}
	r, err := replica.Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

// Feed gives a replica envelopes in batches, each up to one that is signed, and
// returns how many it took before an error.
func Feed(r *replica.Replica, batch int, envs ...[]byte) (int, error) {
	taken := 0
	for taken < len(envs) {
		end := min(taken+batch, len(envs))
		for end < len(envs) && !IsSigned(envs[end-1]) {
			end++
		}
		n, err := r.Append(envs[taken:end])
		whole := taken+n == end
		if taken += n; err != nil || !whole {
			return taken, errors.Join(err)
		}
	}
	return taken, nil
}

// IsSigned reports whether an envelope has a signature.
func IsSigned(env []byte) bool { return !bytes.HasSuffix(env, []byte(`"signatures":[]}`)) }

// Covered returns how many of the first records are signed, or before one that is.
func Covered(envs [][]byte) int {
	n := len(envs)
	for n > 0 && !IsSigned(envs[n-1]) {
		n--
	}
	return n
}

// WantSame compares what a ledger holds with envelopes.
func WantSame(t testing.TB, dir string, want ...[]byte) {
	t.Helper()
	got := Envelopes(t, dir)
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got %d records, and not the %d that were taken", len(got), len(want))
	}
}

// ReopenReplica closes a replica and opens it again.
func ReopenReplica(t testing.TB, r *replica.Replica, cfg replica.Config) *replica.Replica {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return OpenReplica(t, r.Dir(), cfg)
}
