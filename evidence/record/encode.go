package record

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendPayload appends the payload of a record about s to dst: an in-toto Statement
// in canonical form (RFC 8785). The strings of r must be valid UTF-8. Members stand
// in the order of their names, and those that do not apply are left out: it is what
// reflection makes of the types, in a third of the time.
func AppendPayload(dst []byte, s Subject, r *Record) []byte {
	e := encoder{dst}
	e.raw(`{"_type":"` + StatementType + `","predicate":`)
	e.record(r)
	e.raw(`,"predicateType":"` + PredicateType + `","subject":[{"digest":{"sha256":`)
	e.hash(s.Digest)
	e.raw(`},"name":`)
	e.string(s.Name)
	e.raw(`}]}`)
	return e.b
}

// An encoder appends JSON.
type encoder struct{ b []byte }

func (e *encoder) raw(s string) { e.b = append(e.b, s...) }
func (e *encoder) close(c byte) { e.b = append(e.b, c) }

// name begins a member, whose name needs no escapes.
func (e *encoder) name(name string) {
	e.next('{')
	e.b = append(e.b, '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, '"', ':')
}

// next separates what follows from what stands before it, unless that is the
// beginning.
func (e *encoder) next(beginning byte) {
	if e.b[len(e.b)-1] != beginning {
		e.b = append(e.b, ',')
	}
}

// string appends s, which seldom needs escapes.
func (e *encoder) string(s string) {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			e.b, _ = jsontext.AppendQuote(e.b, s) // fails on invalid UTF-8 only
			return
		}
	}
	e.b = append(e.b, '"')
	e.b = append(e.b, s...)
	e.b = append(e.b, '"')
}

func (e *encoder) hash(h Hash) {
	e.b = append(e.b, '"')
	e.b = hex.AppendEncode(e.b, h[:])
	e.b = append(e.b, '"')
}

func (e *encoder) text(name, s string) {
	e.name(name)
	e.string(s)
}

func (e *encoder) optional(name, s string) {
	if s != "" {
		e.text(name, s)
	}
}

func (e *encoder) number(name string, n int64) {
	e.name(name)
	e.b = strconv.AppendInt(e.b, n, 10)
}

func (e *encoder) count(name string, n uint64) {
	e.name(name)
	e.b = strconv.AppendUint(e.b, n, 10)
}

func (e *encoder) optionalCount(name string, n uint64) {
	if n != 0 {
		e.count(name, n)
	}
}

// decimal appends a number that may exceed 2^53, as a string.
func (e *encoder) decimal(name string, n int64) {
	e.name(name)
	e.b = append(e.b, '"')
	e.b = strconv.AppendInt(e.b, n, 10)
	e.b = append(e.b, '"')
}

func (e *encoder) optionalDecimal(name string, n int64) {
	if n != 0 {
		e.decimal(name, n)
	}
}

func (e *encoder) flag(name string, set bool) {
	if set {
		e.name(name)
		e.raw("true")
	}
}

func (e *encoder) hashOf(name string, h Hash) {
	e.name(name)
	e.hash(h)
}

func (e *encoder) optionalHash(name string, h Hash) {
	if h != (Hash{}) {
		e.hashOf(name, h)
	}
}

func (e *encoder) bytes(name string, b []byte) {
	e.name(name)
	e.b = append(e.b, '"')
	e.b = base64.StdEncoding.AppendEncode(e.b, b)
	e.b = append(e.b, '"')
}

func (e *encoder) time(name string, t time.Time) {
	e.name(name)
	e.b = append(e.b, '"')
	e.b = t.AppendFormat(e.b, time.RFC3339Nano)
	e.b = append(e.b, '"')
}

// object appends a member that is an object, if there is one.
func object[T any](e *encoder, name string, v *T, members func(*encoder, *T)) {
	if v == nil {
		return
	}
	e.name(name)
	e.raw("{")
	members(e, v)
	e.close('}')
}

// list appends a member that is a list of objects, if it is not empty.
func list[T any](e *encoder, name string, vs []T, members func(*encoder, *T)) {
	if len(vs) == 0 {
		return
	}
	e.name(name)
	e.raw("[")
	for i := range vs {
		e.next('[')
		e.raw("{")
		members(e, &vs[i])
		e.close('}')
	}
	e.close(']')
}

func (e *encoder) texts(name string, vs []string) {
	if len(vs) == 0 {
		return
	}
	e.name(name)
	e.raw("[")
	for i, s := range vs {
		if i > 0 {
			e.raw(",")
		}
		e.string(s)
	}
	e.close(']')
}

func (e *encoder) record(r *Record) {
	e.raw("{")
	list(e, "balances", r.Balances, (*encoder).balance)
	object(e, "breaker", r.Breaker, (*encoder).breaker)
	object(e, "call", r.Call, (*encoder).call)
	object(e, "coverage", r.Coverage, (*encoder).coverage)
	list(e, "decisions", r.Decisions, (*encoder).decision)
	e.optional("effects", string(r.Effects))
	object(e, "erased", r.Erased, (*encoder).erased)
	object(e, "gap", r.Gap, (*encoder).gap)
	e.text("id", r.ID)
	object(e, "input", r.Input, (*encoder).content)
	e.text("kind", string(r.Kind))
	e.text("ledger", r.Ledger)
	e.decimal("mono", int64(r.Mono))
	e.optionalCount("omitted", uint64(r.Omitted))
	object(e, "outcome", r.Outcome, (*encoder).outcome)
	object(e, "output", r.Output, (*encoder).content)
	object(e, "plan", r.Plan, (*encoder).plan)
	object(e, "policy", r.Policy, (*encoder).policy)
	e.hashOf("prev", r.Prev)
	object(e, "ran", r.Ran, (*encoder).content)
	object(e, "refused", r.Refused, (*encoder).refusal)
	object(e, "request", r.Request, (*encoder).request)
	object(e, "response", r.Response, (*encoder).response)
	object(e, "rotate", r.Rotate, (*encoder).rotate)
	e.optional("run", r.Run)
	object(e, "runEnd", r.RunEnd, (*encoder).runEnd)
	e.optionalCount("runSeq", r.RunSeq)
	e.count("seq", r.Seq)
	object(e, "session", r.Session, (*encoder).session)
	e.time("time", r.Time)
	object(e, "usage", r.Usage, (*encoder).usage)
	e.number("v", int64(r.Version))
	object(e, "who", r.Who, (*encoder).who)
	e.text("writer", r.Writer)
	e.close('}')
}

func (e *encoder) balance(b *Balance) {
	e.text("gate", b.Gate)
	e.decimal("held", b.Held)
	e.text("limit", b.Limit)
	e.decimal("max", b.Max)
	e.text("scope", b.Scope)
	e.decimal("used", b.Used)
}

func (e *encoder) breaker(b *Breaker) {
	e.count("changes", b.Changes)
	e.texts("error", b.Error)
	e.text("exporter", b.Exporter)
	e.text("state", b.State)
}

func (e *encoder) call(c *Call) {
	e.count("id", uint64(c.ID))
	e.text("kind", c.Kind)
	e.text("name", c.Name)
	e.optionalCount("parent", uint64(c.Parent))
}

func (e *encoder) decision(d *Decision) {
	e.optional("code", d.Code)
	e.decimal("elapsed", int64(d.Elapsed))
	e.text("gate", d.Gate)
	e.optional("reason", d.Reason)
	e.flag("shadow", d.Shadow)
	e.text("verdict", d.Verdict)
}

func (e *encoder) erased(v *Erased) {
	e.text("authority", v.Authority)
	e.text("commitment", v.Commitment)
	e.text("reason", v.Reason)
}

func (e *encoder) gap(g *Gap) {
	e.count("count", g.Count)
	e.count("from", g.From)
	e.text("reason", g.Reason)
	e.count("to", g.To)
}

func (e *encoder) content(c *Content) {
	e.text("commitment", c.Commitment)
	e.number("size", c.Size)
}

func (e *encoder) outcome(o *Outcome) {
	e.optional("code", o.Code)
	e.texts("error", o.Error)
	e.optional("gate", o.Gate)
	e.decimal("latency", int64(o.Latency))
	e.flag("reached", o.Reached)
	e.optional("reason", o.Reason)
	if o.Released != 0 {
		e.number("released", o.Released)
	}
	e.text("result", string(o.Result))
	e.flag("told", o.Told)
}

func (e *encoder) plan(p *Plan) {
	e.flag("final", p.Final)
	if p.Steps != 0 {
		e.number("steps", int64(p.Steps))
	}
	list(e, "toolCalls", p.ToolCalls, (*encoder).toolCall)
}

func (e *encoder) toolCall(c *ToolCall) {
	e.optionalHash("digest", c.Digest)
	e.text("name", c.Name)
	e.optional("registered", c.Registered)
	e.number("size", c.Size)
}

func (e *encoder) policy(p *Policy) {
	e.optionalHash("digest", p.Digest)
	e.optional("version", p.Version)
}

func (e *encoder) refusal(f *Refusal) {
	e.count("count", f.Count)
	e.texts("error", f.Error)
	e.text("exporter", f.Exporter)
	list(e, "ranges", f.Ranges, (*encoder).span)
}

func (e *encoder) span(r *Range) {
	e.count("from", r.From)
	e.count("to", r.To)
	e.text("writer", r.Writer)
}

func (e *encoder) request(r *Request) {
	e.optionalDecimal("candidates", r.Candidates)
	e.flag("json", r.JSON)
	e.optionalDecimal("maxTokens", r.MaxTokens)
	list(e, "messages", r.Messages, (*encoder).message)
	e.optional("model", r.Model)
	if r.Stops != 0 {
		e.number("stops", int64(r.Stops))
	}
	e.optional("temperature", r.Temperature)
	e.texts("tools", r.Tools)
	e.optional("topP", r.TopP)
}

func (e *encoder) message(m *Message) {
	e.text("role", m.Role)
	e.number("size", m.Size)
}

func (e *encoder) response(r *Response) {
	list(e, "choices", r.Choices, (*encoder).choice)
	e.optional("model", r.Model)
}

func (e *encoder) choice(c *Choice) {
	if c.Reasoning != 0 {
		e.number("reasoning", c.Reasoning)
	}
	e.number("size", c.Size)
	e.optional("stopReason", c.StopReason)
	e.optionalHash("stopReasonDigest", c.StopReasonDigest)
	list(e, "toolCalls", c.ToolCalls, (*encoder).toolCall)
}

func (e *encoder) rotate(v *Rotate) {
	e.text("key", v.Key)
	e.bytes("public", v.Public)
}

func (e *encoder) coverage(c *Coverage) {
	e.hashOf("digest", c.Digest)
	e.count("guarded", c.Guarded)
	e.count("opaque", c.Opaque)
	e.count("unguarded", c.Unguarded)
}

func (e *encoder) runEnd(v *RunEnd) {
	e.count("calls", v.Calls)
	e.hashOf("head", v.Head)
	e.count("records", v.Records)
}

func (e *encoder) session(s *Session) {
	e.text("key", s.Key)
	e.time("notAfter", s.NotAfter)
	e.time("notBefore", s.NotBefore)
	object(e, "predecessor", s.Predecessor, (*encoder).predecessor)
	object(e, "previous", s.Previous, (*encoder).head)
	e.bytes("public", s.Public)
	object(e, "recovered", s.Recovered, (*encoder).recovered)
	e.text("signing", string(s.Signing))
	object(e, "tree", s.Tree, (*encoder).tree)
}

func (e *encoder) predecessor(p *Predecessor) {
	e.text("ledger", p.Ledger)
	e.text("reason", p.Reason)
	object(e, "tree", &p.Tree, (*encoder).tree)
}

func (e *encoder) head(h *Head) {
	e.hashOf("hash", h.Hash)
	e.count("seq", h.Seq)
	e.text("writer", h.Writer)
}

func (e *encoder) tree(t *TreeHead) {
	e.count("records", t.Records)
	e.hashOf("root", t.Root)
}

func (e *encoder) recovered(r *Recovered) {
	object(e, "aside", r.Aside, (*encoder).aside)
	if r.Bytes != 0 {
		e.number("bytes", r.Bytes)
	}
	e.optionalCount("overflow", r.Overflow)
	e.optionalCount("segment", r.Segment)
	e.optionalCount("tiles", r.Tiles)
	object(e, "unsigned", r.Unsigned, (*encoder).unsigned)
}

func (e *encoder) aside(a *Aside) {
	e.number("bytes", a.Bytes)
	e.hashOf("digest", a.Digest)
}

func (e *encoder) unsigned(u *Unsigned) {
	e.number("bytes", u.Bytes)
	e.hashOf("digest", u.Digest)
	e.hashOf("first", u.First)
	e.hashOf("last", u.Last)
	e.count("records", u.Records)
}

func (e *encoder) usage(u *Usage) {
	e.optionalDecimal("cacheWrite", u.CacheWrite)
	e.optionalDecimal("cached", u.Cached)
	e.optionalDecimal("cost", u.Cost)
	e.optionalDecimal("input", u.Input)
	e.optionalDecimal("output", u.Output)
	e.optionalDecimal("reasoning", u.Reasoning)
	e.flag("reported", u.Reported)
	e.optionalDecimal("total", u.Total)
}

func (e *encoder) who(w *Who) {
	e.optional("session", w.Session)
	e.optional("subject", w.Subject)
	e.optional("tenant", w.Tenant)
}
