package delivery

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/safeconduct/internal/foreign"
)

// IsPermanent reports whether err, or an error that it wraps, has a method
// Permanent() bool that says that trying again is of no use. An error that
// [IsUnauthorized] is not: what is refused for that reason is taken later.
func IsPermanent(err error) bool {
	type asked interface {
		error
		Permanent() bool
	}
	return foreign.Ask(err, asked.Permanent) && !IsUnauthorized(err)
}

// IsUnauthorized reports whether err, or an error that it wraps, has a method
// Unauthorized() bool that says that whoever asked is not known, or may not do that:
// trying again is of no use until somebody has seen to it.
func IsUnauthorized(err error) bool {
	type asked interface {
		error
		Unauthorized() bool
	}
	return foreign.Ask(err, asked.Unauthorized)
}

// RetryAfter returns how long to wait before another attempt, as a method
// RetryAfter() time.Duration of err or of an error that it wraps says, and zero
// where none does or it makes no sense.
func RetryAfter(err error) time.Duration {
	type asked interface {
		error
		RetryAfter() time.Duration
	}
	return max(foreign.Ask(err, asked.RetryAfter), 0)
}

// Taken returns how many from the front of a batch were taken for good, as a
// method Taken() int of err or of an error that it wraps says.
func Taken(err error) int {
	type asked interface {
		error
		Taken() int
	}
	return max(foreign.Ask(err, asked.Taken), 0)
}

// Refused returns how many of a batch, after those that were taken, a permanent
// error is about, as a method Refused() int of err or of an error that it wraps
// says. Zero is for all of them.
func Refused(err error) int {
	type asked interface {
		error
		Refused() int
	}
	return max(foreign.Ask(err, asked.Refused), 0)
}

// Missing returns how many records from the first one on the receiver has, where a
// method Missing() (uint64, bool) of err or of an error that it wraps says that it
// misses some, and nil where none does.
func Missing(err error) *uint64 {
	type asked interface {
		error
		Missing() (held uint64, missing bool)
	}
	return foreign.Ask(err, func(e asked) *uint64 {
		if held, missing := e.Missing(); missing {
			return &held
		}
		return nil
	})
}

// IsOpen reports whether err says that no attempt was made: [ErrOpen].
func IsOpen(err error) bool { return foreign.Is(err, ErrOpen) }

// IsHung reports whether err says that the call may still be at work: [ErrHung].
func IsHung(err error) bool { return foreign.Is(err, ErrHung) }

// A StatusError is an answer of HTTP that is not a success. It holds nothing of
// the answer's body.
type StatusError struct {
	Status int           // the code
	After  time.Duration // how long to wait, as the answer asked; zero if it did not
}

// NewStatusError returns the error of an answer that came now.
func NewStatusError(answer *http.Response) *StatusError {
	return &StatusError{Status: answer.StatusCode, After: ParseRetryAfter(answer.Header.Get("Retry-After"), time.Now())}
}

// Error says which status.
func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the answer was %d %s", e.Status, http.StatusText(e.Status)))
}

// Unauthorized reports whether the status is 401, 403 or 407.
func (e *StatusError) Unauthorized() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Status == http.StatusProxyAuthRequired
}

// Permanent reports whether sending the same again is of no use: for all codes from
// 400 to 599 except 401, 403, 407, 408, 425, 429, 502, 503 and 504.
func (e *StatusError) Permanent() bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired,
		http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return 400 <= e.Status && e.Status <= 599
}

// RetryAfter returns After.
func (e *StatusError) RetryAfter() time.Duration { return e.After }

// ParseRetryAfter returns what the value of a Retry-After header (RFC 9110,
// section 10.2.3) asks for, in seconds or as a date. It is zero where that is in
// the past, or the value is neither.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > math.MaxInt64/int64(time.Second) {
			return math.MaxInt64
		}
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
