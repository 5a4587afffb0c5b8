package schema

import (
	"context"

	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
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

// ask asks for other answers in place of the one in v, which was refused, until
// one is not. Where there is none, v is the verdict on the last. What is asked is
// call, which t and what is held are of; owner counts. Of what is streamed the
// caller gets that of the last answer.
func (b *boundary) ask(ctx context.Context, owner, t *turn, call middleware.Call, first *held, v *verdict) (r reply) {
	refusal, _ := foreign.As[*middleware.DeniedError](v.denied)
	asked := 0
	for held := first; t.canAsk(call) && !held.left() && owner.mayAsk(b.Reasks); asked++ {
		other := b.turns.New(ctx)
		other.kind, other.asks = call.Kind, call.ID
		again := call
		if req, ok := call.Input.(*middleware.ModelRequest); ok && call.Kind == middleware.KindModel {
			again.Input = withMessages(req, b.correction(call.Kind, v.answer, v.denied))
		} else {
			other.correct = b.correction(call.Kind, t.heard(), v.denied)
		}
		held = b.hold(ctx, call)
		res, err := held.run(ctx, again, middleware.Again)
		other.over.Store(true)
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
		turn := b.gate.Begin(ctx)
		turn.Note(middleware.Decision{
			Verdict: middleware.VerdictTransform, Code: refusal.Code,
			Reason: "asked again, " + plural(asked, "time") + ": " + refusal.Reason,
		})
	}
	return r
}

// mayAsk counts that another answer is asked for, at most n times.
func (t *turn) mayAsk(n int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked == n {
		return false
	}
	t.asked++
	return true
}

// canAsk reports whether there is a model that can be asked for another answer
// than that of call, which t is of.
func (t *turn) canAsk(call middleware.Call) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch call.Kind {
	case middleware.KindModel:
		req, ok := call.Input.(*middleware.ModelRequest)
		return ok && req != nil
	case middleware.KindChain, middleware.KindPlan:
		return t.requests == 1 && t.others == 0
	case middleware.KindTool, middleware.KindRetriever:
	}
	return false
}

// isRefused reports whether what came back of the call is the refusal of its
// answer.
func (t *turn) isRefused(res middleware.Result, err error) bool {
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
		messages = append([]middleware.Message{message("ai", clip(previous, maxPrevious))}, messages...)
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
