package evidence

import (
	"context"
	"fmt"
	"io"

	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/internal/delivery"
	"example.com/safeconduct/internal/foreign"
	"example.com/safeconduct/middleware"
)

// outcomeOf classifies how a call ended.
func outcomeOf(ctx context.Context, res middleware.Result, err error, decisions []middleware.Decision) record.Outcome {
	if err == nil {
		if _, told := res.Output.(middleware.Observation); told {
			o := record.Outcome{Result: record.ResultDenied, Told: true}
			for i := len(decisions) - 1; i >= 0; i-- {
				if d := decisions[i]; d.Verdict == middleware.VerdictDeny && !d.Shadow {
					o.Gate, o.Code, o.Reason = d.Gate, string(d.Code), d.Reason
					break
				}
			}
			return o
		}
		return record.Outcome{Result: record.ResultDone}
	}
	denied, ok := foreign.As[*middleware.DeniedError](err)
	switch {
	case ok && denied != nil:
		o := record.Outcome{Result: record.ResultDenied, Gate: denied.Gate, Code: string(denied.Code), Reason: denied.Reason}
		if denied.Err != nil {
			o.Error = errorClasses(denied.Err)
		}
		return o
	case ctx.Err() != nil && foreign.Is(err, ctx.Err()):
		return record.Outcome{Result: record.ResultCancelled, Error: errorClasses(err)}
	}
	return record.Outcome{Result: record.ResultFailed, Error: errorClasses(err)}
}

// maxClasses bounds the classes of one error.
const maxClasses = 8

// errorClasses returns what kinds of errors err is made of, outermost first:
// names for the well-known, Go types for the rest, and never what they say.
func errorClasses(err error) (all []string) {
	var visit func(err error)
	visit = func(err error) {
		if err == nil || len(all) == maxClasses {
			return
		}
		all = append(all, errorClass(err))
		for _, cause := range causes(err) {
			visit(cause)
		}
	}
	visit(err)
	return all
}

// causes returns what err wraps, nothing where its own code panics.
func causes(err error) (wrapped []error) {
	defer func() { _ = recover() }()
	switch u := err.(type) { //nolint:errorlint // each error of the chain is looked at by itself
	case *middleware.PanicError:
		// Its Value is the tool's own, whatever it is.
	case interface{ Unwrap() error }:
		return []error{u.Unwrap()}
	case interface{ Unwrap() []error }:
		return u.Unwrap()
	}
	return nil
}

func errorClass(err error) string {
	switch err { //nolint:errorlint // each error of the chain is looked at by itself
	case context.Canceled:
		return "context.Canceled"
	case context.DeadlineExceeded:
		return "context.DeadlineExceeded"
	case io.EOF:
		return "io.EOF"
	case io.ErrUnexpectedEOF:
		return "io.ErrUnexpectedEOF"
	case ErrUnavailable:
		return "evidence.ErrUnavailable"
	case ErrFull:
		return "evidence.ErrFull"
	case ErrClosed:
		return "evidence.ErrClosed"
	}
	switch e := err.(type) { //nolint:errorlint // the same
	case *middleware.PanicError:
		return "panic"
	case *delivery.StatusError:
		if e != nil {
			return fmt.Sprintf("http.%d", e.Status)
		}
	}
	return cleanName(fmt.Sprintf("%T", err)) // of a type made at run time: any length
}
