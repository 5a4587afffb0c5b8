package schema

import (
	"context"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
	"example.com/safeconduct/schema/internal/phrase"
)

// maxPrevious bounds how much of its refused answer a model gets back, in bytes.
const maxPrevious = 8 << 10

// A reply is what came of asking again.
type reply struct {
	answered bool // with something that is not refused
	output   any
	err      error
	accepted string // the answer, if it is text
}

// reask asks for other answers in place of the one in v, which was refused, until
// one is not. Where there is none, v is the verdict on the last. What is asked is
// call, which t and what is held are of; owner counts. Of what is streamed the
// caller gets that of the last answer.
func (b *boundary) reask(ctx context.Context, owner, t *judgedCall, call middleware.Call, first *heldStream, v *verdict) (r reply) {
	refusal, _ := foreign.As[*middleware.DeniedError](v.denied)
	asked := 0
	for held := first; t.canAsk(call) && !held.hasLeft() && owner.mayAsk(b.Reasks); asked++ {
		other := b.judgedCalls.New(ctx)
		other.kind, other.reaskOf = call.Kind, call.ID
		again := call
		if req, ok := call.Input.(*middleware.ModelRequest); ok && call.Kind == middleware.KindModel {
			again.Input = withMessages(req, b.correction(call.Kind, v.answer, v.denied))
		} else {
			other.correction = b.correction(call.Kind, t.lastAnswer(), v.denied)
		}
		held = b.holdStream(ctx, call)
		res, err := held.run(ctx, again, middleware.Again)
		other.ended.Store(true)
		if foreign.Is(err, middleware.ErrNoAgain) {
			break
		}
		if !other.isRefused(res, err) {
			res, err = held.release(ctx, other.verdict, res, err)
			r = reply{answered: true, output: res.Output, err: err, accepted: other.verdict.answer}
			asked++
			break
		}
		*v, t = other.verdict, other
	}
	if asked > 0 {
		ruling := b.gate.Begin(ctx)
		ruling.Note(middleware.Decision{
			Verdict: middleware.VerdictTransform, Code: refusal.Code,
			Reason: "asked again, " + phrase.Plural(asked, "time") + ": " + refusal.Reason,
		})
	}
	return r
}

// mayAsk counts that another answer is asked for, at most n times.
func (t *judgedCall) mayAsk(n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reasks == n {
		return false
	}
	t.reasks++
	return true
}

// canAsk reports whether there is a model that can be asked for another answer
// than that of call, which t is of.
func (t *judgedCall) canAsk(call middleware.Call) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch call.Kind {
	case middleware.KindModel:
		req, ok := call.Input.(*middleware.ModelRequest)
		return ok && req != nil
	case middleware.KindChain, middleware.KindPlan:
		return t.modelRequests == 1 && t.toolsAndPlans == 0
	case middleware.KindTool, middleware.KindRetriever:
	}
	return false
}

// isRefused reports whether what came back of the call is the refusal of its
// answer.
func (t *judgedCall) isRefused(res middleware.Result, err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.verdict.refused {
		return false
	}
	if err == nil {
		return isObservation(res) // the denial was told
	}
	return foreign.Is(err, t.denial)
}

// correction returns what a model gets to read when it is asked again.
func (b *boundary) correction(kind middleware.Kind, previous string, why error) []middleware.Message {
	reason := "it cannot be used"
	if d, ok := foreign.As[*middleware.DeniedError](why); ok {
		reason = d.Reason
	}
	form := "Answer again with nothing but JSON that satisfies the schema."
	if kind == middleware.KindPlan {
		form = "Answer again, in the form that you were told to use. Your final answer must be nothing but JSON that satisfies the schema."
	}
	text := "Your answer was refused: " + reason + ". " + form
	if b.shown != "" {
		text += " The schema: " + b.shown
	}
	messages := []middleware.Message{message("human", text)}
	if previous != "" { // providers refuse an empty message
		messages = append([]middleware.Message{message("ai", phrase.Clip(previous, maxPrevious))}, messages...)
	}
	return messages
}

func message(role, text string) middleware.Message {
	return middleware.Message{Role: role, Parts: []middleware.Part{{Text: text, Size: len(text)}}}
}

// withMessages returns the request with messages at its end.
func withMessages(req *middleware.ModelRequest, messages []middleware.Message) *middleware.ModelRequest {
	changed := *req
	changed.Messages = append(req.Messages[:len(req.Messages):len(req.Messages)], messages...)
	return &changed
}
