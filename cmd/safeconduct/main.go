// Command safeconduct makes keys for evidence, verifies ledgers, shows what stands
// in them, proves it to others and collects ledgers from other machines.
//
//	safeconduct keygen agent.key
//	safeconduct verify ledger --key agent.key.pub
//	safeconduct inspect ledger
//	safeconduct tail -f ledger
//	safeconduct checkpoint ledger > /elsewhere/monday.checkpoint
//	safeconduct prove ledger RECORD-ID > record.tlog-proof
//	safeconduct verify-proof record.tlog-proof --key agent.key.pub
//	safeconduct serve collected --keys clients.json --policy trust.json
//
// Only serve needs a network. Only rotate and erase write to a ledger, and serve to
// those that it collects; keygen, export and succeed write what is new and overwrite
// nothing.
//
// # Exit codes
//
//	0  the ledger is intact, the proof holds; for other commands: done
//	1  the ledger is damaged, the proof does not hold
//	2  it could not be done: wrong arguments, a missing key, not a ledger ...
//
// Without arguments it prints its help to standard error and exits with 2, so
// that a script which lost its arguments does not take that for intact.
//
// # Output
//
// What a ledger holds was written by others: control characters, newlines and
// characters that reorder text are shown as \x1b, \n or \u202e. A backslash stays
// as it is, since the output is for people. With --json it is for programs: the
// same characters stand as \u escapes, and decode to exactly what was recorded.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
