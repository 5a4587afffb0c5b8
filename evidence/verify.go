package evidence

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strconv"
)

// A Damage says what is wrong with a ledger.
type Damage string

// The kinds of damage.
const (
	DamageEdited       Damage = "edited"                 // bytes differ from those that were written or signed
	DamageTruncated    Damage = "truncated"              // the last frame is not whole
	DamageRemoved      Damage = "removed"                // records are missing and no gap declares them
	DamageReordered    Damage = "reordered"              // a record stands after ones that followed it
	DamageReplayed     Damage = "replayed"               // a record stands there again
	DamageEquivocation Damage = "equivocation"           // two signed records claim one place
	DamageSpliced      Damage = "spliced"                // a record belongs to another ledger or run
	DamageUnknownKey   Damage = "unknown_key"            // signed, but by no key that was given
	DamageUnsigned     Damage = "unsigned"               // not signed at all
	DamageNotCanonical Damage = "not_canonical"          // signed, but two parsers could read it differently
	DamageMalformed    Damage = "malformed"              // signed, but not a record of this version
	DamageOutcome      Damage = "outcome_without_intent" // a call ended that never began
	DamageInconsistent Damage = "inconsistent"           // signed, but in contradiction to records before it
)

// A Finding is one damage and its place.
type Finding struct {
	Damage Damage `json:"damage"`
	Detail string `json:"detail"` // may quote what the ledger says; printed by a program it must be escaped

	Record  uint64 `json:"record"`  // from 1, counted over all frames of the ledger, good or bad
	Segment uint64 `json:"segment"` // the number in the file's name
	Offset  int64  `json:"offset"`  // bytes into the segment

	// Who wrote the record, as far as that is known.
	Writer string `json:"writer,omitzero"`
	Seq    uint64 `json:"seq,omitzero"`
	Run    string `json:"run,omitzero"`
}

// String returns the finding on one line, with what it quotes escaped.
func (f *Finding) String() string {
	at := fmt.Sprintf("record %d (segment %d, offset %d", f.Record, f.Segment, f.Offset)
	if f.Seq != 0 {
		at += fmt.Sprintf(", seq %d", f.Seq)
	}
	detail := strconv.QuoteToGraphic(f.Detail)
	return at + "): " + string(f.Damage) + ": " + detail[1:len(detail)-1]
}

// VerifyOptions say what a ledger is checked against.
type VerifyOptions struct {
	// Keys are the public keys to trust, whatever the ledger says of its own.
	// There must be at least one.
	Keys []ed25519.PublicKey

	// Ledger is the origin that the ledger must have. If it is empty, any
	// will do, so long as all records have the same.
	Ledger string
}

// A Report says what a ledger holds, and whether it is intact. It encodes as
// JSON.
type Report struct {
	Ledger   string `json:"ledger"` // the origin
	Segments int    `json:"segments"`
	Bytes    int64  `json:"bytes"`
	Records  uint64 `json:"records"` // good ones
	Writers  uint64 `json:"writers"`

	Runs        uint64 `json:"runs"`
	Interrupted uint64 `json:"interrupted"` // runs that began and did not end: under way, killed, or cut off
	Partial     uint64 `json:"partial"`     // runs whose root call was not recorded, so that none of their ends is known
	Late        uint64 `json:"late"`        // records of runs after their end

	Calls     uint64 `json:"calls"` // intents
	Done      uint64 `json:"done"`
	Denied    uint64 `json:"denied"`
	Failed    uint64 `json:"failed"`
	Cancelled uint64 `json:"cancelled"`
	Unknown   uint64 `json:"unknown"` // intents without an outcome: nobody knows what came of them

	Gaps uint64 `json:"gaps"` // records that declare losses
	Lost uint64 `json:"lost"` // records that they declare lost

	// Head is where the last writer left off; nil in an empty ledger. Kept in
	// a second place, it shows later whether the ledger was cut before it.
	Head *Head `json:"head"`

	First  *Finding          `json:"first"` // the first damage; nil where there is none
	Damage map[Damage]uint64 `json:"damage,omitempty"`
}

// Intact reports whether no damage was found. Runs that were interrupted, calls
// that are unknown and losses that are declared are no damage: look at them too.
func (r *Report) Intact() bool { return r.First == nil }

// Verify checks the ledger in dir: that each frame is whole, that each record is
// signed by one of the keys, is in canonical form and of this version, that the
// chain of each writer has no hole that no gap declares, that writers follow
// one another, and that intents, outcomes, starts and ends agree. Signatures
// are checked before what they sign is parsed. Memory does not grow with the
// ledger, only with the runs under way at one time.
//
// A damage is no error: it stands in the Report, the first by its place and all
// by their number. After one, Verify goes on as best it can. An error means that
// the ledger could not be checked: no key was given, dir is not a ledger or not
// readable, or it was written by another version.
//
// A ledger may be verified while it is written. The last frame can then be
// incomplete, which shows as [DamageTruncated]; verify again.
func Verify(dir string, opts VerifyOptions) (*Report, error) {
	if len(opts.Keys) == 0 {
		return nil, errors.New("evidence: verify: no key to trust was given")
	}
	for _, key := range opts.Keys {
		if len(key) != ed25519.PublicKeySize {
			return nil, errors.New("evidence: verify: a key is not an Ed25519 public key")
		}
	}
	c := newChecker(newKeyring(opts.Keys), opts.Ledger)
	if err := c.ledger(dir); err != nil {
		return nil, err
	}
	return c.report, nil
}

// ledger checks all segments in dir.
func (c *checker) ledger(dir string) error {
	err := walk(dir, func(at place, env []byte, err error) bool {
		var f *frameError
		if errors.As(err, &f) {
			c.badFrame(at, f)
		} else {
			c.frame(at, env)
		}
		return true
	}, func(size int64) {
		c.report.Segments++
		c.report.Bytes += size
	})
	if err != nil {
		return fmt.Errorf("evidence: ledger %s: %w", dir, err)
	}
	c.finish()
	return nil
}
