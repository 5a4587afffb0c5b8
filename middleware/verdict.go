package middleware

import (
	"context"
	"errors"
	"fmt"
)

// ErrAbstain is what a gate's check returns about a call that does not concern it: the
// call goes on, and nothing of the gate stands on the trail. So the gate of approvals
// leaves no allow on calls that nobody was asked about.
//
// To abstain is to allow without a record of it: return it for calls that need no yes,
// and never where the check could not find out. It counts as it is: an error that
// wraps it denies, as any other does. A check that calls others must not end with the
// first that abstains: the next may deny.
var ErrAbstain = errors.New("middleware: the gate abstains, which only its check can say")

// Allow returns what a gate's check returns to allow and to say why: the reason stands
// on the trail beside the verdict, as that of [Deny] does, and is shown to whoever reads
// the record. It must hold no secret. The format makes the reason; an empty one is as a
// nil error.
//
// What Allow returns counts as it is: an error that wraps it denies.
func Allow(format string, args ...any) error {
	a := &allowance{format}
	if len(args) > 0 {
		a.reason = fmt.Sprintf(format, args...)
	}
	return a
}

// An allowance is no failure, and an error only for a check to return.
type allowance struct{ reason string }

// Error is for who gets an allowance where no check returned it.
func (a *allowance) Error() string {
	return "middleware: Allow(" + a.reason + ") is for the check of a gate to return"
}

// allows returns the reason with which the error of a check allows, and whether it does.
func allows(err error) (reason string, ok bool) {
	if err == nil {
		return "", true
	}
	a, ok := err.(*allowance) //nolint:errorlint // one that is wrapped denies
	if !ok {
		return "", false
	}
	return a.reason, true
}

// abstains reports whether the error of a check says that the call is no concern of it.
func abstains(err error) bool {
	return err == ErrAbstain //nolint:errorlint // one that is wrapped denies
}

// Decide notes what the error of a check means, as for [Before], and returns the
// denial where it is one. Where it returns nil, the call goes on: the check allowed, and
// said why with [Allow] or did not, or it abstained, of which nothing is noted.
func (r *Ruling) Decide(ctx context.Context, call Call, err error) error {
	reason, ok := allows(err)
	switch {
	case ok && reason == "":
		r.Allow()
	case ok:
		r.Note(Decision{Verdict: VerdictAllow, Reason: reason})
	case !abstains(err):
		return r.Deny(ctx, call, err)
	}
	return nil
}
