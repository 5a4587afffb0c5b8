package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// A statement is the payload of a record: an in-toto Statement v1. Like those of
// Record its fields stand in canonical order, so that encoding it gives its
// RFC 8785 form without a second pass.
type statement struct {
	Type          string    `json:"_type"`
	Predicate     *Record   `json:"predicate"`
	PredicateType string    `json:"predicateType"`
	Subject       []subject `json:"subject"`
}

type subject struct {
	Digest digest `json:"digest"`
	Name   string `json:"name"`
}

type digest struct {
	SHA256 Hash `json:"sha256"`
}

// A Subject is what a record is about, as in-toto tools find it: a name and the
// digest that they are asked for.
type Subject struct {
	Name   string // one of the Subject constants
	Digest Hash
}

// The names of subjects.
const (
	SubjectRun    = "run"    // the run, by the SHA-256 of the payload of its run.start
	SubjectRunID  = "run-id" // the run, by the SHA-256 of its ID: run.start itself, or where it is lost
	SubjectLedger = "ledger" // the ledger, by the SHA-256 of its origin: records of no run
)

// Durations are decimal strings of nanoseconds; the option makes them numbers,
// the tags strings.
var decoding = json.JoinOptions(jsonv1.FormatDurationAsNano(true), json.RejectUnknownMembers(true))

// ParsePayload parses the payload of an envelope, which has exactly one encoding:
// no duplicate, unknown or case-twin member, nothing left out or spelled out that
// this package would not, RFC 8785 throughout. Its errors are [*Error]s.
func ParsePayload(payload []byte) (Subject, *Record, error) {
	var scratch []byte
	return parsePayload(payload, &scratch)
}

// parsePayload is ParsePayload with memory of its caller's, which it may replace.
func parsePayload(payload []byte, scratch *[]byte) (Subject, *Record, error) {
	if len(payload) > MaxPayload {
		return Subject{}, nil, Errorf(DamageMalformed, "payload of %d bytes", len(payload))
	}
	var st statement
	if err := json.Unmarshal(payload, &st, decoding); err != nil {
		damage := DamageMalformed
		if errors.Is(err, jsontext.ErrDuplicateName) || errors.Is(err, json.ErrUnknownName) {
			damage = DamageNotCanonical
		}
		return Subject{}, nil, Errorf(damage, "%s", Brief(err.Error()))
	}
	if st.Predicate == nil || len(st.Subject) != 1 {
		return Subject{}, nil, Errorf(DamageMalformed, "predicate or subject missing")
	}
	s := Subject{Name: st.Subject[0].Name, Digest: st.Subject[0].Digest.SHA256}
	switch {
	case st.Type != StatementType:
		return s, nil, Errorf(DamageMalformed, "not an in-toto Statement v1")
	case st.PredicateType != PredicateType:
		return s, nil, Errorf(DamageMalformed, "predicate type %q", Brief(st.PredicateType))
	}
	if err := st.Predicate.validate(s); err != nil {
		return s, nil, Errorf(DamageMalformed, "%s", err)
	}
	again := AppendPayload(slices.Grow((*scratch)[:0], len(payload)+64), s, st.Predicate)
	*scratch = again
	if !bytes.Equal(again, payload) {
		return s, nil, Errorf(DamageNotCanonical, "the payload is not its own canonical form")
	}
	return s, st.Predicate, nil
}

// validate checks what the types do not say.
func (r *Record) validate(s Subject) error {
	switch {
	case r.Version != Version:
		return fmt.Errorf("version %d", r.Version)
	case r.Ledger == "":
		return errors.New("no ledger")
	case !isUUIDv7(r.ID) || !isUUIDv7(r.Writer):
		return errors.New("id or writer is not a UUIDv7")
	case r.Seq == 0 || r.Seq > MaxInt:
		return errors.New("seq out of range")
	case r.Seq == 1 && r.Kind != KindSession:
		return errors.New("the first record of a writer is not key.session")
	case r.Seq == 1 && r.Prev != Hash{}:
		return errors.New("the first record of a writer has a predecessor")
	case r.Mono < 0:
		return errors.New("negative time")
	case !r.inRange():
		return errors.New("a number out of range")
	case r.Time.Location().String() != "UTC":
		return errors.New("time is not UTC")
	}
	inRun := r.Kind == KindStart || r.Kind == KindIntent || r.Kind == KindOutcome || r.Kind == KindEnd
	if inRun != (r.Run != "") || inRun != (r.RunSeq != 0) {
		return fmt.Errorf("%s: run or runSeq missing or out of place", Brief(string(r.Kind)))
	}
	if err := r.validateSubject(s, inRun); err != nil {
		return err
	}
	if err := r.validateBody(); err != nil {
		return err
	}
	return r.validateForms()
}

func (r *Record) validateSubject(s Subject, inRun bool) error {
	want := Subject{SubjectLedger, sha256.Sum256([]byte(r.Ledger))}
	switch {
	case inRun && s.Name == SubjectRun && r.Kind != KindStart:
		return nil // the digest is compared with that of run.start
	case inRun:
		want = Subject{SubjectRunID, sha256.Sum256([]byte(r.Run))}
	}
	if s != want {
		return errors.New("the subject is another")
	}
	return nil
}

// validateBody checks that the record holds what its kind needs, and nothing
// that belongs to another.
func (r *Record) validateBody() error {
	var want, may int // of the bits in has
	switch r.Kind {
	case KindSession:
		want = hasSession
	case KindStart:
		may = hasCoverage | hasWho
	case KindIntent:
		want, may = hasCall|hasInput, hasBalances|hasEffects|hasPlan|hasPolicy|hasRequest|hasWho
	case KindOutcome:
		want, may = hasCall|hasOutcome, hasBalances|hasDecisions|hasOutput|hasPlan|hasRan|hasResponse|hasUsage
	case KindEnd:
		want = hasRunEnd
	case KindGap:
		want = hasGap
	case KindRotate:
		want = hasRotate
	case KindErased:
		want = hasErased
	case KindDeliveryFailed:
		want = hasRefused
	case KindBreaker:
		want = hasBreaker
	default:
		return fmt.Errorf("kind %q has no schema in this version", Brief(string(r.Kind)))
	}
	has := r.has()
	if has&want != want || has&^(want|may) != 0 {
		return fmt.Errorf("%s: a member is missing or out of place", r.Kind)
	}
	switch {
	case r.Call != nil && r.Call.ID == 0:
		return errors.New("call without id")
	case r.Effects != "" && !r.Effects.Known():
		return fmt.Errorf("effects %q", Brief(string(r.Effects)))
	case r.Gap != nil && (r.Gap.From == 0 || r.Gap.To < r.Gap.From || r.Gap.To != r.Seq-1 || r.Gap.Count != r.Gap.To-r.Gap.From+1):
		return errors.New("gap out of range")
	}
	if o := r.Outcome; o != nil {
		switch o.Result {
		case ResultDone, ResultDenied, ResultFailed, ResultCancelled:
		default:
			return fmt.Errorf("result %q", Brief(string(o.Result)))
		}
	}
	if e := r.Erased; e != nil && (!isCommitment(e.Commitment) || e.Reason == "" || e.Authority == "") {
		return errors.New("erased without commitment, reason or authority")
	}
	if r.Refused != nil {
		return r.Refused.Validate()
	}
	if r.Breaker != nil {
		return r.Breaker.validate()
	}
	return r.validateKeys()
}

// inRange reports whether all that stand in the payload as numbers are counts or
// sizes that every JSON parser reads exactly.
func (r *Record) inRange() bool {
	ok := r.RunSeq <= MaxInt
	size := func(n int64) { ok = ok && 0 <= n && n <= MaxInt }
	count := func(n uint64) { ok = ok && n <= MaxInt }
	toolCalls := func(calls []ToolCall) {
		for _, c := range calls {
			size(c.Size)
		}
	}
	size(int64(r.Omitted))
	if o := r.Outcome; o != nil {
		size(o.Released)
	}
	for _, c := range []*Content{r.Input, r.Ran, r.Output} {
		if c != nil {
			size(c.Size)
		}
	}
	if p := r.Plan; p != nil {
		size(int64(p.Steps))
		toolCalls(p.ToolCalls)
	}
	if q := r.Request; q != nil {
		size(int64(q.Stops))
		for _, m := range q.Messages {
			size(m.Size)
		}
	}
	if a := r.Response; a != nil {
		for _, c := range a.Choices {
			size(c.Size)
			size(c.Reasoning)
			toolCalls(c.ToolCalls)
		}
	}
	if c := r.Coverage; c != nil {
		for _, n := range []uint64{c.Guarded, c.Opaque, c.Unguarded} {
			count(n)
		}
	}
	if e := r.RunEnd; e != nil {
		count(e.Calls)
		count(e.Records)
	}
	if g := r.Gap; g != nil {
		count(g.To)
	}
	if s := r.Session; s != nil {
		if s.Previous != nil {
			count(s.Previous.Seq)
		}
		for _, t := range []*TreeHead{s.Tree, s.Predecessor.tree()} {
			if t != nil {
				count(t.Records)
			}
		}
		if c := s.Recovered; c != nil {
			size(c.Bytes)
			for _, n := range []uint64{c.Overflow, c.Segment, c.Tiles} {
				count(n)
			}
			if c.Aside != nil {
				size(c.Aside.Bytes)
			}
			if c.Unsigned != nil {
				size(c.Unsigned.Bytes)
				count(c.Unsigned.Records)
			}
		}
	}
	return ok
}

func (p *Predecessor) tree() *TreeHead {
	if p == nil {
		return nil
	}
	return &p.Tree
}

// validateKeys checks the statements about keys.
func (r *Record) validateKeys() error {
	if t := r.Rotate; t != nil {
		return checkKey(t.Public, t.Key)
	}
	s := r.Session
	if s == nil {
		return nil
	}
	switch {
	case s.Signing != SignRecords && s.Signing != SignCheckpoints:
		return fmt.Errorf("signing %q", Brief(string(s.Signing)))
	case s.NotBefore.Location().String() != "UTC" || s.NotAfter.Location().String() != "UTC":
		return errors.New("the session's times are not UTC")
	case !s.NotBefore.Before(s.NotAfter) || s.NotAfter.Sub(s.NotBefore) > maxSession:
		return fmt.Errorf("the session is not within %v", maxSession)
	case r.Seq > 1 && (s.Previous != nil || s.Predecessor != nil || s.Recovered != nil || s.Tree != nil):
		return errors.New("only a writer's first session binds it to what was before")
	case (s.Previous == nil) != (s.Tree == nil):
		return errors.New("a session has both previous and tree, or neither")
	case s.Previous != nil && s.Predecessor != nil:
		return errors.New("only a ledger's first writer has a predecessor")
	}
	return checkKey(s.Public, s.Key)
}

// maxSession bounds how long a session key may be used.
const maxSession = 25 * time.Hour // a day, and what clocks are off by

// checkKey reports whether der is an Ed25519 key with that ID, in its one form.
func checkKey(der []byte, id string) error {
	pub, err := ParseKey(der)
	if err != nil {
		return err
	}
	if !bytes.Equal(MarshalKey(pub), der) || KeyID(pub) != id {
		return errors.New("the key is not the one that its ID names")
	}
	return nil
}

func isCommitment(s string) bool {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == sha256.Size && !strings.ContainsAny(s, "\r\n")
}

// The optional members of a record.
const (
	hasBalances = 1 << iota
	hasBreaker
	hasCall
	hasCoverage
	hasDecisions
	hasEffects
	hasErased
	hasGap
	hasInput
	hasOutcome
	hasOutput
	hasPlan
	hasPolicy
	hasRan
	hasRefused
	hasRequest
	hasResponse
	hasRotate
	hasRunEnd
	hasSession
	hasUsage
	hasWho
)

func (r *Record) has() int {
	has := 0
	for i, there := range [...]bool{
		len(r.Balances) > 0, r.Breaker != nil, r.Call != nil, r.Coverage != nil, len(r.Decisions) > 0,
		r.Effects != "", r.Erased != nil, r.Gap != nil,
		r.Input != nil, r.Outcome != nil, r.Output != nil, r.Plan != nil, r.Policy != nil, r.Ran != nil,
		r.Refused != nil, r.Request != nil, r.Response != nil, r.Rotate != nil, r.RunEnd != nil, r.Session != nil,
		r.Usage != nil, r.Who != nil,
	} {
		if there {
			has |= 1 << i
		}
	}
	return has
}

// MaxInt is the largest integer that every JSON parser reads exactly.
const MaxInt = 1<<53 - 1

// isUUIDv7 reports whether s is a UUID of version 7 (RFC 9562) in lower case.
func isUUIDv7(s string) bool {
	if len(s) != 36 || s[14] != '7' || !strings.ContainsRune("89ab", rune(s[19])) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case ('0' > c || c > '9') && ('a' > c || c > 'f'):
			return false
		}
	}
	return true
}
