package middleware

import (
	"context"
)

// Tell is an Interceptor under which a denial becomes an [Observation] that the
// model can read, and the run goes on. It holds for tools, and for plans, whose
// whole batch is then refused by text. A denied chain or model call stays an
// error: there is nobody to tell. So does a denial in a run that has stopped.
//
// Tell stands inside the recorder and outside the gates whose denials it tells. The
// denial that it told is [Trail.Told].
func Tell(next Handler) Handler {
	if next == nil {
		return Layer{Name: "tell", ID: "tell", tell: true}.Handler()
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
	return Observation("Denied (" + string(d.Code) + "): " + d.Reason + ". Do not repeat this call unchanged.")
}
