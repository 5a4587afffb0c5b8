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
// Without a key in [Config] a new one is made, which Recorder.PublicKey returns
// the public half of; a ledger that is to be continued needs one from [LoadKey].
//
// [Verify] checks a ledger against a public key that the caller trusts, and says
// which record is the first bad one and what is wrong with it. [Read] goes
// through the records without checking signatures.
//
// A [Record] is an in-toto Statement in a DSSE envelope, signed with Ed25519, so
// that cosign, openssl or a short script verifies one as well. Records hold no
// prompts, arguments or outputs: these stand in them as salted commitments and
// sizes, and errors as their classes. Names, roles, the reasons of denials and
// on whose behalf a run happens are in the clear. FORMAT.md describes every byte.
//
// Recording never waits for the disk, with one exception: a tool call runs only
// once its intent is durable, unless [Config] says that the tool has no side
// effects, or may run on best effort. A [Sink] that is slow, dead or panics does
// not touch a call at all: it is served from the ledger, behind a breaker.
//
// # Limits
//
// The key lives in the agent's own process: a ledger shows what was changed
// after it was written, and whoever owns the process can write what they like.
// A ledger that is cut at the end of a record cannot be told from one that never
// went on, except that the runs under way lack their end: keep [Report.Head]
// in a second place.
package evidence
