package delivery

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// IsPermanent reports whether err, or an error that it wraps, has a method
// Permanent() bool that says that to try again is no use.
func IsPermanent(err error) bool {
	var e interface{ Permanent() bool }
	return errors.As(err, &e) && e.Permanent()
}

// RetryAfter returns how long to wait before another attempt, as a method
// RetryAfter() time.Duration of err or of an error that it wraps says, and zero
// where none does or it makes no sense.
func RetryAfter(err error) time.Duration {
	var e interface{ RetryAfter() time.Duration }
	if errors.As(err, &e) {
		return max(e.RetryAfter(), 0)
	}
	return 0
}

// Taken returns how many from the front of a batch were taken for good, as a
// method Taken() int of err or of an error that it wraps says.
func Taken(err error) int {
	var e interface{ Taken() int }
	if errors.As(err, &e) {
		return max(e.Taken(), 0)
	}
	return 0
}

// Refused returns how many of a batch, after those that were taken, a permanent
// error is about, as a method Refused() int of err or of an error that it wraps
// says. Zero is for all of them.
func Refused(err error) int {
	var e interface{ Refused() int }
	if errors.As(err, &e) {
		return max(e.Refused(), 0)
	}
	return 0
}

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

// Permanent reports whether to send the same again is no use. So it is for all
// codes from 400 to 599 but 408, 425, 429, 502, 503 and 504.
func (e *StatusError) Permanent() bool {
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
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
