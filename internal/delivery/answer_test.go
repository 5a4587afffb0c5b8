package delivery_test

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/safeconduct/internal/delivery"
)

var now = time.Date(2026, 3, 20, 14, 5, 41, 0, time.UTC)

func TestParseRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  time.Duration
	}{
		{"7", 7 * time.Second},
		{" 7 ", 7 * time.Second},
		{"0", 0},
		{"007", 7 * time.Second},
		{"1000000000", 1_000_000_000 * time.Second},
		{"99999999999", math.MaxInt64},
		{strings.Repeat("9", 400), math.MaxInt64},
		{"Fri, 20 Mar 2026 14:05:48 GMT", 7 * time.Second},
		{"Friday, 20-Mar-26 14:05:48 GMT", 7 * time.Second},
		{"Fri Mar 20 14:05:48 2026", 7 * time.Second},
		{"Fri, 20 Mar 2026 14:05:41 GMT", 0},
		{"Thu, 19 Mar 2026 14:05:48 GMT", 0},
		{"Mon, 01 Jan 0001 00:00:00 GMT", 0},
		{"Fri, 31 Dec 9999 23:59:59 GMT", math.MaxInt64},
		{"", 0},
		{"-1", 0},
		{"+7", 0},
		{"1e9", 0},
		{"7.5", 0},
		{"7s", 0},
		{"0x7", 0},
		{"٧", 0},
		{"soon", 0},
		{"Fri, 20 Mar 2026 14:05:48", 0},
	} {
		if got := delivery.ParseRetryAfter(tt.value, now); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.value, got, tt.want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	f.Add("7")
	f.Add("-1")
	f.Add("Fri, 20 Mar 2026 14:05:48 GMT")
	f.Fuzz(func(t *testing.T, value string) {
		if got := delivery.ParseRetryAfter(value, now); got < 0 {
			t.Errorf("got %v", got)
		}
	})
}

func TestStatusError(t *testing.T) {
	again := []int{401, 403, 407, 408, 425, 429, 502, 503, 504}
	for status := 100; status < 700; status++ {
		want := status >= 400 && status <= 599
		for _, s := range again {
			want = want && s != status
		}
		err := &delivery.StatusError{Status: status}
		if got := delivery.IsPermanent(err); got != want {
			t.Errorf("%d: got permanent %t, want %t", status, got, want)
		}
		if !strings.HasPrefix(err.Error(), fmt.Sprintf("the answer was %d", status)) {
			t.Errorf("%d: got %q", status, err)
		}
	}
	answer := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7"}}}
	err := fmt.Errorf("post: %w", delivery.NewStatusError(answer))
	if delivery.IsPermanent(err) || delivery.RetryAfter(err) != 7*time.Second {
		t.Errorf("got permanent %t, after %v", delivery.IsPermanent(err), delivery.RetryAfter(err))
	}
}

// A told says everything that an error can.
type told struct {
	permanent      bool
	after          time.Duration
	taken, refused int
}

func (told) Error() string               { return "told" }
func (e told) Permanent() bool           { return e.permanent }
func (e told) RetryAfter() time.Duration { return e.after }
func (e told) Taken() int                { return e.taken }
func (e told) Refused() int              { return e.refused }

// A misser is an error that says how much a receiver has.
type misser struct{ error }

func (misser) Missing() (uint64, bool) { return 7, true }

// What an error says that panics is nothing.
type panics struct{ error }

func (panics) Missing() (uint64, bool) { panic("the secret") }
func (panics) Unauthorized() bool      { panic("the secret") }

func TestWhatIsMissing(t *testing.T) {
	away := errors.New("away")
	if got := delivery.Missing(fmt.Errorf("wrapped: %w", misser{away})); got == nil || *got != 7 {
		t.Errorf("got %v, want 7", got)
	}
	for _, err := range []error{nil, away, panics{away}} {
		if got := delivery.Missing(err); got != nil || delivery.IsUnauthorized(err) {
			t.Errorf("%v: got %v, want nothing", err, got)
		}
	}
}

func TestWhatAnErrorSays(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want told
	}{
		{nil, told{}},
		{errors.New("away"), told{}},
		{told{true, time.Second, 3, 1}, told{true, time.Second, 3, 1}},
		{fmt.Errorf("wrapped: %w", told{true, time.Second, 3, 1}), told{true, time.Second, 3, 1}},
		{told{false, -time.Second, -3, -1}, told{}},
	} {
		got := told{delivery.IsPermanent(tt.err), delivery.RetryAfter(tt.err), delivery.Taken(tt.err), delivery.Refused(tt.err)}
		if got != tt.want {
			t.Errorf("%v: got %+v, want %+v", tt.err, got, tt.want)
		}
	}
}

// A sender that is not allowed has nothing refused, whoever else says that the error
// is for good.
func TestNotAllowedIsNotForGood(t *testing.T) {
	turned := &delivery.StatusError{Status: 401}
	for name, err := range map[string]error{
		"around it": errors.Join(told{permanent: true}, turned),
		"within it": errors.Join(turned, told{permanent: true}),
	} {
		if delivery.IsPermanent(err) || !delivery.IsUnauthorized(err) {
			t.Errorf("%s: permanent %t, unauthorized %t, want only the second", name, delivery.IsPermanent(err), delivery.IsUnauthorized(err))
		}
	}
}
