// Package osfile has what a ledger asks of the operating system about files, in
// one form for all: locks, what makes writes durable, and opening, renaming and
// removing files that others have open.
//
// On Unix all of that is the usual. On Windows a file that anybody has open
// cannot be renamed, replaced or removed, unless it was opened so that it can:
// Open and OpenDirect do that, and Rename and Remove free the name at once. A
// reader then hinders nobody.
package osfile

import "errors"

// ErrLocked means that somebody else has locked a file.
var ErrLocked = errors.New("the file is locked")
