package middleware

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"

	"example.com/safeconduct/internal/foreign"
)

// A Code classifies a denial. Codes are stable: programs and records rely on
// them. A gate of one's own may use codes of its own.
type Code string

// The codes of the gates of this module.
const (
	CodePolicy         Code = "policy"           // a rule of the user's
	CodeToolNotAllowed Code = "tool_not_allowed" // not on the allowlist, or made up
	CodeOverBudget     Code = "over_budget"      // a limit is spent
	CodeBadInput       Code = "bad_input"        // ingress, or a tool's arguments
	CodeBadOutput      Code = "bad_output"       // the output boundary
	CodeLoop           Code = "loop"             // the agent repeats itself
	CodeTooDeep        Code = "too_deep"         // calls nested deeper than MaxDepth
	CodeDeadline       Code = "deadline"         // out of time
	CodeBusy           Code = "busy"             // too fast, or too many at a time
	CodeApproval       Code = "approval"         // nobody said yes
	CodeEvidence       Code = "evidence"         // no durable record could be had
	CodeStopped        Code = "stopped"          // the run ended with an earlier denial
	CodeIndeterminate  Code = "indeterminate"    // the gate could not decide
)

// A DeniedError reports that a gate refused a Call or withheld its Output.
// Every other error from a [Handler] is a failure of the operation itself.
// Find it with errors.As.
type DeniedError struct {
	Gate   string // who denied; empty where an unnamed interceptor did
	Call   string // the Name of the Call
	Code   Code
	Reason string // safe to show to the model and to the user

	// Err is the cause, if any. It may hold secrets: neither fmt nor log/slog nor
	// encoding/json shows it.
	Err error `json:"-"`
}

// Error says who denied what and why. It leaves out Err.
func (e *DeniedError) Error() string {
	if e == nil {
		return "denied"
	}
	gate := e.Gate
	if gate == "" {
		gate = "interceptor"
	}
	if e.Call == "" {
		return fmt.Sprintf("denied by %s: %s (%s)", gate, e.Reason, e.Code)
	}
	return fmt.Sprintf("%s: denied by %s: %s (%s)", e.Call, gate, e.Reason, e.Code)
}

// Format prints what Error says, and for %#v the fields but Err. It is there for
// values too, of which fmt would print every field.
func (e DeniedError) Format(f fmt.State, verb rune) {
	format(f, verb, &e, fmt.Sprintf("&middleware.DeniedError{Gate:%q, Call:%q, Code:%q, Reason:%q}", e.Gate, e.Call, e.Code, e.Reason))
}

// format prints an error with a %v, and for a %#v what it is in Go.
func format(f fmt.State, verb rune, err error, inGo string) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, inGo)
		return
	}
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), err.Error())
}

// Unwrap returns the cause.
func (e *DeniedError) Unwrap() error {
	if e == nil {
		return nil // a nil *DeniedError in an error: errors.Is must not panic
	}
	return e.Err
}

// Deny returns a [*DeniedError] for a gate's check to return. The gate and the
// call are filled in by [Before], [After], [Transform] and [Named]. The format
// makes the reason, which is shown to the model and to the user: it must hold
// no secret. An empty code becomes [CodePolicy].
func Deny(code Code, format string, args ...any) error {
	if code == "" {
		code = CodePolicy
	}
	reason := format
	if len(args) > 0 {
		reason = fmt.Sprintf(format, args...)
	}
	return &DeniedError{Code: code, Reason: reason}
}

// attribute returns err as gate's denial of call. A denial that bears a gate's
// name keeps it; an error that is no denial means that the gate could not decide.
// A denial that lacks nothing is returned itself. It is not modified: a gate may
// return the same error twice.
func attribute(gate string, call *Call, err error) *DeniedError {
	d, bare := denial(err)
	if d == nil {
		return &DeniedError{
			Gate: gate, Call: call.Name, Code: CodeIndeterminate,
			Reason: "the gate could not decide", Err: sound(call, err),
		}
	}
	if bare && d.Gate != "" && d.Call != "" && d.Code != "" {
		return d
	}
	e := *d
	if !bare {
		e.Err = sound(call, err) // what wraps the denial is its cause
	}
	if e.Gate == "" {
		e.Gate = gate
	}
	if e.Call == "" {
		e.Call = call.Name
	}
	if e.Code == "" {
		e.Code = CodePolicy
	}
	return &e
}

// denial returns the denial in err's chain, or nil, and whether err is that very
// denial. It spares most callers the reflection of errors.As.
func denial(err error) (d *DeniedError, bare bool) {
	if err == nil {
		return nil, false
	}
	if d, bare := err.(*DeniedError); bare { //nolint:errorlint // errors.As follows
		return d, true
	}
	d, _ = foreign.As[*DeniedError](err)
	return d, false
}

// isDenied reports whether err is a denial.
func isDenied(err error) bool {
	d, _ := denial(err)
	return d != nil
}

// sameDenial reports whether both errors are the same denial.
func sameDenial(a, b error) bool {
	x, _ := denial(a)
	y, _ := denial(b)
	return x != nil && x == y
}

// A PanicError reports a panic that was caught at the boundary of a wrapped
// call. It comes back as it is where a tool, chain or model panicked, or the Stream
// of its caller, and as the cause of a [DeniedError] with [CodeIndeterminate] where
// a gate did.
type PanicError struct {
	Kind Kind
	Call string // the Name of the Call

	// Value is what was passed to panic, and Stack is for the operator's log. They
	// may hold secrets, and are not shown, as the cause of a denial is not.
	Value any    `json:"-"`
	Stack []byte `json:"-"`
}

// newPanicError must be called by the deferred function that recovered.
func newPanicError(call *Call, value any) *PanicError {
	return &PanicError{Kind: call.Kind, Call: call.Name, Value: value, Stack: debug.Stack()}
}

// Error names the call. It leaves out Value and Stack.
func (e *PanicError) Error() string {
	if e == nil {
		return "panicked"
	}
	return fmt.Sprintf("%s %s panicked", e.Kind, e.Call)
}

// Format is as that of a [DeniedError].
func (e PanicError) Format(f fmt.State, verb rune) {
	format(f, verb, &e, fmt.Sprintf("&middleware.PanicError{Kind:%d, Call:%q}", uint8(e.Kind), e.Call))
}

// Unwrap returns Value where it is an error, and one that does not panic itself.
func (e *PanicError) Unwrap() error {
	if e == nil {
		return nil
	}
	if err, _ := e.Value.(error); isSound(err) {
		return err
	}
	return nil
}

// sound returns err, or an error that says so where a method of it panics: callers ask
// errors of others where nothing catches a panic. Of a denial it replaces the cause.
func sound(call *Call, err error) error {
	if isSound(err) {
		return err
	}
	if d, bare := denial(err); d != nil {
		if bare {
			err = d.Err
		}
		e := *d
		e.Err = unsound(call, err)
		return &e
	}
	return unsound(call, err)
}

func unsound(call *Call, err error) error {
	return fmt.Errorf("middleware: %s %s: an error of type %T, of which a method panics", call.Kind, call.Name, err)
}

// isSound is [foreign.Sound], which need not ask the errors of this package.
func isSound(err error) bool {
	switch e := err.(type) { //nolint:errorlint // what they wrap follows
	case nil, *PanicError:
		return true
	case *DeniedError:
		return e == nil || isSound(e.Err)
	}
	return err == context.Canceled || err == context.DeadlineExceeded || foreign.Sound(err) //nolint:errorlint // as above
}
