package evidence

import (
	"crypto/sha256"
	"io"
	"strconv"
	"time"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
	"github.com/google/uuid"
)

// An event is what the caller leaves for the writer to make a record of. What it
// points to is a snapshot.
type event struct {
	kind record.Kind
	seq  uint64
	at   time.Time     // by the wall clock
	mono time.Duration // since the queue was made

	run    *runState // nil of a record outside of runs
	runSeq uint64
	calls  uint64 // of a run.end

	call     callRef
	effects  record.Effects
	input    any // as it came
	ran      any // where it differs
	output   any
	hasRan   bool
	hasOut   bool
	balances []middleware.Balance

	decisions []middleware.Decision
	outcome   record.Outcome
	usage     *middleware.Usage

	// Of a record outside of runs, what it says: Gap, Session, Refusal and so on. Of an outcome:
	// the names of the tools that a model was offered, a []string, or nil.
	body any

	kept int // bytes that the snapshots keep alive
}

type callRef struct {
	id, parent middleware.CallID
	kind       middleware.Kind
	name       string
}

// A runState is what a Recorder knows of one run.
type runState struct {
	// Guarded by the queue's lock.
	seq    uint64
	calls  uint64
	ended  bool
	block  uint32            // of 64 calls, by their numbers
	begun  uint64            // of these, one bit each
	others map[uint32]uint64 // and of those in other blocks

	// Set before the first record.
	of *middleware.Run
	id string // that records give it

	// The writer's own.
	start record.Hash // of the payload of run.start; zero where that is lost
	head  record.Hash // of the payload of the run's last record
}

// markBegun notes that the call begins. It returns false where it did before.
func (s *runState) markBegun(id middleware.CallID) bool {
	if block := uint32(id / 64); block != s.block {
		if s.others == nil {
			s.others = make(map[uint32]uint64)
		}
		s.others[s.block] = s.begun
		s.block, s.begun = block, s.others[block]
	}
	bit := uint64(1) << (id % 64)
	if s.begun&bit != 0 {
		return false
	}
	s.begun |= bit
	return true
}

// maxEntries bounds the entries of all lists of a record together, before it is
// known how long they make it.
const maxEntries = 512

// A builder makes records of events. It belongs to one writer.
type builder struct {
	ledger, writer string
	contents       *committer
	names          names
	disclose       bool
	disclosures    []record.Disclosure
	head           record.Hash // of the writer's last payload
	room           int         // for entries of lists, in the record being built

	// Memory of the record being built, used again for the next.
	record    record.Record
	call      record.Call
	outcome   record.Outcome
	usage     record.Usage
	who       record.Who
	end       record.RunEnd
	committed [3]record.Content
	balances  []record.Balance
	decisions []record.Decision
}

// build appends the payload of e's record, which is the next of the writer.
func (b *builder) build(dst []byte, e *event) []byte {
	dst, b.head = b.append(dst, e)
	if e.run != nil {
		e.run.head = b.head
		if e.kind == record.KindStart {
			e.run.start = b.head
		}
	}
	return dst
}

// statement returns the payload of a record that is not the writer's next before
// it is signed, and its hash, which is then the head.
func (b *builder) statement(e *event) ([]byte, record.Hash) { return b.append(nil, e) }

func (b *builder) append(dst []byte, e *event) ([]byte, record.Hash) {
	r := &b.record
	*r = record.Record{
		Kind: e.kind, Ledger: b.ledger, Prev: b.head, Seq: e.seq,
		Mono: e.mono, Time: e.at.Round(0).UTC(), Version: record.Version, Writer: b.writer,
		ID: newID(b.contents.random),
	}
	if e.run != nil {
		r.Run, r.RunSeq = e.run.id, e.runSeq
	}
	b.room = maxEntries
	b.fill(r, e)
	from := len(dst)
	dst = b.encode(dst, r, b.subject(r, e))
	return dst, sha256.Sum256(dst[from:])
}

func newID(random io.Reader) string {
	id, err := uuid.NewV7FromReader(random)
	if err != nil {
		panic("evidence: " + err.Error()) // crypto/rand does not fail
	}
	return id.String()
}

func (b *builder) subject(r *record.Record, e *event) record.Subject {
	switch {
	case r.Run == "":
		return record.Subject{Name: record.SubjectLedger, Digest: sha256.Sum256([]byte(r.Ledger))}
	case r.Kind != record.KindStart && e.run.start != record.Hash{}:
		return record.Subject{Name: record.SubjectRun, Digest: e.run.start}
	}
	return record.Subject{Name: record.SubjectRunID, Digest: sha256.Sum256([]byte(r.Run))}
}

// encode leaves out as much of the longest lists as it takes to stay within
// MaxPayload. What is not in lists always fits.
func (b *builder) encode(dst []byte, r *record.Record, s record.Subject) []byte {
	for {
		with := record.AppendPayload(dst, s, r)
		if len(with)-len(dst) <= record.MaxPayload {
			return with
		}
		dst = with[:len(dst)]
		shorten(r)
	}
}

// fill writes what the event says into its record.
func (b *builder) fill(r *record.Record, e *event) {
	switch said := e.body.(type) {
	case record.Session:
		r.Session = &said
	case record.Rotate:
		r.Rotate = &said
	case record.Erased:
		r.Erased = &said
	case record.Gap:
		r.Gap = &said
	case record.Refusal:
		r.Refused = &said
	case record.Breaker:
		r.Breaker = &said
	}
	switch e.kind {
	case record.KindStart:
		r.Who = b.identity(e.run.of.Identity)
		r.Coverage = coverageOf(e.run.of.Coverage)
	case record.KindEnd:
		b.end = record.RunEnd{Calls: e.calls, Head: e.run.head, Records: e.runSeq}
		r.RunEnd = &b.end
	case record.KindIntent:
		b.fillCall(r, e)
		r.Effects = e.effects
		r.Input = b.commit(r, 0, record.ContentInput, e.input)
		r.Who = b.identity(e.run.of.Identity)
		b.describeInput(r, e.input)
	case record.KindOutcome:
		b.fillCall(r, e)
		b.fillOutcome(r, e)
	}
}

func (b *builder) fillCall(r *record.Record, e *event) {
	b.call = record.Call{
		ID: uint32(e.call.id), Parent: uint32(e.call.parent),
		Kind: e.call.kind.String(), Name: cleanName(e.call.name),
	}
	r.Call = &b.call
	b.balances = limited(b, r, b.balances, e.balances, func(l *middleware.Balance) record.Balance {
		return record.Balance{
			Gate: cleanName(l.Gate), Scope: cleanName(l.Scope), Limit: cleanName(l.Limit),
			Max: l.Max, Used: l.Used, Held: l.Held,
		}
	})
	r.Balances = b.balances
}

func (b *builder) fillOutcome(r *record.Record, e *event) {
	b.decisions = limited(b, r, b.decisions, e.decisions, func(d *middleware.Decision) record.Decision {
		return record.Decision{
			Gate: cleanName(d.Gate), Verdict: d.Verdict.String(), Shadow: d.Shadow,
			Code: cleanName(string(d.Code)), Reason: b.names.reason(d.Reason), Elapsed: d.Elapsed,
		}
	})
	r.Decisions = b.decisions
	b.outcome = e.outcome
	o := &b.outcome
	o.Gate, o.Code, o.Reason = cleanName(o.Gate), cleanName(o.Code), b.names.reason(o.Reason)
	for i := range o.Error {
		o.Error[i] = cleanName(o.Error[i])
	}
	r.Outcome = o
	if e.hasRan {
		r.Ran = b.commit(r, 1, record.ContentRan, e.ran)
	}
	if e.hasOut {
		r.Output = b.commit(r, 2, record.ContentOutput, e.output)
		offered, _ := e.body.([]string)
		b.describeOutput(r, e.output, offered)
	}
	if u := e.usage; u != nil {
		b.usage = record.Usage{
			Input: u.InputTokens, Output: u.OutputTokens, Total: u.TotalTokens,
			Cached: u.CachedTokens, CacheWrite: u.CacheWriteTokens, Reasoning: u.ReasoningTokens, Cost: u.Cost, Reported: u.Reported,
		}
		r.Usage = &b.usage
	}
}

func (b *builder) commit(r *record.Record, place int, name string, snap any) *record.Content {
	var encoded string
	b.committed[place], encoded = b.contents.commit(name, snap, b.disclose)
	if b.disclose {
		b.disclosures = append(b.disclosures, record.Disclosure{Record: r.ID, Encoded: encoded})
	}
	return &b.committed[place]
}

func (b *builder) identity(id middleware.Identity) *record.Who {
	if id == (middleware.Identity{}) {
		return nil
	}
	b.who = record.Who{Session: cleanName(id.Session), Subject: cleanName(id.Subject), Tenant: cleanName(id.Tenant)}
	return &b.who
}

// coverageOf returns what a run says of its agent's coverage, or nil.
func coverageOf(c *middleware.Coverage) *record.Coverage {
	if c == nil {
		return nil
	}
	n := func(n int) uint64 { return uint64(min(max(int64(n), 0), record.MaxInt)) }
	return &record.Coverage{Digest: c.Digest, Guarded: n(c.Guarded), Opaque: n(c.Opaque), Unguarded: n(c.Unguarded)}
}

// describeInput adds what may be said of an input: names, roles and sizes. What
// belongs into an outcome has no place in an intent, whatever kind of call it
// was given to.
func (b *builder) describeInput(r *record.Record, snap any) {
	switch v := snap.(type) {
	case *middleware.ModelRequest:
		r.Request = b.request(r, v)
	case *middleware.PlanRequest:
		r.Plan = &record.Plan{Steps: len(v.Steps)}
	case *oversized:
		r.Request, r.Plan, r.Omitted = v.asInput.Request, v.asInput.Plan, r.Omitted+v.asInput.Omitted
	}
	keepToKind(r)
}

// keepToKind drops what only other kinds of call have, should one be given their
// input or output.
func keepToKind(r *record.Record) {
	if r.Call == nil {
		return // of a content that is described before there is a record
	}
	if r.Call.Kind != "model" {
		r.Request, r.Response = nil, nil
	}
	if r.Call.Kind != "plan" {
		r.Plan = nil
	}
}

// describeOutput adds what may be said of an output, by a model that was
// offered tools.
func (b *builder) describeOutput(r *record.Record, snap any, offered []string) {
	switch v := snap.(type) {
	case *middleware.ModelResponse:
		r.Response = &record.Response{
			Model: cleanName(v.Model),
			Choices: limited(b, r, nil, v.Choices, func(c *middleware.Choice) record.Choice {
				answer := record.Choice{Size: int64(len(c.Text)), Reasoning: int64(len(c.Reasoning))}
				answer.ToolCalls = b.toolCalls(r, c.ToolCalls, offered)
				answer.StopReason, answer.StopReasonDigest = b.names.stopReason(c.StopReason)
				return answer
			}),
		}
	case *planSnapshot:
		r.Plan = &record.Plan{Final: v.isFinal, ToolCalls: b.toolCalls(r, v.calls, nil)}
	case *oversized:
		r.Response, r.Plan, r.Omitted = v.asOutput.Response, v.asOutput.Plan, r.Omitted+v.asOutput.Omitted
	}
	keepToKind(r)
}

func (b *builder) request(r *record.Record, v *middleware.ModelRequest) *record.Request {
	return &record.Request{
		Candidates: int64(v.Candidates), JSON: v.JSON, MaxTokens: int64(v.MaxTokens),
		Model: cleanName(v.Model), Stops: len(v.Stop),
		Temperature: decimal(v.Temperature), TopP: decimal(v.TopP),
		Tools: limited(b, r, nil, v.Tools, func(name *string) string { return cleanName(*name) }),
		Messages: limited(b, r, nil, v.Messages, func(m *middleware.Message) record.Message {
			size := int64(0)
			for _, p := range m.Parts {
				size = min(size+min(int64(max(p.Size, len(p.Text))), record.MaxInt), record.MaxInt) // Size is what an adapter says
			}
			return record.Message{Role: cleanName(m.Role), Size: size}
		}),
	}
}

func (b *builder) toolCalls(r *record.Record, calls []middleware.ToolCall, offered []string) []record.ToolCall {
	return limited(b, r, nil, calls, func(c *middleware.ToolCall) record.ToolCall { return b.names.toolCall(c, offered) })
}

// decimal returns the shortest text that reads back as f, empty for zero.
func decimal(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// limited converts as many entries as there is room for, and has r count the
// rest. It uses the memory of to.
func limited[From, To any](b *builder, r *record.Record, to []To, from []From, convert func(*From) To) []To {
	n := min(len(from), b.room)
	b.room -= n
	r.Omitted += len(from) - n
	to = to[:0]
	for i := range n {
		to = append(to, convert(&from[i]))
	}
	return to
}

// shorten halves the longest list of r.
func shorten(r *record.Record) {
	var longest int
	var cut func()
	consider := func(n int, f func()) {
		if n > longest {
			longest, cut = n, f
		}
	}
	consider(len(r.Balances), func() { r.Balances = firstHalf(r, r.Balances) })
	consider(len(r.Decisions), func() { r.Decisions = firstHalf(r, r.Decisions) })
	if p := r.Plan; p != nil {
		consider(len(p.ToolCalls), func() { p.ToolCalls = firstHalf(r, p.ToolCalls) })
	}
	if q := r.Request; q != nil {
		consider(len(q.Messages), func() { q.Messages = firstHalf(r, q.Messages) })
		consider(len(q.Tools), func() { q.Tools = firstHalf(r, q.Tools) })
	}
	if a := r.Response; a != nil {
		consider(len(a.Choices), func() {
			for _, c := range a.Choices[len(a.Choices)/2:] {
				r.Omitted += len(c.ToolCalls)
			}
			a.Choices = firstHalf(r, a.Choices)
		})
		for i := range a.Choices {
			c := &a.Choices[i]
			consider(len(c.ToolCalls), func() { c.ToolCalls = firstHalf(r, c.ToolCalls) })
		}
	}
	if cut == nil {
		panic("evidence: a record without lists is too long") // the bounds on strings exclude it
	}
	cut()
}

func firstHalf[T any](r *record.Record, list []T) []T {
	n := len(list) / 2
	r.Omitted += len(list) - n
	return list[:n]
}
