package aitracer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
)

// A SinkConfig says what a [Sink] posts. The zero SinkConfig posts no contents.
type SinkConfig struct {
	// Workflow is the vendor's actionName. If it is empty, that is the name of
	// the run's root call or, where the Sink has not seen that call's intent,
	// the call's own.
	Workflow string

	// Content supplies what went into a call and came out of it, found by the
	// commitments in the Event or by the call's place in its run. It returns
	// false where it cannot, or must not. A response without an Output in the
	// Event is not posted. The texts are redacted by the Client's Redact, then
	// cut at 256 KiB. If either func panics, the call is posted without
	// contents. If it is nil, no contents are posted.
	Content func(ctx context.Context, e Event) (prompt, response string, ok bool)

	// OTLP has every call posted as a span to /api/integrations/otlp/v1/traces,
	// with the gates' decisions as its events, and nothing to the other
	// endpoints.
	OTLP bool

	// Encoder makes the bodies that are not spans.
	Encoder Encoder
}

// A Sink posts what a ledger records of calls. Its Take is an evidence.Sink:
//
//	recorder, err := evidence.Open(dir, evidence.Config{Key: key, Exporters: []evidence.Exporter{{Sink: sink.Take}}})
//
// It makes one attempt each time: waiting, trying again and the breaker are the
// exporter's. A Sink is safe for concurrent use. It should get the records in their
// order: an intent that comes after its outcome is of no use to it.
type Sink struct {
	client   *Client
	cfg      SinkConfig
	intents  intents
	rejected atomic.Uint64

	mu sync.Mutex
	// settled holds the answers to posts that stand after the first failure of a
	// batch, by their keys: nil where they were taken. They are not posted again
	// with the rest of the batch.
	settled map[string]error
}

// maxSettled bounds the answers that are remembered. Batches are smaller. What does
// not fit is posted again, with the same requestId.
const maxSettled = 4096

// NewSink returns a Sink that posts with the client. It panics if the client is
// nil, or if there is a Content and the client has no Redact.
func NewSink(client *Client, cfg SinkConfig) *Sink {
	switch {
	case client == nil:
		panic("aitracer: NewSink: nil Client")
	case cfg.Content != nil && client.redact == nil:
		panic("aitracer: NewSink: a Content, and a Client without Redact")
	}
	if cfg.Encoder.Trace == nil {
		cfg.Encoder.Trace = encodeTrace
	}
	if cfg.Encoder.ToolCall == nil {
		cfg.Encoder.ToolCall = encodeToolCall
	}
	if cfg.Encoder.Guardrail == nil {
		cfg.Encoder.Guardrail = encodeGuardrail
	}
	return &Sink{client: client, cfg: cfg, settled: make(map[string]error)}
}

// Rejected returns how many spans were not taken, as answers of success from the
// OTLP endpoint said. Nobody posts them again: OTLP forbids it.
func (s *Sink) Rejected() uint64 { return s.rejected.Load() }

// A post is one request to be made: of one part, or of spans.
type post []part

// A part is what a post says of one envelope.
type part struct {
	index int // of the envelope
	path  string
	key   string // the same when it comes again
	body  []byte
}

// Take posts the outcomes among the envelopes, up to the Config's Concurrency at a
// time. Once a post has failed that may succeed another time, it makes no more. It
// keeps no envelope.
//
// The error says by its methods what need not come again, what is refused for good,
// and how long to wait: the package says which, under "What a Sink returns".
func (s *Sink) Take(ctx context.Context, envelopes [][]byte) error {
	b := &batch{errs: make([]error, len(envelopes))}
	parallel(s.posts(ctx, envelopes, b), s.client.concurrency, func(p post) { s.deliver(ctx, p, b) })
	err := b.result()
	s.forget(b, err)
	if err == nil {
		return nil
	}
	return err
}

// posts yields what is to be posted, in the order of the envelopes, and makes it
// when it is asked for: contents are in memory only while they are posted.
func (s *Sink) posts(ctx context.Context, envelopes [][]byte, b *batch) iter.Seq[post] {
	return func(yield func(post) bool) {
		var spans post
		size := 0
		for i, data := range envelopes {
			r, err := parseRecord(data)
			if err != nil {
				b.fail(err, part{index: i})
				continue
			}
			for _, p := range s.parts(ctx, r, i, b) {
				if p.path != pathOTLP {
					if !yield(post{p}) {
						return
					}
					continue
				}
				if size += len(p.body); size > maxSpans && len(spans) > 0 {
					if !yield(spans) {
						return
					}
					spans, size = nil, len(p.body)
				}
				spans = append(spans, p)
			}
		}
		if len(spans) > 0 {
			yield(spans)
		}
	}
}

// maxSpans bounds the bytes of the spans of one request.
const maxSpans = 1 << 20

// parts returns what is to be posted of a record, and notes in the batch what cannot
// be.
func (s *Sink) parts(ctx context.Context, r *record.Record, index int, b *batch) (parts []part) {
	switch r.Kind {
	case record.KindIntent:
		s.intents.see(r)
		return nil
	case record.KindOutcome:
	default:
		return nil
	}
	e := newEvent(r)
	e.Environment, e.Workflow = s.client.environment, s.cfg.Workflow
	s.intents.complete(&e)
	for _, k := range s.postsOf(e) {
		p := part{index: index, path: k.path, key: k.path + " " + e.RequestID}
		b.parts = append(b.parts, p)
		if settled, err := s.settledAnswer(p.key); settled {
			b.fail(err, p)
			continue
		}
		if b.failing.Load() {
			b.fail(errPutOff, p)
			continue
		}
		if k.content {
			s.addContents(ctx, &e)
		}
		var err error
		p.body, err = encode(k.encode, e)
		b.fail(err, p)
		if p.body != nil {
			parts = append(parts, p)
		}
	}
	return parts
}

// A postKind is one of the things that are posted of a call.
type postKind struct {
	path    string
	encode  func(Event) any
	content bool
}

// The kinds of calls that matter here.
const (
	kindModel = "model"
	kindTool  = "tool"
	kindChain = "chain"
)

// postsOf says what is posted of a call.
func (s *Sink) postsOf(e Event) (ks []postKind) {
	if s.cfg.OTLP {
		return []postKind{{pathOTLP, func(e Event) any { return newSpan(e) }, true}}
	}
	switch {
	case e.Kind == kindModel, e.Kind == kindChain && e.Parent == 0:
		ks = append(ks, postKind{pathTraces, s.cfg.Encoder.Trace, true})
	case e.Kind == kindTool:
		ks = append(ks, postKind{pathToolCalls, s.cfg.Encoder.ToolCall, true})
	}
	if len(e.Decisions) > 0 {
		ks = append(ks, postKind{pathGuardrails, s.cfg.Encoder.Guardrail, false})
	}
	return ks
}

// encode returns nil where there is nothing to be posted. The code of the user
// runs in it, and may panic.
func encode(f func(Event) any, e Event) (body []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			body, err = nil, refusal(fmt.Sprintf("aitracer: the Encoder panicked with a %T", v))
		}
	}()
	v := f(e)
	if v == nil {
		return nil, nil
	}
	if body, err = marshal(v); err != nil {
		return nil, refusal(fmt.Sprintf("aitracer: the Encoder gave a %T, which JSON cannot hold", v))
	}
	return body, nil
}

// maxContent bounds a prompt and a response each, in bytes.
const maxContent = 256 << 10

// addContents adds the contents to an event, if they are to be posted. The code of the
// user runs in it: where that panics, there are none.
func (s *Sink) addContents(ctx context.Context, e *Event) {
	if s.cfg.Content == nil {
		return
	}
	defer func() {
		if recover() != nil {
			e.Prompt, e.Response = nil, nil
		}
	}()
	prompt, response, ok := s.cfg.Content(ctx, *e)
	if !ok {
		return
	}
	prompt, response = shorten(s.client.redact(prompt)), shorten(s.client.redact(response))
	e.Prompt = &prompt
	if e.Output != "" {
		e.Response = &response
	}
}

// shorten shortens s to maxContent. What was cut ends in an ellipsis.
func shorten(s string) string {
	const ellipsis = "…"
	if len(s) <= maxContent {
		return s
	}
	n := maxContent - len(ellipsis)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + ellipsis
}

// deliver makes a post, and notes what came of each of its parts. Spans that are
// refused together are posted in halves, until it is known whose fault it is.
func (s *Sink) deliver(ctx context.Context, p post, b *batch) {
	if b.failing.Load() {
		b.fail(errPutOff, p...)
		return
	}
	path, body, err := p[0].path, p[0].body, error(nil)
	if path == pathOTLP {
		body, err = s.spansBody(p)
	}
	var answer []byte
	if err == nil {
		answer, err = s.client.post(ctx, path, body)
	}
	if n := len(p); n > 1 && blamesContent(err) {
		s.deliver(ctx, p[:n/2], b)
		s.deliver(ctx, p[n/2:], b)
		return
	}
	if err == nil && path == pathOTLP {
		s.rejected.Add(min(rejectedSpans(answer), uint64(len(p))))
	}
	if err == nil || delivery.IsPermanent(err) {
		s.settle(p, err)
	}
	b.fail(err, p...)
}

func (s *Sink) spansBody(p post) ([]byte, error) {
	spans := make([][]byte, len(p))
	for i := range p {
		spans[i] = p[i].body
	}
	return spansBody(s.cfg.Workflow, s.client.environment, spans)
}

// blamesContent reports whether an answer is about what was in the request.
func blamesContent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// settledAnswer returns whether an earlier attempt settled the matter, and by which
// refusal, if it was one.
func (s *Sink) settledAnswer(key string) (settled bool, refusal error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refusal, settled = s.settled[key]
	return settled, refusal
}

func (s *Sink) settle(p post, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, part := range p {
		if len(s.settled) < maxSettled {
			s.settled[part.key] = err
		}
	}
}

// forget drops the answers about envelopes that will not come again.
func (s *Sink) forget(b *batch, err *takeError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range b.parts {
		if err == nil || p.index < err.taken+err.refused {
			delete(s.settled, p.key)
		}
	}
}
