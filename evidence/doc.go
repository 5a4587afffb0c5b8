// Package evidence keeps a signed, tamper-evident trail of what an agent did.
//
// A [Recorder] is an interceptor. It stands outermost and writes two records a
// call, the intent before and the outcome after, denials included, to a ledger:
// a directory with an append-only log that anyone can check offline.
//
//	key, err := evidence.LoadOrCreateKey("agent.key") // and agent.key.pub
//	if err != nil {
//		return err
//	}
//	recorder, err := evidence.Open("ledger", evidence.Config{Key: key})
//	if err != nil {
//		return err
//	}
//	defer recorder.Close(ctx)
//	tool := middleware.Wrap(shell, recorder.Intercept, gates.Tools("shell"))
//
// The root key is what a ledger is continued with: keep it, and not beside the ledger.
// It can also come from [trust.LoadKey], or be a device that is a crypto.Signer. Without
// one a key is made that ends with the process, and so does the ledger.
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
// # What is recorded of a call
//
// Each call gets an intent before and an outcome after, and the root call of a run
// also a run.start and a run.end. An intent says what was asked for: it is written,
// and waited for, before the gates decide. A panic passes through and is recorded as
// failed.
//
// # Opening a ledger
//
// [Open] reads a ledger that is there through first: its chain is checked, and its
// tree against the newest checkpoint. Only as many signatures are checked as cover all
// records: [Verify] looks at each. What a crash leaves is cut off: an incomplete last
// frame, and records that no signature covers, which nobody was told are durable.
// Signed records that had gone to the overflow are taken over, and an overflow with
// others is set aside. The first record says all that; see [record.Recovered].
//
// Whatever else is found wrong is an error that wraps [ErrDamaged], and nothing is
// written. Nor is it where all is well and another root key signed the ledger, or it was
// handed over to one: that error wraps [ErrOtherKey]. A ledger that cannot be continued
// can be succeeded by a new one that says so: see [PredecessorOf], and safeconduct succeed.
//
// # Verifying a ledger
//
// [Verify] checks that no segment is missing and each frame is whole; that a root key
// that is trusted signed each session key, and the session key in force each record,
// within its time; that each record is in canonical form and of this version; that the
// chain of each writer has no hole that no gap declares; that writers follow one
// another and found the tree that is there; and that intents, outcomes, starts and ends
// agree. It computes the Merkle tree, and compares the tiles, the ledger's checkpoint
// and those of the options with it. What is wrong with checkpoints comes after what is
// wrong with records, and after a damage Verify goes on as best it can.
//
// Signatures are checked before what they sign is parsed, on all processors. Memory
// does not grow with the number of records, only with the runs under way at one time
// and, a little, with the writers and sessions.
//
// Where a session signs only checkpoints and the last of the records that are written
// at once, the ledger is as long as the last signature says: what follows it and is not
// covered is no damage and no evidence, and counted as Report.Unsigned.
//
// A ledger may be verified while it is written. An incomplete frame at its end is then
// no damage; it is [record.DamageTruncated] where the segments did not grow while
// Verify looked: a crash left it, or somebody cut the end off.
//
// # Proofs
//
// What [Prove] returns is a C2SP tlog-proof of the record against the ledger's newest
// checkpoint. Its extra line holds one JSON object in the form of RFC 8785:
//
//	{
//	  "disclosures": ["WyJkR2h..."],
//	  "record": "{\"payload\":\"eyJfdHl...\",\"payloadType\":...}",
//	  "sessions": ["{\"payload\":\"eyJfdHl...\",\"payloadType\":...}"]
//	}
//
// Here record is the envelope, which is the leaf. The first of sessions is the envelope
// of the key.session in force where the record stands, which may be the record itself;
// the last key.session is that of the session which signed the checkpoint, and between
// stand the key.rotate records that lie between. Those of disclosures are as
// [record.Disclosure.Encoded], by the names of their contents.
//
// [VerifyProof] checks that a root key that is trusted signed the session keys, within
// its time, that these signed the record and the checkpoint, that the checkpoint covers
// the record, and that what is revealed is what the record committed to. Of a session
// that signs only checkpoints, the checkpoint is the signature of the record. A proof
// says nothing of the records before and after, nor whether the holder of the ledger
// shows others another one. Checkpoints of the options that are of the same size must
// have the same root; of those of another size it does not say whether they agree.
//
// # Systems
//
// Ledgers are written on Linux, macOS, the BSDs and Windows, with 64 bits or 32,
// and read everywhere. A ledger has one writer: its first segment is locked, so
// that removing the file "lock" lets nobody in. If several machines share the folder,
// locks may not hold between them: a writer that finds more in a segment than it wrote
// touches nothing, and denies every call that needs a record.
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
