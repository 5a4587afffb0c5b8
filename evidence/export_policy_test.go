package evidence

import "time"

// RootsOf returns the roots that are trusted for a ledger.
func (p *TrustPolicy) RootsOf(ledger string) []Root { return p.roots(ledger) }

// Valid returns why the root is not trusted at that time for that record.
func (r Root) Valid(at time.Time, record uint64) error { return r.valid(at, record) }
