package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// PredicateType names the schema of a [Record] in its in-toto Statement. The
// number at its end changes with any change to the schema.
const PredicateType = "urn:safeconduct:record:v1"

// The other types that a record is made of, by the documents that define them.
const (
	StatementType = "https://in-toto.io/Statement/v1" // in-toto attestation spec v1
	PayloadType   = "application/vnd.in-toto+json"    // DSSE envelopes of in-toto
	MaxPayload    = 32 << 10                          // bytes of a record's payload
	MaxEnvelope   = 65_535                            // bytes of a signed record, as in C2SP entry bundles
	MaxUnsigned   = 255                               // records without a signature that may follow one another
)

// Version is the version of the schema, as in Record.Version.
const Version = 1

// A Kind says what a [Record] reports.
type Kind string

// The kinds of records. One that is reserved has its name but no schema yet:
// nothing writes it, and a verifier of this version refuses it.
const (
	KindSession Kind = "key.session"    // a session key takes over: a writer's first record, and later ones
	KindRotate  Kind = "key.rotate"     // one root key hands over to the next
	KindStart   Kind = "run.start"      // a run begins
	KindIntent  Kind = "intent"         // a call is about to be made
	KindOutcome Kind = "outcome"        // what came of it
	KindEnd     Kind = "run.end"        // the run's root call returned
	KindGap     Kind = "gap"            // records were lost; it says which
	KindErased  Kind = "payload.erased" // a content can no longer be disclosed

	KindDeliveryFailed Kind = "delivery.failed"  // a sink refused records for good
	KindBreaker        Kind = "delivery.breaker" // an exporter's breaker opened or closed

	KindApproval Kind = "approval" // reserved: somebody said yes or no
)

// A Record is one entry of a ledger: the predicate of an in-toto Statement. Its
// fields stand in the order of its canonical JSON, which encoding/json gives as
// well. Those that do not apply to the Kind are zero and left out.
//
// Times and what others count (tokens, cost, limits) are decimal strings in
// JSON: they may exceed 2^53. There are no floats.
type Record struct {
	// Balances are what was left of each limit, before the call in an intent
	// and after it in an outcome.
	Balances []Balance `json:"balances,omitempty"`

	Breaker   *Breaker   `json:"breaker,omitzero"`    // delivery.breaker
	Call      *Call      `json:"call,omitzero"`       // intent, outcome
	Coverage  *Coverage  `json:"coverage,omitzero"`   // run.start
	Decisions []Decision `json:"decisions,omitempty"` // outcome: in the order in which they were made
	Effects   Effects    `json:"effects,omitzero"`    // intent of a call with side effects
	Erased    *Erased    `json:"erased,omitzero"`     // payload.erased
	Gap       *Gap       `json:"gap,omitzero"`        // gap

	// ID is a UUIDv7, unique to the record: sinks tell by it what they have.
	ID string `json:"id"`

	Input  *Content      `json:"input,omitzero"` // intent: as it came
	Kind   Kind          `json:"kind"`
	Ledger string        `json:"ledger"`      // the origin of the ledger
	Mono   time.Duration `json:"mono,string"` // since the writer began, by a clock that never steps back

	// Omitted counts the entries of lists that were left out because the
	// record would have exceeded MaxPayload.
	Omitted int `json:"omitted,omitzero"`

	Outcome *Outcome `json:"outcome,omitzero"` // outcome
	Output  *Content `json:"output,omitzero"`  // outcome of a call that was done, or told
	Plan    *Plan    `json:"plan,omitzero"`    // of a plan call
	Policy  *Policy  `json:"policy,omitzero"`  // intent

	// Prev is the SHA-256 of the payload of the writer's record before this
	// one, zero in its first.
	Prev Hash `json:"prev"`

	Ran      *Content  `json:"ran,omitzero"`      // outcome: the input as it ran, where a gate changed it
	Refused  *Refusal  `json:"refused,omitzero"`  // delivery.failed
	Request  *Request  `json:"request,omitzero"`  // intent of a model call
	Response *Response `json:"response,omitzero"` // outcome of a model call
	Rotate   *Rotate   `json:"rotate,omitzero"`   // key.rotate

	Run    string  `json:"run,omitzero"`    // the ID of the run
	RunEnd *RunEnd `json:"runEnd,omitzero"` // run.end
	RunSeq uint64  `json:"runSeq,omitzero"` // from 1 within the run

	Seq     uint64   `json:"seq"`              // from 1 within the writer
	Session *Session `json:"session,omitzero"` // key.session

	Time    time.Time `json:"time"` // wall clock, UTC
	Usage   *Usage    `json:"usage,omitzero"`
	Version int       `json:"v"`

	Who *Who `json:"who,omitzero"` // run.start, intent

	// Writer is who wrote the record: one opening of the ledger, a UUIDv7.
	Writer string `json:"writer"`
}

// First returns the lowest sequence number that the record accounts for: that of
// a gap is where the gap begins.
func (r *Record) First() uint64 {
	if r.Gap != nil {
		return r.Gap.From
	}
	return r.Seq
}

// A Balance is what was left of one limit; see middleware.Balance.
type Balance struct {
	Gate  string `json:"gate"`
	Held  int64  `json:"held,string"`
	Limit string `json:"limit"`
	Max   int64  `json:"max,string"`
	Scope string `json:"scope"`
	Used  int64  `json:"used,string"`
}

// A Call says which call of a run a record is about.
type Call struct {
	ID     uint32 `json:"id"`
	Kind   string `json:"kind"` // "chain", "plan", "model", "tool" or "retriever"
	Name   string `json:"name"` // as it was registered
	Parent uint32 `json:"parent,omitzero"`
}

// A Decision is what one gate decided; see middleware.Decision.
type Decision struct {
	Code    string        `json:"code,omitzero"`
	Elapsed time.Duration `json:"elapsed,string"`
	Gate    string        `json:"gate"`
	Reason  string        `json:"reason,omitzero"` // safe to show
	Shadow  bool          `json:"shadow,omitzero"` // decided, not enforced
	Verdict string        `json:"verdict"`         // "allow", "deny" or "transform"
}

// Effects says how a call was treated for the side effects that it may have.
type Effects string

// The treatments. A tool call is treated as EffectsDurable, and any other call
// as one without effects, unless the evidence.Config says otherwise.
const (
	// EffectsDurable: the call waits for its intent to be durable, and is
	// denied where that cannot be had.
	EffectsDurable Effects = "durable"

	// EffectsPreferred: the call waits for its intent to be durable, and is
	// made all the same where that cannot be had.
	EffectsPreferred Effects = "durable_preferred"

	// EffectsBestEffort: the call has effects and does not wait.
	EffectsBestEffort Effects = "best_effort"

	// EffectsReadOnly: the call has no effects and does not wait.
	EffectsReadOnly Effects = "read_only"
)

// Known reports whether e is one of the treatments.
func (e Effects) Known() bool {
	switch e {
	case EffectsDurable, EffectsPreferred, EffectsBestEffort, EffectsReadOnly:
		return true
	}
	return false
}

// A Gap declares records that were lost: the writer's sequence numbers From to
// To, which stand in no record.
type Gap struct {
	Count  uint64 `json:"count"`
	From   uint64 `json:"from"`
	Reason string `json:"reason"`
	To     uint64 `json:"to"`
}

// A Content is what a record holds of an input or output: how long it is, and a
// salted commitment to it that says nothing about it. See [Disclosure].
type Content struct {
	Commitment string `json:"commitment"`
	Size       int64  `json:"size"` // bytes of a text, or of the JSON of anything else
}

// An Outcome is what came of a call.
type Outcome struct {
	Code    string        `json:"code,omitzero"`    // of a denial
	Error   []string      `json:"error,omitempty"`  // classes of what failed, outermost first; never messages
	Gate    string        `json:"gate,omitzero"`    // who denied
	Latency time.Duration `json:"latency,string"`   // from the intent on, waiting for it included
	Reached bool          `json:"reached,omitzero"` // the tool, chain or model was called
	Reason  string        `json:"reason,omitzero"`  // of a denial; safe to show

	// Released is how many bytes of what the call streams its caller got: of a
	// call that was not done, those that left before the verdict.
	Released int64 `json:"released,omitzero"`

	Result Result `json:"result"`
	Told   bool   `json:"told,omitzero"` // the denial was handed back as text
}

// A Result is the one word for what came of a call. A call without an outcome
// is unknown, never done.
type Result string

// The results.
const (
	ResultDone      Result = "done"
	ResultDenied    Result = "denied"
	ResultFailed    Result = "failed"
	ResultCancelled Result = "cancelled"
)

// A Plan is the structure of one turn of an agent.
type Plan struct {
	Final     bool       `json:"final,omitzero"`      // outcome: the agent gave its answer
	Steps     int        `json:"steps,omitzero"`      // intent: tool calls so far
	ToolCalls []ToolCall `json:"toolCalls,omitempty"` // outcome: what the model asks for
}

// A ToolCall is one tool invocation that a model asked for.
type ToolCall struct {
	Digest     Hash   `json:"digest,omitzero"`     // SHA-256 of a name that is neither registered nor offered
	Name       string `json:"name"`                // as the model spelled it; escaped and cut where there is a Digest
	Registered string `json:"registered,omitzero"` // the tool that would run
	Size       int64  `json:"size"`                // bytes of the arguments
}

// A Policy says which rules were in force.
type Policy struct {
	Digest  Hash   `json:"digest,omitzero"`
	Version string `json:"version,omitzero"`
}

// A Request is the structure of a model request: the state before inference.
// What the caller did not set is left out.
type Request struct {
	Candidates  int64     `json:"candidates,string,omitzero"`
	JSON        bool      `json:"json,omitzero"`
	MaxTokens   int64     `json:"maxTokens,string,omitzero"`
	Messages    []Message `json:"messages,omitempty"`
	Model       string    `json:"model,omitzero"` // asked for
	Stops       int       `json:"stops,omitzero"` // number of stop words
	Temperature string    `json:"temperature,omitzero"`
	Tools       []string  `json:"tools,omitempty"` // offered to the model
	TopP        string    `json:"topP,omitzero"`
}

// A Message is the structure of one message of a [Request].
type Message struct {
	Role string `json:"role"`
	Size int64  `json:"size"`
}

// A Response is the structure of a model's answer.
type Response struct {
	Choices []Choice `json:"choices,omitempty"`
	Model   string   `json:"model,omitzero"` // that answered
}

// A Choice is the structure of one candidate of a [Response].
type Choice struct {
	Reasoning  int64  `json:"reasoning,omitzero"` // bytes of reasoning
	Size       int64  `json:"size"`               // bytes of text
	StopReason string `json:"stopReason,omitzero"`

	// StopReasonDigest is the SHA-256 of a StopReason that no provider gives,
	// which is escaped and cut.
	StopReasonDigest Hash `json:"stopReasonDigest,omitzero"`

	ToolCalls []ToolCall `json:"toolCalls,omitempty"`
}

// A Coverage says how much of the agent was guarded that a run is one of: how many
// models, tools, retrievers and memories were, how many were not, and how much could not
// be looked into. The digest is that of the whole report.
type Coverage struct {
	Digest    Hash   `json:"digest"`
	Guarded   uint64 `json:"guarded"`
	Opaque    uint64 `json:"opaque"`
	Unguarded uint64 `json:"unguarded"`
}

// A RunEnd says how much a run wrote.
type RunEnd struct {
	Calls   uint64 `json:"calls"`   // intents
	Head    Hash   `json:"head"`    // SHA-256 of the payload of the run's record before this one
	Records uint64 `json:"records"` // this one included
}

// A Rotate hands the ledger over to another root key: sessions after it are
// signed by that one. The record is signed by both.
type Rotate struct {
	Key    string `json:"key"`    // the next root key's ID: a hint
	Public []byte `json:"public"` // the next root key, PKIX in DER
}

// A Session introduces the key that signs the records from the next one on, and
// the checkpoints. The record itself is signed by a root key. The first one of a
// writer binds it to the one before.
type Session struct {
	Key         string       `json:"key"`                  // the session key's ID: a hint
	NotAfter    time.Time    `json:"notAfter"`             // records of the session are not later
	NotBefore   time.Time    `json:"notBefore"`            // and not earlier
	Predecessor *Predecessor `json:"predecessor,omitzero"` // of a ledger's first writer, where it succeeds another ledger
	Previous    *Head        `json:"previous,omitzero"`    // where the writer before it left off
	Public      []byte       `json:"public"`               // the session key, PKIX in DER
	Recovered   *Recovered   `json:"recovered,omitzero"`   // what a crash had left
	Signing     Signing      `json:"signing"`
	Tree        *TreeHead    `json:"tree,omitzero"` // the whole ledger before it, where there is one
}

// A Signing says what the session key signs.
type Signing string

// The ways to sign.
const (
	// SignRecords has each record signed, and the checkpoints.
	SignRecords Signing = "records"

	// SignCheckpoints has the checkpoints signed, and of the records that are
	// written at once the last one, which holds the hash of the one before it,
	// and so on. None of them counts as durable before that. It is faster, and
	// a single record is proved by a checkpoint alone.
	SignCheckpoints Signing = "checkpoints"
)

// A TreeHead is the head of the Merkle tree (RFC 6962) over the first Records
// records of a ledger, of which each envelope is a leaf.
type TreeHead struct {
	Records uint64 `json:"records"`
	Root    Hash   `json:"root"`
}

// A Predecessor is the ledger that another one succeeds because it could not be
// continued.
type Predecessor struct {
	Ledger string   `json:"ledger"` // its origin, empty where nothing says it any more
	Reason string   `json:"reason"` // why it was given up
	Tree   TreeHead `json:"tree"`   // what was found of it
}

// A Head is where a writer left off.
type Head struct {
	Hash   Hash   `json:"hash"` // SHA-256 of its last payload
	Seq    uint64 `json:"seq"`
	Writer string `json:"writer"`
}

// A Recovered says what was found of a crash when the ledger was opened, and what
// somebody else may have put there: nothing of that is in the ledger.
type Recovered struct {
	Aside    *Aside    `json:"aside,omitzero"`    // an overflow file that was set aside
	Bytes    int64     `json:"bytes,omitzero"`    // of an incomplete frame that was cut off the end
	Overflow uint64    `json:"overflow,omitzero"` // records of the overflow file that were taken over
	Segment  uint64    `json:"segment,omitzero"`  // that the incomplete frame was in
	Tiles    uint64    `json:"tiles,omitzero"`    // tiles that were missing or wrong, and written again
	Unsigned *Unsigned `json:"unsigned,omitzero"` // records that were cut off the end
}

// An Unsigned says which records were cut off the end of a ledger because no
// signature covered them. Nobody had been told that these are durable: they are
// what a crash leaves of a group of records, or were never the writer's.
type Unsigned struct {
	Bytes   int64  `json:"bytes"`   // of their frames
	Digest  Hash   `json:"digest"`  // SHA-256 of these
	First   Hash   `json:"first"`   // SHA-256 of the first one's payload
	Last    Hash   `json:"last"`    // and of the last one's
	Records uint64 `json:"records"` // how many
}

// An Aside says which overflow file was set aside because it held records that do
// not follow those of the ledger or that no signature covers. It is called
// overflow.seg. and the first 16 digits of Digest.
type Aside struct {
	Bytes  int64 `json:"bytes"`
	Digest Hash  `json:"digest"` // SHA-256 of the file
}

// An Erased says that a content can no longer be disclosed: its salt and value
// were removed from the payload store.
type Erased struct {
	Authority  string `json:"authority"`  // who asked for it
	Commitment string `json:"commitment"` // of the content
	Reason     string `json:"reason"`
}

// A Usage is what a call spent; see middleware.Usage.
type Usage struct {
	CacheWrite int64 `json:"cacheWrite,string,omitzero"`
	Cached     int64 `json:"cached,string,omitzero"`
	Cost       int64 `json:"cost,string,omitzero"` // micro-dollars
	Input      int64 `json:"input,string,omitzero"`
	Output     int64 `json:"output,string,omitzero"`
	Reasoning  int64 `json:"reasoning,string,omitzero"`
	Reported   bool  `json:"reported,omitzero"` // by the provider
	Total      int64 `json:"total,string,omitzero"`
}

// A Who says on whose behalf a run happens.
type Who struct {
	Session string `json:"session,omitzero"`
	Subject string `json:"subject,omitzero"`
	Tenant  string `json:"tenant,omitzero"`
}

// A Hash is a SHA-256 digest. Its text is 64 lower-case hexadecimal digits.
type Hash [sha256.Size]byte

// String returns the text of h.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the text of h.
func (h Hash) MarshalText() ([]byte, error) { return h.AppendText(nil) }

// AppendText appends the text of h to b.
func (h Hash) AppendText(b []byte) ([]byte, error) { return hex.AppendEncode(b, h[:]), nil }

// UnmarshalText sets h from its text.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return errors.New("record: a digest is 64 hexadecimal digits")
	}
	_, err := hex.Decode(h[:], text)
	return err
}
