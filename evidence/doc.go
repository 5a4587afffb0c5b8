// Package evidence keeps a signed, tamper-evident trail of what an agent did.
//
// A [Recorder] is an interceptor. It stands outermost and writes two records a
// call, the intent before and the outcome after, denials included, to a ledger:
// a directory with an append-only log that anyone can check offline.
//
//	recorder, err := evidence.Open("ledger", evidence.Config{})
//	if err != nil {
//		return err
//	}
//	defer recorder.Close(ctx)
//	tool := middleware.Wrap(shell, recorder.Intercept, gates...)
//
// Without a root key in [Config] a new one is made, which Recorder.PublicKey
// returns the public half of; a ledger that is to be continued needs one from
// [trust.LoadKey], or from a device that is a crypto.Signer.
//
// [Verify] checks a ledger against the root keys that the caller trusts, and
// checkpoints that the caller kept, and says which record is the first bad one
// and what is wrong with it. [Read] goes through the records without checking
// signatures, and [Follow] waits for more. [Prove] takes one record out of a
// ledger with all that it takes to believe it, and [Reveal] a content with it.
//
// An [Exporter] ships the records of a ledger elsewhere: package httpsink posts
// them, and package collector takes them. Package replica keeps the copy, verified
// as it comes.
//
// A record is an in-toto Statement in a DSSE envelope, signed with Ed25519, so that
// cosign, openssl or a short script verifies one as well. The envelopes are the
// leaves of a Merkle tree, whose head is signed as a C2SP checkpoint: the tools of
// transparency logs work on what [ExportTiles] writes. Records hold no prompts,
// arguments or outputs: these stand in them as salted commitments and sizes, and
// errors as their classes. Names, roles, the reasons of denials and on whose behalf
// a run happens are in the clear. FORMAT.md describes every byte. Package record is
// that format in Go, and package trust has the keys and the policies that say which
// of them to trust.
//
// # What a call waits for
//
// Recording never waits for the disk, with one exception: a tool call runs only
// once its intent is durable, unless [Config] says that the tool has no side
// effects, or may run on best effort. Records are encoded, chained, signed and
// written behind the caller's back, in batches with one sync each. While the disk
// does not take them they go to an overflow file, then wait in memory, and then
// are lost; a signed gap says which. A [Sink] that is slow, dead or panics does
// not touch a call at all: it is served from the ledger, behind a cursor and a
// breaker, for as long as it takes. What it refuses for good is parked, and a
// delivery.failed says so. Recorder.Flush waits for all that, and Recorder.Stats
// says how far each exporter is.
//
// # Systems
//
// Ledgers are written on Linux, macOS, the BSDs and Windows, with 64 bits or 32,
// and read everywhere. A ledger has one writer: its first segment is locked, so
// that removing the file lock lets nobody in. Between machines that share a folder
// locks may not hold; a writer that finds more in a segment than it wrote denies
// what needs a record, and touches nothing.
//
// On Windows there is no sync of a directory: after a power failure a file that was
// just renamed or removed, a checkpoint or an erased content, may be as it was. Modes
// of files say nothing there: keep keys and ledgers in a folder that others cannot
// read. Room for records is asked for ahead on Linux only.
//
// # Limits
//
// The session key lives in the agent's own process: a ledger shows what was
// changed after it was written, and whoever owns the process can write what they
// like. A ledger that is cut at the end of a record, and its checkpoint put back,
// cannot be told from one that never went on, except that the runs under way lack
// their end: keep the checkpoints that Config.Publish gets in a second place, such
// as a collector.
package evidence
