package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/safeconduct/evidence"
	"example.com/safeconduct/evidence/internal/ledgertest"
	"example.com/safeconduct/evidence/record"
	"example.com/safeconduct/middleware"
)

type quotaError struct{ user string }

func (e *quotaError) Error() string { return "quota of " + e.user }

func TestOutcomes(t *testing.T) {
	deny := middleware.Before("no", func(context.Context, middleware.Call) error {
		return middleware.Deny(middleware.CodePolicy, "not today")
	})
	tests := []struct {
		name  string
		h     middleware.Handler
		gates []middleware.Interceptor
		want  record.Outcome
	}{
		{"done", say("ok"), nil, record.Outcome{Result: record.ResultDone, Reached: true}},
		{"denied", say("ok"), []middleware.Interceptor{deny}, record.Outcome{
			Result: record.ResultDenied, Gate: "no", Code: "policy", Reason: "not today"}},
		{"withheld", say("ok"), []middleware.Interceptor{middleware.After("out", func(context.Context, middleware.Call, middleware.Result) error {
			return middleware.Deny(middleware.CodeBadOutput, "too long")
		})}, record.Outcome{Result: record.ResultDenied, Gate: "out", Code: "bad_output", Reason: "too long", Reached: true}},
		{"undecided", say("ok"), []middleware.Interceptor{middleware.Before("db", func(context.Context, middleware.Call) error {
			return errBackend
		})}, record.Outcome{Result: record.ResultDenied, Gate: "db", Code: "indeterminate",
			Reason: "the gate could not decide", Error: []string{"*errors.errorString"}}},
		{"shadow", say("ok"), []middleware.Interceptor{middleware.Shadow(deny)}, record.Outcome{Result: record.ResultDone, Reached: true}},
		{"failed", fail(fmt.Errorf("read: %w", &quotaError{"bob-the-builder"})), nil, record.Outcome{
			Result: record.ResultFailed, Reached: true, Error: []string{"*fmt.wrapError", "*evidence_test.quotaError"}}},
		{"joined", fail(errors.Join(errBackend, context.DeadlineExceeded)), nil, record.Outcome{
			Result: record.ResultFailed, Reached: true,
			Error: []string{"*errors.joinError", "*errors.errorString", "context.DeadlineExceeded"}}},
		{"not ours to cancel", fail(context.Canceled), nil, record.Outcome{
			Result: record.ResultFailed, Reached: true, Error: []string{"context.Canceled"}}},
		{"tool panics", func(context.Context, middleware.Call) (middleware.Result, error) { panic("top-secret") }, nil, record.Outcome{
			Result: record.ResultFailed, Reached: true, Error: []string{"panic"}}},
		{"gate panics", say("ok"), []middleware.Interceptor{middleware.Before("bad", func(context.Context, middleware.Call) error {
			panic("top-secret")
		})}, record.Outcome{Result: record.ResultDenied, Gate: "bad", Code: "indeterminate",
			Reason: "the gate panicked at write_outcome_test.go", Error: []string{"panic"}}},
		{"interceptor panics", say("ok"), []middleware.Interceptor{func(next middleware.Handler) middleware.Handler {
			return func(context.Context, middleware.Call) (middleware.Result, error) { panic("top-secret") }
		}}, record.Outcome{Result: record.ResultFailed, Error: []string{"panic"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r := open(t, dir, evidence.Config{ReadOnly: []string{"shell"}})
			_, _ = call(t, r, shell, tt.h, tt.gates...)
			_ = r.Close(t.Context())
			ledgertest.WantIntact(t, dir)
			all := ledgertest.Entries(t, dir)
			got := *all[3].Record.Outcome
			if got.Latency <= 0 {
				t.Errorf("got latency %v", got.Latency)
			}
			got.Latency = 0
			if file, _, ok := strings.Cut(got.Reason, ".go:"); ok {
				got.Reason = file + ".go" // and not the line
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("got outcome\n%+v\nwant\n%+v", got, tt.want)
			}
			for _, e := range all {
				payload := ledgertest.DecodePayload(t, e.Envelope)
				for _, secret := range []string{"top-secret", "user-4711", "bob-the-builder"} {
					if strings.Contains(string(payload), secret) {
						t.Errorf("the record holds %q: %s", secret, payload)
					}
				}
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	h := middleware.Wrap(func(context.Context, middleware.Call) (middleware.Result, error) {
		cancel()
		return middleware.Result{Output: "half"}, nil
	}, r.Intercept)
	if _, err := h(ctx, shell); !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want context.Canceled", err)
	}
	_ = r.Close(t.Context())
	if report := ledgertest.WantIntact(t, dir); report.Cancelled != 1 || report.Interrupted != 0 {
		t.Errorf("got report %+v, want 1 cancelled", report)
	}
}

func TestGoexit(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = call(t, r, shell, func(context.Context, middleware.Call) (middleware.Result, error) {
			runtime.Goexit()
			return middleware.Result{}, nil
		})
	})
	wg.Wait()
	_ = r.Close(t.Context())
	ledgertest.WantIntact(t, dir)
	if o := ledgertest.Entries(t, dir)[3].Record.Outcome; o == nil || o.Result != record.ResultFailed || !slices.Equal(o.Error, []string{"goexit"}) {
		t.Errorf("got outcome %+v, want failed by goexit", o)
	}
}

// A process that dies in a tool leaves an intent without an outcome.
func TestUnknown(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	var copied [][]byte
	_, _ = call(t, r, shell, func(context.Context, middleware.Call) (middleware.Result, error) {
		copied = ledgertest.Envelopes(t, dir) // as if the process ended here
		return middleware.Result{}, nil
	})
	_ = r.Close(t.Context())
	ledgertest.Rewrite(t, dir, copied...)
	if report := ledgertest.WantIntact(t, dir); report.Calls != 1 || report.Unknown != 1 || report.Interrupted != 1 {
		t.Errorf("got report %+v, want 1 call unknown and 1 run interrupted", report)
	}
}

// What a caller got of a stream stands in the outcome, whoever ended it.
func TestFault48Released(t *testing.T) {
	refuse := middleware.After("out", func(context.Context, middleware.Call, middleware.Result) error {
		return middleware.Deny(middleware.CodeBadOutput, "not that")
	})
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		gates  []middleware.Interceptor
		err    error
		result record.Result
		want   int64
	}{
		{"done", nil, nil, record.ResultDone, 12},
		{"denied", []middleware.Interceptor{refuse}, nil, record.ResultDenied, 0},
		{"denied after a part has left", []middleware.Interceptor{middleware.Window(6, refuse)}, nil, record.ResultDenied, 4},
		{"denied after all has left", []middleware.Interceptor{middleware.PassThrough(refuse)}, nil, record.ResultDenied, 12},
		{"failed", nil, broken, record.ResultFailed, 12},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := ledgertest.Dir(t)
			r := open(t, dir, evidence.Config{})
			_, _ = call(t, r, middleware.Call{Kind: middleware.KindRetriever, Name: "m", Stream: func(context.Context, middleware.Chunk) error { return nil }},
				func(ctx context.Context, call middleware.Call) (middleware.Result, error) {
					for range 3 {
						if err := call.Stream(ctx, middleware.Chunk{Text: []byte("four")}); err != nil {
							return middleware.Result{}, err
						}
					}
					return middleware.Result{Output: "four"}, tt.err
				}, tt.gates...)
			_ = r.Close(t.Context())
			ledgertest.WantIntact(t, dir)
			if o := ledgertest.Entries(t, dir)[3].Record.Outcome; o.Result != tt.result || o.Released != tt.want {
				t.Errorf("got %+v, want %s with %d bytes released", o, tt.result, tt.want)
			}
		})
	}
}

// A call that failed for a reason of its own is not cancelled because its context
// ended in the meantime.
func TestAFailureUnderAnEndedContextIsAFailure(t *testing.T) {
	dir := ledgertest.Dir(t)
	r := open(t, dir, evidence.Config{})
	for _, why := range []error{errors.New("the disk is full"), context.Canceled} {
		ctx, cancel := context.WithCancel(t.Context())
		h := middleware.Wrap(say("ok"), r.Intercept, func(middleware.Handler) middleware.Handler {
			return func(context.Context, middleware.Call) (middleware.Result, error) {
				cancel()
				return middleware.Result{}, why
			}
		})
		if _, err := h(ctx, shell); !errors.Is(err, why) {
			t.Errorf("got %v, want %v", err, why)
		}
	}
	if err := r.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []record.Result
	for _, e := range ledgertest.Entries(t, dir) {
		if o := e.Record.Outcome; o != nil {
			got = append(got, o.Result)
		}
	}
	if want := []record.Result{record.ResultFailed, record.ResultCancelled}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
