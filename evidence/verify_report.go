package evidence

import (
	"fmt"
	"strconv"

	"example.com/safeconduct/evidence/record"
)

// A Finding is one damage and its place.
type Finding struct {
	Damage record.Damage `json:"damage"`
	Detail string        `json:"detail"` // may quote what the ledger says; printed by a program it must be escaped

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

// A Report says what a ledger holds, and whether it is intact. It encodes as
// JSON.
type Report struct {
	Ledger   string `json:"ledger"` // the origin
	Segments int    `json:"segments"`
	Bytes    int64  `json:"bytes"`
	Records  uint64 `json:"records"` // good ones that a signature covers: only these are counted below
	Writers  uint64 `json:"writers"`

	Sessions  uint64 `json:"sessions"`  // keys that root keys introduced
	Rotations uint64 `json:"rotations"` // of root keys

	Runs        uint64 `json:"runs"`
	Interrupted uint64 `json:"interrupted"` // runs that began and did not end: under way, killed, or cut off
	Partial     uint64 `json:"partial"`     // runs whose root call was not recorded, so that none of their ends is known
	Late        uint64 `json:"late"`        // records of runs after their end

	Calls     uint64 `json:"calls"` // intents
	Done      uint64 `json:"done"`
	Denied    uint64 `json:"denied"`
	Failed    uint64 `json:"failed"`
	Cancelled uint64 `json:"cancelled"`
	Unknown   uint64 `json:"unknown"`   // intents without an outcome: nobody knows what came of them
	Overruled uint64 `json:"overruled"` // calls that were done although a gate denied them, and not in shadow

	Gaps uint64 `json:"gaps"` // records that declare losses
	Lost uint64 `json:"lost"` // records that they declare lost

	Refused    uint64 `json:"refused"`    // records that sinks refused for good, each sink's counted
	Erased     uint64 `json:"erased"`     // contents that can no longer be disclosed
	ClockSteps uint64 `json:"clockSteps"` // times that the wall clock was set by more than a minute

	// Proven is how many records, from the first one on, are signed or covered
	// by a signature, and stand before all damage: these are as they were
	// written, by whoever has the keys.
	Proven uint64 `json:"proven"`

	// Unsigned is how many records stand at the end that follow and that no
	// signature covers, which happens where the session signs only checkpoints:
	// on their way there, left by a crash, or put there by anybody. They are no
	// evidence, and the next Open cuts them off.
	Unsigned uint64 `json:"unsigned"`

	Cut   uint64 `json:"cut"`   // records without a signature that openings cut off, as they say
	Aside uint64 `json:"aside"` // overflow files that openings set aside, as they say
	Torn  int64  `json:"torn"`  // bytes of incomplete frames that openings cut off, as they say

	Root         record.Hash      `json:"root"`         // of the Merkle tree over all records
	Checkpoint   *record.TreeHead `json:"checkpoint"`   // the ledger's own; nil where it has none that is good
	MissingTiles int64            `json:"missingTiles"` // they can be made again
	Overflow     int64            `json:"overflow"`     // bytes of the overflow file in the ledger
	Waiting      uint64           `json:"waiting"`      // records in it that the next Open takes over
	Astray       uint64           `json:"astray"`       // others, which it sets aside: they do not follow, or no signature covers them

	// Head is where the last writer left off; nil in an empty ledger.
	Head *record.Head `json:"head"`

	First  *Finding                 `json:"first"` // the first damage; nil where there is none
	Damage map[record.Damage]uint64 `json:"damage,omitempty"`
}

// Intact reports whether no damage was found. Runs that were interrupted, calls
// that are unknown and losses that are declared are no damage: look at them too.
func (r *Report) Intact() bool { return r.First == nil }
