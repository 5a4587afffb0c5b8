package middleware

import (
	"context"
)

// Tell is an Interceptor under which a denial becomes an [Observation] that the
// model can read, and the run goes on. It holds for tools, and for plans, whose
// whole batch is then refused by text. A denied chain or model call stays an
// error: there is nobody to tell. So does a denial in a run that has stopped.
//
// The text has the code, the reason, and what the code means for whoever asked: that
// a busy tool may be tried again later, say, and that a spent budget is spent.
//
// Tell stands inside the recorder and outside the gates whose denials it tells. The
// denial that it told is [Trail.Told].
func Tell(next Handler) Handler {
	if next == nil {
		return Layer{Name: "tell", Kinds: []Kind{KindTool, KindPlan}, ID: "tell", tell: true}.Handler()
	}
	return func(ctx context.Context, call Call) (Result, error) {
		res, err := next(ctx, call)
		if err == nil || call.Kind != KindTool && call.Kind != KindPlan {
			return res, err
		}
		d, _ := denial(err)
		if d == nil || RunOf(ctx).Stopped() != nil {
			return res, err
		}
		if !inShadow(ctx) {
			scopeOf(ctx).tell(d)
		}
		return Result{Output: observe(d), Usage: res.Usage}, nil
	}
}

func observe(d *DeniedError) Observation {
	return Observation("Denied (" + string(d.Code) + "): " + d.Reason + ". " + advice(d.Code))
}

// advice says what a model is to do about a denial. Of a code of the user's own only
// that much is known that the same call would be denied again.
func advice(code Code) string {
	switch code {
	case CodeToolNotAllowed:
		return "Use another tool, or go on without one."
	case CodeOverBudget:
		return "Do not repeat this call: finish with what you have."
	case CodeBadInput:
		return "Correct the arguments, then call again."
	case CodeBadOutput:
		return "What came of this call was withheld: ask in another way, or go on without it."
	case CodeLoop:
		return "Do something else, or finish with what you have."
	case CodeTooDeep:
		return "Do not repeat this call: go on without it."
	case CodeDeadline:
		return "Ask for what takes less time, or finish with what you have."
	case CodeBusy:
		return "Go on with something else: this call may be repeated later."
	case CodeApproval:
		return "Do not repeat this call before somebody has agreed to it."
	case CodeEvidence:
		return "No tool can run for now: finish with what you have."
	case CodeStopped:
		return "The run is over: make no more calls."
	case CodeIndeterminate:
		return "Do not repeat this call unchanged: try another way, or go on without it."
	case CodePolicy:
	}
	return "Do not repeat this call unchanged."
}
