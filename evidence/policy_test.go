package evidence_test

import (
	"strings"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/evidence/trust"
)

// A policy that was made by hand and holds nonsense is an error, as one that was
// read would be.
func TestTrustPolicyMadeByHand(t *testing.T) {
	dir := ledgertest.Dir(t)
	envs := writeLedger(t, dir, evidence.Config{Ledger: "prod"})
	r, err := record.Parse(envs[1])
	if err != nil {
		t.Fatal(err)
	}
	proof, err := evidence.Prove(dir, r.ID)
	if err != nil {
		t.Fatal(err)
	}
	opts := evidence.VerifyOptions{Policy: &trust.Policy{Ledgers: []trust.Ledger{{
		Origin: "prod", Roots: []trust.Root{{Key: ledgertest.Public(ledgertest.Key(1))[:31]}},
	}}}}
	if _, err := evidence.Verify(dir, opts); err == nil || !strings.Contains(err.Error(), "/ledgers/0/roots/0") {
		t.Errorf("Verify: got %v, want what is wrong with the key", err)
	}
	if _, err := evidence.VerifyProof(proof, opts); err == nil || !strings.Contains(err.Error(), "/ledgers/0/roots/0") {
		t.Errorf("VerifyProof: got %v, want what is wrong with the key", err)
	}
}
