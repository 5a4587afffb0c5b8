package evidence

import "time"

// RootsOf returns the roots that are trusted for a ledger.
func (p *TrustPolicy) RootsOf(ledger string) []Root {
	roots, _ := p.roots(ledger) // none where the policy does not name it
	return roots
}

// Valid returns why the root is not trusted at that time for that record.
func (r Root) Valid(at time.Time, record uint64) error { return r.valid(at, record) }
