// Package ship carries the records of a ledger to a sink: it is an exporter at
// work. A [Shipper] does that for one exporter.
//
// The life of a batch:
//
//  1. The ledger gets longer, and [Shipper.Extend] says so.
//  2. The loop reads a batch off it, once there are enough records or the first
//     of them has waited long enough (loop.go, batch.go).
//  3. The sink is called until it has taken or refused all of the batch
//     (attempt.go). How often that is tried, with what pauses, and when a breaker
//     leaves the sink alone is decided in internal/delivery, by retry.go.
//  4. What the sink refuses for good is parked, and a record will say so
//     (refusal.go).
//  5. The cursor moves over the batch, in the order of the ledger, and is kept in
//     a file: the next process goes on there (cursor.go).
//  6. Where the sink misses records, or somebody wants all to be sent again, the
//     cursor goes back (rewind.go).
//
// Counts, log lines and records about the breaker are in report.go.
//
// One goroutine runs the loop and moves the cursor. Each batch under way has a
// goroutine of its own, which the batch belongs to until it is handed back. The
// sink's calls get memory of the batch; a call that does not return in time keeps
// that, and the batch goes on with a copy.
package ship
