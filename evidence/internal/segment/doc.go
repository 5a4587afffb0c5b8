// Package segment keeps the entries of a ledger in files: it appends them
// durably, cuts off what a crash left, reads them again, and holds the lock
// that makes one process the writer.
//
// To it an entry is so many bytes that begin as [Begins] says. What they mean,
// who signed them and whether they follow one another is judged by others.
package segment

import "errors"

var (
	// ErrLocked means that somebody else has the ledger.
	ErrLocked = errors.New("the ledger is in use")

	// ErrDamaged means that what is there cannot be continued.
	ErrDamaged = errors.New("the ledger is damaged")

	// ErrNotLedger means that a directory is not a ledger.
	ErrNotLedger = errors.New("is not a ledger")

	// ErrVersion means that a segment is of another version of the format.
	ErrVersion = errors.New("written by another version of this format")
)
